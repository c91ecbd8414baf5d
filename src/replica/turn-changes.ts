import type { RevisionChanges } from "../kv/changes.ts";
import { toBytes } from "../protocol/codec.ts";
import type { ChangesAfter } from "./ports.ts";

/** A row has to stay under 2 MB. What is more than this is not kept: whoever missed it has to look at all again. */
const maxBytes = 512 * 1024;

/** What a turn changed, as its row keeps it; null when that is too much. */
export function packChanges(changes: readonly RevisionChanges[]): Uint8Array | null {
  const bytes = toBytes(changes);
  return bytes.byteLength > maxBytes ? null : bytes;
}

/** What a turn changed, null when that is not known, and the revision after it. */
export interface TurnChanges {
  readonly after: number;
  readonly changes: readonly RevisionChanges[] | null;
}

/**
 * Puts together what turns changed, as far as nothing is missing.
 *
 * @param known the revision that comes before the first of them. Where the next one is not the one that
 * follows, a turn is gone, or revisions go on in another epoch: nobody can go on from before that.
 * @param newestGap the revision after the newest turn of which it is not known what it changed.
 */
export function gather(
  turns: readonly TurnChanges[],
  known: number,
  newestGap: () => number,
): ChangesAfter {
  const all: RevisionChanges[] = [];
  let at = known;
  const compacted = (revision: number): ChangesAfter =>
    all.length > 0 ? { type: "changes", changes: all } : { type: "compacted", revision };
  for (const { after, changes } of turns) {
    if (changes === null && after > at) return compacted(newestGap());
    for (const change of changes ?? []) {
      if (change.revision <= at) continue;
      if (change.revision > at + 1) return compacted(change.revision - 1);
      all.push(change);
      at = change.revision;
    }
    if (after > at) return compacted(after);
  }
  return { type: "changes", changes: all };
}
