import { type AuditRecord, emptyAudit } from "../../src/raft/audit.ts";
import type { Persist, Snapshot, SnapshotExport } from "../../src/raft/io.ts";
import type { LogReader } from "../../src/raft/log.ts";
import type { Configuration } from "../../src/raft/membership.ts";
import type { Persisted } from "../../src/raft/raft.ts";
import {
  type ConfigurationAt,
  type Entry,
  type EntryId,
  type HardState,
  type LogIndex,
  type Term,
  asIndex,
  asTerm,
  zeroEntryId,
} from "../../src/raft/types.ts";
import { foundedBy } from "./members.ts";

/** A log in an array. Strict: to ask for what it does not hold is an error in whoever asks. */
export class MemoryLog implements LogReader {
  #base: EntryId;
  readonly #entries: Entry[];
  #configurations: readonly ConfigurationAt[];

  /** @param configuration who belonged to the group as of `base`. */
  constructor(
    entries: readonly Entry[] = [],
    base: EntryId = zeroEntryId,
    configuration: Configuration = foundedBy(["n1", "n2", "n3"]),
  ) {
    this.#base = base;
    this.#configurations = [{ index: base.index, configuration }];
    this.#entries = [];
    this.write({ truncateFrom: null, entries });
  }

  get base(): EntryId {
    return this.#base;
  }

  get last(): EntryId {
    const last = this.#entries.at(-1);
    return last === undefined ? this.#base : { term: last.term, index: last.index };
  }

  get configurations(): readonly ConfigurationAt[] {
    return this.#configurations;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  termAt(index: LogIndex): Term {
    return index === this.#base.index ? this.#base.term : this.#at(index).term;
  }

  slice(from: LogIndex, to: LogIndex, maxBytes: number): Entry[] {
    const slice: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index++) {
      const entry = this.#at(index);
      bytes += entry.data.byteLength;
      if (slice.length > 0 && bytes > maxBytes) break;
      slice.push(entry);
    }
    return slice;
  }

  write({ truncateFrom, entries }: Pick<Persist, "truncateFrom" | "entries">): void {
    if (truncateFrom !== null) {
      this.#at(truncateFrom);
      this.#entries.splice(truncateFrom - this.#base.index - 1);
      this.#configurations = this.#configurations.filter(({ index }) => index < truncateFrom);
    }
    for (const entry of entries) {
      if (entry.index !== this.last.index + 1) {
        throw new Error(`entry ${entry.index} does not follow ${this.last.index}`);
      }
      this.#entries.push(entry);
      if (entry.type === "configuration") this.#configurations = [...this.#configurations, entry];
    }
  }

  /** Forgets everything up to `index`, as after a snapshot. */
  compact(index: LogIndex): void {
    if (index < this.#base.index) throw new Error(`${index} is gone already`);
    const base = { term: this.termAt(index), index };
    this.#entries.splice(0, index - this.#base.index);
    this.#base = base;
    const holding = this.#configurations.findLastIndex((at) => at.index <= index);
    this.#configurations = this.#configurations.slice(holding);
  }

  /** Holds nothing, and begins after `base`. */
  reset({ configuration, ...base }: Snapshot): void {
    this.#entries.splice(0);
    this.#base = base;
    this.#configurations = [{ index: base.index, configuration }];
  }

  copy(): MemoryLog {
    const { configuration } = this.#configurations[0]!;
    return new MemoryLog(this.#entries, this.#base, configuration);
  }

  #at(index: number): Entry {
    const entry = this.#entries[index - this.#base.index - 1];
    if (entry === undefined) {
      throw new Error(`no entry ${index} in ${this.#base.index}..${this.last.index}`);
    }
    return entry;
  }
}

/** What a disk holds. */
interface Content {
  hardState: HardState;
  log: MemoryLog;
  appliedIndex: LogIndex;
  audit: AuditRecord;
  /** The chunks of a snapshot that have come: each says of what state it is a part. */
  chunks: readonly string[];
}

/** A state is cut into so many chunks. */
const chunksOfState = 3;

/** A chunk of the state at an index. There is no state, so it just tells of what it is a part. */
export const partOfState = (index: LogIndex, place: number): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(`${index} part ${place}`);

type Write =
  | { readonly type: "persist"; readonly persist: Persist }
  | { readonly type: "applied"; readonly index: LogIndex };

/**
 * A disk with a write-back cache: what is written can be read at once, becomes durable later in the
 * order of writing, and what is not durable yet is lost in a crash. The reader hands out only what
 * is durable, because the core promises to keep the rest in memory.
 */
export class MemoryStorage {
  readonly #durable: Content;
  #written: Content;
  #pending: Write[] = [];
  #writtenBatch = 0;
  #durableBatch = 0;

  constructor(content: Partial<Content> = {}) {
    const { log = new MemoryLog() } = content;
    this.#durable = {
      hardState: content.hardState ?? { term: asTerm(0), vote: null },
      log,
      appliedIndex: content.appliedIndex ?? log.base.index,
      audit: emptyAudit,
      chunks: [],
    };
    this.#written = copy(this.#durable);
  }

  /** What a replica boots from: everything written. */
  get persisted(): Persisted {
    const { hardState, appliedIndex, audit } = this.#written;
    const snapshots = { open: () => this.#export() };
    return { hardState, appliedIndex, audit, log: this.#reader(), snapshots };
  }

  /** Exports that are open: none must be left so. */
  openExports = 0;

  get written(): Readonly<Content> {
    return this.#written;
  }

  get durable(): Readonly<Content> {
    return this.#durable;
  }

  get writtenBatch(): number {
    return this.#writtenBatch;
  }

  get durableBatch(): number {
    return this.#durableBatch;
  }

  /** How many writes wait to become durable. */
  get pendingWrites(): number {
    return this.#pending.length;
  }

  persist(persist: Persist): void {
    if (persist.batch !== this.#writtenBatch + 1) {
      throw new Error(`batch ${persist.batch} after batch ${this.#writtenBatch}`);
    }
    this.#writtenBatch = persist.batch;
    this.#write({ type: "persist", persist });
  }

  saveApplied(index: LogIndex): void {
    this.#write({ type: "applied", index });
  }

  /** Makes durable all writes up to `batch`, and what was written right after it. */
  sync(batch: number = this.#writtenBatch): void {
    const next = this.#pending.findIndex(
      (write) => write.type === "persist" && write.persist.batch > batch,
    );
    this.syncWrites(next === -1 ? this.#pending.length : next);
  }

  /** Makes the `count` oldest writes durable. */
  syncWrites(count: number): void {
    for (const write of this.#pending.splice(0, count)) {
      carryOut(write, this.#durable);
      if (write.type === "persist") this.#durableBatch = write.persist.batch;
    }
  }

  /** Loses what is not durable. The next boot counts batches from 1 again. */
  crash(): void {
    this.#written = copy(this.#durable);
    this.#pending = [];
    this.#writtenBatch = 0;
    this.#durableBatch = 0;
  }

  #export(): SnapshotExport {
    const { appliedIndex } = this.#written;
    let isOpen = true;
    this.openExports++;
    return {
      index: appliedIndex,
      read(place) {
        if (!isOpen || place >= chunksOfState) throw new Error(`there is no chunk ${place}`);
        const data = partOfState(appliedIndex, place);
        return { data, isLast: place === chunksOfState - 1 };
      },
      close: () => {
        if (isOpen) this.openExports--;
        isOpen = false;
      },
    };
  }

  #write(write: Write): void {
    carryOut(write, this.#written);
    this.#pending.push(write);
  }

  #reader(): LogReader {
    const written = (): MemoryLog => this.#written.log;
    const requireDurable = (index: LogIndex): void => {
      if (this.#durable.log.termAt(index) !== written().termAt(index)) {
        throw new Error(`entry ${index} was read from the disk before it was durable`);
      }
    };
    return {
      get base() {
        return written().base;
      },
      get last() {
        return written().last;
      },
      get configurations() {
        return written().configurations;
      },
      termAt(index) {
        requireDurable(index);
        return written().termAt(index);
      },
      slice(from, to, maxBytes) {
        requireDurable(to);
        return written().slice(from, to, maxBytes);
      },
    };
  }
}

const copy = ({ log, ...rest }: Content): Content => ({ ...rest, log: log.copy() });

function carryOut(write: Write, content: Content): void {
  if (write.type === "applied") {
    content.appliedIndex = asIndex(write.index);
    return;
  }
  const { hardState, chunk, install, repair, audit, compactTo } = write.persist;
  content.hardState = hardState ?? content.hardState;
  if (chunk !== null) {
    const before = chunk.place === 0 ? [] : content.chunks;
    content.chunks = [...before, new TextDecoder().decode(chunk.data)];
  }
  const snapshot = install ?? repair;
  if (snapshot !== null) {
    const whole = Array.from({ length: chunksOfState }, (_, i) => `${snapshot.index} part ${i}`);
    if (content.chunks.join() !== whole.join()) {
      throw new Error(`installs ${snapshot.index} from ${content.chunks.join()}`);
    }
    if (install !== null) content.log.reset(install);
    content.appliedIndex = snapshot.index;
    content.chunks = [];
  }
  content.audit = audit ?? content.audit;
  if (compactTo !== null) {
    if (content.appliedIndex < compactTo.index) throw new Error("compacts what is not applied");
    content.log.compact(compactTo.index);
  }
  content.log.write(write.persist);
}
