import type { RequestId } from "./io.ts";
import type { LogIndex } from "./types.ts";

interface Pending {
  readonly id: RequestId;
  readonly index: LogIndex;
  readonly bytes: number;
}

/** The proposals that wait for their entry to commit and be applied, in the order of the log. */
export class Proposals {
  readonly #pending: Pending[] = [];
  #bytes = 0;

  /** Bytes of entry data that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#pending.length;
  }

  add(id: RequestId, index: LogIndex, bytes: number): void {
    this.#pending.push({ id, index, bytes });
    this.#bytes += bytes;
  }

  /** Takes out those whose entry is at or before `index`: they are being applied. */
  takeUpTo(index: LogIndex): Pending[] {
    const end = this.#pending.findIndex((pending) => pending.index > index);
    return this.#take(0, end === -1 ? this.#pending.length : end);
  }

  /**
   * Takes out those whose entry is after `index`: with the leadership, their fate is lost from
   * sight.
   */
  takeAfter(index: LogIndex): Pending[] {
    const start = this.#pending.findIndex((pending) => pending.index > index);
    return start === -1 ? [] : this.#take(start, this.#pending.length);
  }

  #take(start: number, end: number): Pending[] {
    const taken = this.#pending.splice(start, end - start);
    for (const { bytes } of taken) this.#bytes -= bytes;
    return taken;
  }
}
