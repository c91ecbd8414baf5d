import type { Found } from "../../src/kv/result.ts";
import type { Lease, Row } from "../../src/kv/table.ts";
import { inOrder } from "./order.ts";

/** What a store holds, as the model has it. */
export interface Holdings {
  readonly rows: ReadonlyMap<string, Row>;
  readonly leases: ReadonlyMap<string, Lease>;
}

/** All that is kept of a row, as it is told. */
export const foundIn = ({ value, ...rest }: Row): Found => ({
  ...rest,
  size: value.byteLength,
  value,
});

export const keysOfLease = (rows: Holdings["rows"], lease: string): string[] =>
  inOrder(rows.keys()).filter((key) => rows.get(key)!.lease === lease);
