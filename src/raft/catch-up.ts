import type { LogIndex } from "./types.ts";

/**
 * Whether a learner keeps up with a log that grows. In a round it takes what the log had when the round
 * began; one that is done within an election timeout has caught up, since no longer would a group
 * have to wait for it (thesis, 4.2.1).
 */
export class CatchUp {
  #upTo: LogIndex;
  #sinceMs: number;
  #isDone = false;

  constructor(lastIndex: LogIndex, nowMs: number) {
    this.#upTo = lastIndex;
    this.#sinceMs = nowMs;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** It holds everything up to `matchIndex`, of a log that ends at `lastIndex`. */
  holds(matchIndex: LogIndex, lastIndex: LogIndex, nowMs: number, withinMs: number): void {
    if (matchIndex < this.#upTo) return;
    this.#isDone = nowMs - this.#sinceMs < withinMs;
    this.#upTo = lastIndex;
    this.#sinceMs = nowMs;
  }
}
