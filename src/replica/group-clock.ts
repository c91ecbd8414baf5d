import type { Clock } from "./ports.ts";

/**
 * What time a leader tells its group that it is. It goes on from what the group was told last, so that it
 * never goes back and never stands still, though one leader's clock may be ahead of another's.
 */
export class GroupClock {
  readonly #clock: Clock;
  /** What the group was told last, and when that was here. */
  #told: { readonly groupMs: number; readonly atMs: number };

  constructor(clock: Clock, groupMs: number) {
    this.#clock = clock;
    this.#told = { groupMs, atMs: clock.nowMs() };
  }

  /** The group was told that it is so late. */
  note(groupMs: number): void {
    if (groupMs > this.#told.groupMs) this.#told = { groupMs, atMs: this.#clock.nowMs() };
  }

  /** In whole ms since 1970. */
  nowMs(): number {
    const { groupMs, atMs } = this.#told;
    return Math.floor(Math.max(this.#clock.wallMs(), groupMs + this.#clock.nowMs() - atMs));
  }
}
