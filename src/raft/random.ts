/**
 * Seeded random numbers (Marsaglia's 32-bit xorshift): the same seed gives the same elections in
 * every run.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Multiplying spreads small seeds over all bits; xorshift never leaves 0, so 0 is replaced.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) || 1;
    for (let warmUp = 0; warmUp < 8; warmUp++) this.#next();
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + (this.#next() % (max - min + 1));
  }

  #next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
}
