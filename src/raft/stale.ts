import { unreachable } from "./assert.ts";
import type { Message } from "./messages.ts";
import type { Term } from "./types.ts";

/**
 * What to answer a message of a term that has passed: that it has. Without an answer, a sender stuck in an
 * older term would never find out (etcd, free stuck candidate). Null for what is itself an answer.
 */
export function staleAnswer(message: Message, term: Term): Message | null {
  const header = { from: message.to, to: message.from, term };
  const result = { type: "stale" } as const;
  switch (message.type) {
    case "appendEntriesRequest": {
      const { round } = message;
      return { ...header, type: "appendEntriesResponse", round, result };
    }
    case "installSnapshotRequest": {
      const { shipment, chunk } = message;
      return { ...header, type: "installSnapshotResponse", shipment, chunk, result };
    }
    case "preVoteRequest":
      return { ...header, type: "preVoteResponse", granted: false };
    case "requestVoteRequest":
      return { ...header, type: "requestVoteResponse", granted: false };
    case "timeoutNowRequest":
    case "appendEntriesResponse":
    case "installSnapshotResponse":
    case "preVoteResponse":
    case "requestVoteResponse":
      return null;
    default:
      return unreachable(message);
  }
}
