import type { Step } from "./key-history.ts";

/** Which of a key's mandatory steps have taken effect. */
export class StepSet {
  readonly #steps: readonly Step[];
  readonly #words: Uint16Array;
  #size = 0;
  /** All steps before this one are in the set. */
  #first = 0;
  /** No step from this one on is in the set. */
  #end = 0;

  /** @param steps by call, each with its place as `index`. */
  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    this.#words = new Uint16Array((steps.length >> 4) + 1);
  }

  get isComplete(): boolean {
    return this.#size === this.#steps.length;
  }

  /** Equal for equal sets, and only for them. */
  get name(): string {
    const from = this.#first >> 4;
    const words = this.#words.subarray(from, (this.#end + 15) >> 4);
    return `${from} ${String.fromCharCode(...words)}`;
  }

  /** The earliest deadline of a step outside the set: only what was called by then may come next. */
  get horizon(): number {
    return this.available().reduce((min, { deadline }) => Math.min(min, deadline), Infinity);
  }

  /** The steps that may come next as far as time is concerned, by call. */
  available(): Step[] {
    const available: Step[] = [];
    let horizon = Infinity;
    for (let i = this.#first; i < this.#steps.length; i++) {
      const step = this.#steps[i]!;
      if (step.call > horizon) break;
      if (this.#has(i)) continue;
      available.push(step);
      horizon = Math.min(horizon, step.deadline);
    }
    return available;
  }

  add({ index }: Step): void {
    this.#words[index >> 4]! |= 1 << (index & 15);
    this.#size++;
    while (this.#first < this.#steps.length && this.#has(this.#first)) this.#first++;
    this.#end = Math.max(this.#end, index + 1);
  }

  remove({ index }: Step): void {
    this.#words[index >> 4]! &= ~(1 << (index & 15));
    this.#size--;
    this.#first = Math.min(this.#first, index);
    while (this.#end > 0 && !this.#has(this.#end - 1)) this.#end--;
  }

  #has(index: number): boolean {
    return ((this.#words[index >> 4]! >> (index & 15)) & 1) === 1;
  }
}
