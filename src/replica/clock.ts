import type { Clock } from "./ports.ts";

/**
 * Makes time that never runs backwards from a clock that may be set back. After a step back it
 * stands still in its own past and goes on from there, so that deadlines stay as far away as they
 * were.
 */
export class MonotonicClock implements Clock {
  readonly #wallMs: () => number;
  #offsetMs = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    const wallMs = this.#wallMs();
    if (wallMs + this.#offsetMs < this.#lastMs) this.#offsetMs = this.#lastMs - wallMs;
    this.#lastMs = wallMs + this.#offsetMs;
    return this.#lastMs;
  }

  wallMs(): number {
    return this.#wallMs();
  }

  /** The wall clock's time at which `nowMs` will be `ms`. */
  toWallMs(ms: number): number {
    return ms - this.#offsetMs;
  }
}
