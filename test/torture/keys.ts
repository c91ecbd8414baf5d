import type { Random } from "../../src/raft/random.ts";

/** Keys that all share at a time, and operations on a key before another takes its place. */
const places = 4;
const perKey = 100;

/**
 * The keys of a run: a few at a time, so that clients meet, each for a short while, so that its
 * history stays short enough to be checked.
 */
export class RotatingKeys {
  readonly #random: Random;
  readonly #current = Array.from({ length: places }, (_, i) => ({ name: `k${i}`, uses: 0 }));
  /** All keys ever used. */
  readonly used: string[] = this.#current.map(({ name }) => name);

  constructor(random: Random) {
    this.#random = random;
  }

  next(): string {
    const key = this.#current[this.#random.between(0, places - 1)]!;
    if (++key.uses > perKey) {
      key.name = `k${this.used.length}`;
      key.uses = 1;
      this.used.push(key.name);
    }
    return key.name;
  }
}
