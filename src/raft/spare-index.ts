import type { Context } from "./context.ts";
import type { Progress } from "./progress.ts";
import { type LogIndex, minIndex } from "./types.ts";

/**
 * The last entry that no follower of a leader needs any more; null when that is any. What a follower takes
 * from the log, or will when it has its snapshot, must stay there, or it would need one snapshot after the
 * other. One that is silent, or of which nothing is known, has no claim.
 */
export function spareIndex(
  { log, nowMs, config }: Context,
  followers: Iterable<Progress>,
): LogIndex | null {
  let spare: LogIndex | null = null;
  for (const { shipment, matchIndex, heardMs } of followers) {
    const needed = shipment?.snapshot.index ?? matchIndex;
    const isSilent = nowMs - heardMs >= config.patienceMs;
    if (isSilent || needed < log.base.index) continue;
    spare = spare === null ? needed : minIndex(spare, needed);
  }
  return spare;
}
