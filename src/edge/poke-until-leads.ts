import type { ReplicaStatus } from "../protocol/client.ts";
import { backoffMs, pause } from "./pause.ts";
import type { ReplicaGroup } from "./replica-group.ts";

/** The longest wait between two looks. */
const longestPauseMs = 100;

/** Waits for a replica to lead in a term after `term`. Returns null when it does not by the deadline. */
export async function pokeUntilLeads(
  group: ReplicaGroup,
  id: string,
  term: number,
  deadline: AbortSignal,
): Promise<ReplicaStatus | null> {
  for (let n = 0; !deadline.aborted; n++) {
    // Its alarm may be late.
    const status = await group.poke(id, deadline).catch(() => null);
    const leads = status?.type === "status" && status.role === "leader";
    if (leads && status.term > term) return status;
    await pause(backoffMs(n, longestPauseMs), deadline);
  }
  return null;
}
