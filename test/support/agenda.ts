/** What is going to happen in a simulated world, in the order of its own time. */
export class Agenda {
  #nowMs = 0;
  #order = 0;
  readonly #events: { readonly atMs: number; readonly order: number; readonly work: () => void }[] =
    [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Plans `work` for some time from now; for one moment, in the order in which it was planned. */
  after(ms: number, work: () => void): void {
    const event = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, work };
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle]!.atMs > event.atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  /**
   * Carries out what is planned up to a moment. Between two events, promises run as far as they
   * can; `check` sees the outcome.
   */
  async runUntil(ms: number, check: () => void = () => {}): Promise<void> {
    for (;;) {
      const next = this.#events.at(-1);
      if (next === undefined || next.atMs > ms) break;
      this.#events.pop();
      this.#nowMs = next.atMs;
      next.work();
      await new Promise((resolve) => setImmediate(resolve));
      check();
    }
    this.#nowMs = Math.max(this.#nowMs, ms);
  }
}
