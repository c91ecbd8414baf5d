import { Violation } from "../invariants/check.ts";

/** Nothing honest does so much in one moment. */
const mostAtOnce = 100_000;

/** Something planned, which can be called off as long as it has not happened. */
export interface Planned {
  isCalledOff: boolean;
}

interface Event extends Planned {
  readonly atMs: number;
  readonly order: number;
  readonly work: () => void;
}

/** What is going to happen in a simulated world, in the order of its own time. */
export class Agenda {
  #nowMs = 0;
  #order = 0;
  /** Events of the present moment so far. */
  #atOnce = 0;
  /** A binary heap: no event comes before its parent, which is at half its place. */
  readonly #heap: Event[] = [];
  /** Events that have happened. */
  happened = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /**
   * Plans `work` for some time from now, in whole ms as clocks show them; for one moment, in the order
   * in which it was planned.
   */
  after(ms: number, work: () => void): Planned {
    const atMs = this.#nowMs + Math.max(0, Math.ceil(ms));
    const event: Event = { atMs, order: this.#order++, work, isCalledOff: false };
    this.#push(event);
    return event;
  }

  /**
   * Carries out what is planned up to a moment. Between two events, promises run as far as they
   * can; `check` sees the outcome.
   */
  async runUntil(ms: number, check: () => void = () => {}): Promise<void> {
    while (this.#heap.length > 0 && this.#heap[0]!.atMs <= ms) {
      const { atMs, work, isCalledOff } = this.#pop();
      if (isCalledOff) continue;
      this.#atOnce = atMs === this.#nowMs ? this.#atOnce + 1 : 0;
      if (this.#atOnce > mostAtOnce)
        throw new Violation("time passes", `it stays ${atMs} for ever`);
      this.#nowMs = atMs;
      this.happened++;
      work();
      await new Promise((resolve) => setImmediate(resolve));
      check();
    }
    // What was found wrong after the last event, or without any.
    check();
    this.#nowMs = Math.max(this.#nowMs, ms);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!comesBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && comesBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!comesBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

const comesBefore = (a: Event, b: Event): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
