import type { CommandResult } from "../kv/result.ts";
import type { ChangeResult, ClientResult } from "../protocol/client.ts";
import type { Failure } from "../raft/io.ts";
import type { LogIndex } from "../raft/types.ts";

/** How a wait for the core ends. */
export type Ending =
  | { readonly type: "applied"; readonly results: readonly CommandResult[] }
  /** A state that has the log up to `index` applied is one that may be read. */
  | { readonly type: "safe"; readonly index: LogIndex }
  | ({ readonly type: "failed" } & Failure);

/** What is told of a wait that came to nothing. */
export function failureResult(ended: Ending): Extract<ClientResult, ChangeResult> {
  if (ended.type !== "failed")
    throw new Error(`a request ended as ${ended.type}, which is not its kind`);
  switch (ended.reason) {
    case "not_leader":
      return { type: "notLeader", leader: ended.leader };
    case "dropped":
      return { type: "dropped" };
    case "unknown":
      return { type: "unknown" };
  }
}
