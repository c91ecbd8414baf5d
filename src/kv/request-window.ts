import { type Recorded, sizeOfRecord } from "./record.ts";

/** What became of one request, and which number in the sequence of all commands it had. */
export interface RequestRecord {
  readonly requestId: string;
  readonly sequence: number;
  readonly result: Recorded;
}

/**
 * Commands for which the outcome is kept. At a few thousand writes a second it covers the edge's
 * whole deadline.
 */
export const windowSize = 32_768;

/** What the records of a window take together at most. Those of plain puts are far from it. */
export const windowBytes = 16 * 1024 * 1024;

/**
 * Makes a command that arrives more than once take effect once (thesis, 6.3), without clocks and in
 * bounded memory.
 *
 * The last outcomes, as many as the window is wide or as have room, are kept by request id. A request carries its `floor`: a sequence
 * number that its sender had seen before it first sent it. If the request took effect before, its
 * record's number is above the floor; so when the window no longer reaches down to the floor the
 * record might be gone, and the command is refused as expired rather than applied again.
 */
export class RequestWindow {
  readonly #load: () => Iterable<RequestRecord>;
  readonly #size: number;
  /**
   * Oldest first. Read from storage at first need, since most wake-ups of a replica write nothing.
   */
  #records: Map<string, RequestRecord> | null = null;
  #bytes = 0;
  /** The number of the newest record that was let go of though the window is wider. */
  #crowdedOut = 0;
  #unsaved: RequestRecord[] = [];

  /**
   * @param load reads what `takeUnsaved` gave to be stored, in the order of the sequence. It may
   * give more than the window.
   * @param size how many outcomes are kept. Must be the same for all replicas, for ever.
   */
  constructor(load: () => Iterable<RequestRecord>, size: number) {
    this.#load = load;
    this.#size = size;
  }

  /** What became of a request, if it is on record. */
  find(requestId: string): Recorded | null {
    return this.#all().get(requestId)?.result ?? null;
  }

  /** Whether a request that is not on record may have been, so that it must not be applied. */
  isExpired(floor: number, sequence: number): boolean {
    this.#all();
    return sequence - floor > this.#size || floor < this.#crowdedOut;
  }

  record(record: RequestRecord): void {
    this.#insert(this.#all(), record);
    this.#unsaved.push(record);
  }

  /**
   * The records made since the last call, to be stored in the same transaction as their effects.
   */
  takeUnsaved(): readonly RequestRecord[] {
    const unsaved = this.#unsaved;
    this.#unsaved = [];
    return unsaved;
  }

  /** What is stored has been replaced: what was read of it does not hold any more. */
  reload(): void {
    this.#records = null;
    this.#bytes = 0;
    this.#crowdedOut = 0;
    this.#unsaved = [];
  }

  #all(): Map<string, RequestRecord> {
    if (this.#records === null) {
      this.#records = new Map();
      for (const record of this.#load()) this.#insert(this.#records, record);
    }
    return this.#records;
  }

  /** Adds the newest record and lets go of those that leave the window. */
  #insert(records: Map<string, RequestRecord>, record: RequestRecord): void {
    records.set(record.requestId, record);
    this.#bytes += sizeOfRecord(record.requestId, record.result);
    for (const [requestId, { sequence, result }] of records) {
      const isWide = sequence <= record.sequence - this.#size;
      if (!isWide && this.#bytes <= windowBytes) return;
      records.delete(requestId);
      this.#bytes -= sizeOfRecord(requestId, result);
      if (!isWide) this.#crowdedOut = sequence;
    }
  }
}
