/**
 * Since when this replica's state is known to have been that of the group: at that moment nothing had been
 * acknowledged to anybody that the state does not show. By the replica's own clock, which no other is compared
 * with.
 *
 * It is learnt from the core: what a majority confirms after a moment is at least what was acknowledged by
 * then. So a moment counts that came before the question, never that of the answer; and it counts for as long
 * as the state only goes on. How old the state may be by now is then told by the clock alone, whoever leads
 * and whoever is in reach.
 */
export class Freshness {
  #sinceMs: number | null = null;

  /** All that was acknowledged before this moment shows. */
  note(sinceMs: number): void {
    this.#sinceMs = Math.max(this.#sinceMs ?? sinceMs, sinceMs);
  }

  /** Another state has come in the place of the one that this was known of. */
  forget(): void {
    this.#sinceMs = null;
  }

  /** How long before `ms` the state was current, at most; null when that is not known. */
  stalenessAt(ms: number): number | null {
    if (this.#sinceMs === null) return null;
    // Clocks show whole ms, so what looks like none may be almost one.
    return Math.max(0, ms - this.#sinceMs) + 1;
  }
}
