import type { LogIndex } from "../raft/types.ts";
import type { StoredLog } from "./ports.ts";

/** How long a log may become, in bytes as storage counts them. */
export interface LogLimits {
  /** A log with more is cut. */
  readonly maxBytes: number;
  /** What stays at its end, for followers that are a little behind. */
  readonly keepBytes: number;
  /** What a leader keeps at most for a follower that takes longer. */
  readonly mostBytes: number;
}

/**
 * The limits of a log that is cut at a size. Half of it stays, so that followers which were away for a
 * moment need no snapshot. While one gets a snapshot, and catches up from there, the log waits for it:
 * up to a tenth of what a Durable Object may store.
 */
export const logLimits = (maxBytes: number): LogLimits => ({
  maxBytes,
  keepBytes: maxBytes / 2,
  mostBytes: 1024 * 1024 * 1024,
});

/** What is cut at once, so that a turn stays short however much a log has grown for a follower's sake. */
const maxCutBytes = 16 * 1024 * 1024;

/** Decides when a log is to be cut, and where. */
export class Compaction {
  readonly #limits: LogLimits;
  /** How long the log was when it was last tried. */
  #triedBytes = 0;

  constructor(limits: LogLimits) {
    this.#limits = limits;
  }

  /** Up to where the log may go, and must go. Null when it is short enough. */
  due(log: StoredLog): { readonly index: LogIndex; readonly forced: LogIndex } | null {
    const { maxBytes, keepBytes, mostBytes } = this.#limits;
    const { bytes } = log;
    // One that could not be cut, for a follower's sake, is tried again when it has grown some more. A
    // cut is not told from that, so the one after it also waits until the log is that much longer.
    const grownBytes = bytes - this.#triedBytes;
    if (bytes <= maxBytes || (grownBytes >= 0 && grownBytes < (maxBytes - keepBytes) / 4))
      return null;
    this.#triedBytes = bytes;
    const leastBytes = bytes - maxCutBytes;
    return {
      index: log.indexBefore(Math.max(keepBytes, leastBytes)),
      forced: log.indexBefore(Math.max(mostBytes, leastBytes)),
    };
  }
}
