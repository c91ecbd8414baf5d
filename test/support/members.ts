import { type Configuration, founding } from "../../src/raft/membership.ts";

/** What a group of these begins with. Each is in a region of its own, of the same name. */
export const foundedBy = (ids: readonly string[]): Configuration =>
  founding(ids.map((id) => ({ id, region: id })));
