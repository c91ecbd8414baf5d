/**
 * Revisions are never given twice, whatever is lost: each rebuilding of a group from one replica, and each
 * restoring of an export, begins with revisions of its own. So whoever asks for one that was given to
 * something which is no more finds nothing, rather than something else.
 *
 * Of whole numbers that can be told exactly there is room for 90 rebuildings, each with a thousand
 * restorings, each with a hundred billion revisions.
 */
const revisionsOfEpoch = 100_000_000_000_000;
const revisionsOfRestore = 100_000_000_000;

/** Where the revisions of an epoch begin; epochs count from 1. */
export const revisionOfEpoch = (epoch: number): number => (epoch - 1) * revisionsOfEpoch;

/** Where the revisions of the next restored state begin. */
export const nextRestore = (revision: number): number =>
  (Math.floor(revision / revisionsOfRestore) + 1) * revisionsOfRestore;
