/** How long one may take nothing of what it is told before others may have its place, in ms. */
const stalledMs = 60_000;

/** Somebody who is told what changes, on a stream or by a long poll. */
export class Watcher {
  readonly #gone = new AbortController();
  /** Since when it has something to take; null while it waits for more. */
  owedSinceMs: number | null = null;

  /** Aborts when it is told nothing more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  end(): void {
    this.#gone.abort();
  }
}

/** All of them at a replica, except those on sockets. */
export class Watchers {
  readonly #all = new Set<Watcher>();

  get size(): number {
    return this.#all.size;
  }

  enter(): Watcher {
    const watcher = new Watcher();
    this.#all.add(watcher);
    return watcher;
  }

  leave(watcher: Watcher): void {
    this.#all.delete(watcher);
    watcher.end();
  }

  /** Lets those go that have taken nothing for long. They may be gone already: not all say so. */
  dropStalled(nowMs: number): void {
    for (const watcher of this.#all) {
      const { owedSinceMs } = watcher;
      if (owedSinceMs !== null && nowMs - owedSinceMs >= stalledMs) this.leave(watcher);
    }
  }
}
