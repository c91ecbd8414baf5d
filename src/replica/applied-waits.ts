interface Wait {
  readonly isSo: () => boolean;
  readonly end: (isSo: boolean) => void;
}

/** Whoever waits for something to be applied, for a while. */
export class AppliedWaits {
  readonly #waits = new Set<Wait>();
  #isOver = false;

  /** Waits that are open. */
  get size(): number {
    return this.#waits.size;
  }

  /**
   * Waits until something is so. Resolves to whether it came to be within that time; whether it still is,
   * whoever waits has to see.
   */
  until(isSo: () => boolean, withinMs: number): Promise<boolean> {
    if (this.#isOver || isSo()) return Promise.resolve(!this.#isOver);
    return new Promise((resolve) => {
      const end = (is: boolean): void => {
        clearTimeout(timer);
        this.#waits.delete(wait);
        resolve(is);
      };
      const wait: Wait = { isSo, end };
      const timer = setTimeout(() => end(false), withinMs);
      this.#waits.add(wait);
    });
  }

  /** Something has been applied. */
  check(): void {
    for (const { isSo, end } of this.#waits) if (isSo()) end(true);
  }

  /** Nothing will be applied any more. */
  end(): void {
    this.#isOver = true;
    for (const { end } of this.#waits) end(false);
  }
}
