import type { AuditRecord } from "./audit.ts";
import type { Failure, Output, Persist, RequestId, Snapshot } from "./io.ts";
import type { LogChange } from "./log.ts";
import type { Message } from "./messages.ts";
import type { Entry, EntryId, HardState, LogIndex } from "./types.ts";
import { assert } from "./assert.ts";

/**
 * The output of the step under way, collected piece by piece; `take` hands it over and starts the
 * next.
 */
export class Effects {
  #batch = 0;
  #sendNow: Message[] = [];
  #sendAfterPersist: Message[] = [];
  #hardState: HardState | null = null;
  #chunk: Persist["chunk"] = null;
  #install: Snapshot | null = null;
  #repair: EntryId | null = null;
  #audit: AuditRecord | null = null;
  #compactTo: EntryId | null = null;
  #truncateFrom: LogIndex | null = null;
  #entries: Entry[] = [];
  #apply: readonly Entry[] = [];
  #done: { id: RequestId; index: LogIndex }[] = [];
  #reads: { id: RequestId; index: LogIndex }[] = [];
  #failed: Failure[] = [];

  /** The number that a batch written by this step has, if it writes one. */
  get batch(): number {
    return this.#batch + 1;
  }

  sendNow(message: Message): void {
    this.#sendNow.push(message);
  }

  sendAfterPersist(message: Message): void {
    this.#sendAfterPersist.push(message);
  }

  persistHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  persistLog(change: LogChange): void {
    if (change.truncateFrom !== null) {
      assert(this.#entries.length === 0, "a step cuts the log before it appends, never after");
      this.#truncateFrom = change.truncateFrom;
    }
    this.#entries.push(...change.entries);
  }

  persistChunk(place: number, data: Uint8Array): void {
    this.#chunk = { place, data };
  }

  install(snapshot: Snapshot): void {
    this.#install = snapshot;
  }

  repair(snapshot: EntryId): void {
    this.#repair = snapshot;
  }

  audit(record: AuditRecord): void {
    this.#audit = record;
  }

  compactTo(id: EntryId): void {
    this.#compactTo = id;
  }

  apply(entries: readonly Entry[]): void {
    this.#apply = entries;
  }

  done(id: RequestId, index: LogIndex): void {
    this.#done.push({ id, index });
  }

  readAt(id: RequestId, index: LogIndex): void {
    this.#reads.push({ id, index });
  }

  fail(failure: Failure): void {
    this.#failed.push(failure);
  }

  take(wakeAtMs: number | null): Output {
    const output: Output = {
      sendNow: this.#sendNow,
      persist: this.#takePersist(),
      sendAfterPersist: this.#sendAfterPersist,
      apply: this.#apply,
      done: this.#done,
      reads: this.#reads,
      failed: this.#failed,
      wakeAtMs,
    };
    this.#sendNow = [];
    this.#sendAfterPersist = [];
    this.#apply = [];
    this.#done = [];
    this.#reads = [];
    this.#failed = [];
    return output;
  }

  #takePersist(): Persist | null {
    const nothing =
      this.#hardState === null &&
      this.#chunk === null &&
      this.#install === null &&
      this.#repair === null &&
      this.#audit === null &&
      this.#compactTo === null &&
      this.#truncateFrom === null &&
      this.#entries.length === 0;
    if (nothing) return null;
    this.#batch++;
    const persist: Persist = {
      batch: this.#batch,
      hardState: this.#hardState,
      chunk: this.#chunk,
      install: this.#install,
      repair: this.#repair,
      audit: this.#audit,
      compactTo: this.#compactTo,
      truncateFrom: this.#truncateFrom,
      entries: this.#entries,
    };
    this.#hardState = null;
    this.#chunk = null;
    this.#install = null;
    this.#repair = null;
    this.#audit = null;
    this.#compactTo = null;
    this.#truncateFrom = null;
    this.#entries = [];
    return persist;
  }
}
