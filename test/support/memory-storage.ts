import type { RevisionChanges } from "../../src/kv/changes.ts";
import { type MachineState, initialState } from "../../src/kv/state-machine.ts";
import { type RequestRecord, windowSize } from "../../src/kv/request-window.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { compareKeys, isWithin } from "../../src/kv/key-range.ts";
import type { OutcomeTable } from "../../src/kv/outcomes.ts";
import type { HistoryTable, OldRow } from "../../src/kv/history.ts";
import type { UploadTable } from "../../src/kv/uploads.ts";
import type { KvTable, LeaseTable } from "../../src/kv/table.ts";
import { type AuditRecord, emptyAudit } from "../../src/raft/audit.ts";
import type { Persist, Snapshot, SnapshotExport } from "../../src/raft/io.ts";
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
import {
  ChunkedExport,
  type StateView,
  chunkBytes as usualChunkBytes,
  fitting,
} from "../../src/replica/chunked-export.ts";
import { type PackedRecord, packRecord, unpackRecord } from "../../src/replica/packed-record.ts";
import type { Left } from "../../src/raft/membership.ts";
import type { ChangesAfter, Storage, StoredLog } from "../../src/replica/ports.ts";
import { gather, packChanges } from "../../src/replica/turn-changes.ts";
import { type Turn, unpackChunk } from "../../src/replica/snapshot-chunk.ts";
import type { Durable } from "../invariants/life.ts";
import { foundedBy } from "./members.ts";
import {
  type Tables,
  copyOfTables,
  inOrder,
  keysIn,
  leasesIn,
  outcomesIn,
  historyIn,
  partName,
  uploadsIn,
} from "./memory-tables.ts";

interface TurnOfState {
  readonly state: MachineState;
  readonly records: readonly RequestRecord[];
  /** Null when they are not known. */
  readonly changes: readonly RevisionChanges[] | null;
}

/** What a snapshot brings. */
interface State extends Tables {
  machine: MachineState;
  /** One element a turn that made any, as the replica's SQLite table has one row. */
  turns: TurnOfState[];
}

/** What a disk holds. */
interface Content extends State {
  hardState: HardState;
  audit: AuditRecord;
  base: EntryId;
  configurations: readonly ConfigurationAt[];
  entries: Entry[];
  /** What is kept of a group that this replica has left; null when it has left none. */
  left: Left | null;
  /** What has come of a snapshot. */
  incoming: State | null;
}

/** What of a disk can be tampered with. */
export type Tampered = State;

const emptyState = (): State => ({
  rows: new Map(),
  history: [],
  leases: new Map(),
  uploads: new Map(),
  parts: new Map(),
  outcomes: [],
  machine: initialState,
  turns: [],
});

type Write = (content: Content) => void;

/** Few, so that whoever asks what was changed has to ask again. */
const turnsAtATime = 4;

interface DiskOptions {
  /**
   * Decides when a finished turn becomes durable. At once, but never in the same turn, by default.
   */
  readonly later?: (work: () => void) => void;
  /** The data of a chunk of a snapshot. */
  readonly chunkBytes?: number;
}

/**
 * A disk in memory. It outlives the instances that run on it, and holds only what became durable.
 */
export class MemoryDisk {
  readonly #later: (work: () => void) => void;
  readonly #chunkBytes: number;
  readonly #durable: Content = {
    hardState: { term: asTerm(0), vote: null },
    audit: emptyAudit,
    base: zeroEntryId,
    configurations: [],
    entries: [],
    ...emptyState(),
    incoming: null,
    left: null,
  };
  #newest: MemoryStorage | null = null;

  constructor({ later = queueMicrotask, chunkBytes = usualChunkBytes }: DiskOptions = {}) {
    this.#later = later;
    this.#chunkBytes = chunkBytes;
    const content = this.#durable;
    this.durable = {
      get hardState() {
        return content.hardState;
      },
      get appliedIndex() {
        return asIndex(content.machine.appliedIndex);
      },
      get audit() {
        return content.audit;
      },
      log: new MemoryLog(content),
    };
  }

  /** Says who belongs to the group in the beginning, if that is not known yet. */
  found(voters: readonly string[]): this {
    const content = this.#durable;
    if (content.configurations.length > 0) return this;
    content.configurations = [{ index: asIndex(0), configuration: foundedBy(voters) }];
    return this;
  }

  get left(): Left | null {
    return this.#durable.left;
  }

  /** What a crash of everything would leave. */
  readonly durable: Durable;

  /** Changes what is stored behind the back of whoever runs on it. All must be durable. */
  tamper(change: (state: Tampered) => void): void {
    change(this.#durable);
    if (this.#newest?.isGone === false) this.#newest.tamper(change);
  }

  /**
   * Starts an instance, which sees what is durable. The instance before it can make nothing durable
   * from then on. It is not told: if its code still runs it is a zombie, as an old instance of a
   * Durable Object may be.
   */
  open(): MemoryStorage {
    this.#newest?.crash();
    this.#newest = new MemoryStorage(copyOf(this.#durable), {
      later: this.#later,
      chunkBytes: this.#chunkBytes,
      commit: (writes) => {
        for (const write of writes) write(this.#durable);
      },
    });
    return this.#newest;
  }
}

interface DiskPort {
  readonly later: (work: () => void) => void;
  readonly chunkBytes: number;
  readonly commit: (writes: readonly Write[]) => void;
}

/**
 * The Storage port in memory, as one instance sees it: reads see what was written, and a crash
 * leaves what became durable. What is written in one turn becomes durable together, and turns in
 * their order.
 */
export class MemoryStorage implements Storage {
  readonly log: StoredLog;
  readonly table: KvTable;
  readonly leases: LeaseTable;
  readonly uploads: UploadTable;
  readonly history: HistoryTable;
  readonly outcomes: OutcomeTable;
  readonly #content: Content;
  readonly #disk: DiskPort;
  readonly #openViews = new Set<StateView>();
  /** The turn under way. */
  #turn: Write[] = [];
  /** Turns that are over, in their order, each waiting to become durable. */
  readonly #waiting: (readonly Write[])[] = [];
  /** How many turns have written something, and how many of these are durable. */
  #begun = 0;
  #durable = 0;
  #waits: { readonly upTo: number; readonly resolve: () => void }[] = [];
  #isHeld = false;
  #isGone = false;
  #failure: Error | null = null;
  #writeFailure: Error | null = null;

  constructor(content: Content, disk: DiskPort) {
    this.#content = content;
    this.#disk = disk;
    this.log = new MemoryLog(content);
    const write = (change: (tables: Tables) => void): void => this.#write(change);
    this.table = keysIn(content, write);
    this.leases = leasesIn(content, write);
    const isHeld = (): boolean => this.#openViews.size > 0;
    this.history = historyIn(content, write, isHeld);
    this.uploads = uploadsIn(content, write, isHeld);
    this.outcomes = outcomesIn(content, write, isHeld);
  }

  get hardState(): HardState {
    return this.#content.hardState;
  }

  get audit(): AuditRecord {
    return this.#content.audit;
  }

  get machineState(): MachineState {
    return this.#content.machine;
  }

  /** What is kept of a group that this replica has left; null when it has left none. */
  get left(): Left | null {
    return this.#content.left;
  }

  saveLeft(left: Left): void {
    this.#write((content) => (content.left = left));
  }

  /** Whether this instance has lost the disk, by a crash or to a newer instance. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Turns that are not durable yet, the one under way included. */
  get pendingTurns(): number {
    return this.#begun - this.#durable;
  }

  persist(persist: Persist): void {
    const { hardState, chunk, install, repair, audit, compactTo, truncateFrom, entries } = persist;
    this.#write((content) => {
      if (hardState !== null) content.hardState = hardState;
      if (chunk !== null) storeChunk(content, chunk.place, chunk.data);
      if (install !== null) installSnapshot(content, install);
      if (repair !== null) replaceState(content, repair);
      if (audit !== null) content.audit = audit;
      if (compactTo !== null) {
        content.base = compactTo;
        const holds = ({ index }: ConfigurationAt): boolean => index <= compactTo.index;
        const holding = content.configurations.findLastIndex(holds);
        content.configurations = content.configurations.slice(holding);
        content.entries = content.entries.filter(({ index }) => index > compactTo.index);
      }
      if (truncateFrom !== null) {
        const stays = ({ index }: { readonly index: LogIndex }): boolean => index < truncateFrom;
        content.entries = content.entries.filter(stays);
        content.configurations = content.configurations.filter(stays);
      }
      content.entries.push(...entries);
      const added = entries.filter((entry) => entry.type === "configuration");
      content.configurations = [...content.configurations, ...added];
    });
  }

  openExport(state: MachineState): SnapshotExport {
    return new ChunkedExport(state, this.openView(state), this.#disk.chunkBytes);
  }

  openView(state: MachineState): StateView {
    const view: StateView = viewOf(this.#content, state, () => {
      this.#openViews.delete(view);
    });
    this.#openViews.add(view);
    return view;
  }

  *requestRecords(): Iterable<RequestRecord> {
    for (const { records } of this.#content.turns) yield* records;
  }

  saveMachine(
    state: MachineState,
    records: readonly RequestRecord[],
    all: readonly RevisionChanges[],
  ): void {
    const changes = packChanges(all) === null ? null : all;
    this.#write((content) => {
      content.machine = state;
      content.turns.push({ state, records, changes });
      // Few at a time, as the replica's SQLite storage does it: what is left over must do no harm.
      for (let forgotten = 0; forgotten < 2; forgotten++) {
        if (content.turns[0]!.state.sequence <= state.sequence - windowSize) content.turns.shift();
      }
    });
  }

  changesAfter(revision: number): ChangesAfter {
    const { turns } = this.#content;
    const at = turns.findLastIndex(({ state }) => state.revision <= revision);
    const left = turns.slice(at + 1, at + 1 + turnsAtATime);
    return gather(
      left.map(({ state, changes }) => ({ after: state.revision, changes })),
      Math.max(turns[at]?.state.revision ?? 0, revision),
      () => turns.findLast(({ changes }) => changes === null)!.state.revision,
    );
  }

  async durable(): Promise<void> {
    this.#throwFailure();
    await this.gate();
    this.#throwFailure();
  }

  /**
   * The output gate: resolves when all that has been written so far is durable. What leaves the
   * replica waits for it.
   */
  gate(): Promise<void> {
    const upTo = this.#begun;
    if (upTo <= this.#durable) return Promise.resolve();
    return new Promise((resolve) => this.#waits.push({ upTo, resolve }));
  }

  /**
   * Ends the turn. Happens by itself before the next microtask; a simulator that has no microtasks
   * between events calls it.
   */
  endTurn(): void {
    if (this.#turn.length === 0) return;
    this.#waiting.push(this.#turn);
    this.#turn = [];
    if (!this.#isHeld) this.#disk.later(() => !this.#isHeld && this.flush(1));
  }

  /** From now on turns become durable only by `flush` or `release`. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.endTurn();
    this.flush();
  }

  /** Makes the oldest waiting turns durable. */
  flush(turns = Number.POSITIVE_INFINITY): void {
    if (this.#isGone) return;
    for (const writes of this.#waiting.splice(0, turns)) {
      this.#disk.commit(writes);
      this.#durable++;
    }
    const done = this.#waits.filter(({ upTo }) => upTo <= this.#durable);
    this.#waits = this.#waits.filter(({ upTo }) => upTo > this.#durable);
    for (const { resolve } of done) resolve();
  }

  tamper(change: (state: Tampered) => void): void {
    change(this.#content);
  }

  /** From now on `durable` rejects, or every write throws. */
  fail(error: Error, at: "wait" | "write" = "wait"): void {
    if (at === "wait") this.#failure = error;
    else this.#writeFailure = error;
  }

  /**
   * The instance loses the disk. Of the turns that are over and not durable the oldest `survivors`
   * are kept, the others and the turn under way are lost. Whatever it writes afterwards, only it
   * will see, and `durable` never resolves.
   */
  crash(survivors = 0): void {
    if (survivors > 0) this.flush(survivors);
    this.#isGone = true;
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #write(write: Write): void {
    if (this.#writeFailure !== null) throw this.#writeFailure;
    write(this.#content);
    if (this.#turn.length === 0) {
      this.#begun++;
      queueMicrotask(() => this.endTurn());
    }
    this.#turn.push(write);
  }
}

class MemoryLog implements StoredLog {
  readonly #content: Content;

  constructor(content: Content) {
    this.#content = content;
  }

  get base(): EntryId {
    return this.#content.base;
  }

  get configurations(): readonly ConfigurationAt[] {
    return this.#content.configurations;
  }

  get bytes(): number {
    return this.#content.entries.reduce((sum, entry) => sum + sizeOf(entry), 0);
  }

  indexBefore(bytes: number): LogIndex {
    let kept = 0;
    const last = this.#content.entries.findLast((entry) => (kept += sizeOf(entry)) > bytes);
    return last?.index ?? this.base.index;
  }

  get last(): EntryId {
    const last = this.#content.entries.at(-1);
    return last === undefined ? this.base : { term: last.term, index: last.index };
  }

  termAt(index: LogIndex): Term {
    if (index === this.base.index) return this.base.term;
    const entry = this.#content.entries[index - this.base.index - 1];
    if (entry === undefined) throw new Error(`the log has no entry ${index}`);
    return entry.term;
  }

  slice(from: LogIndex, to: LogIndex, maxBytes: number): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    const { index: base } = this.base;
    for (const entry of this.#content.entries.slice(from - base - 1, to - base)) {
      bytes += entry.data.byteLength;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
    }
    return found;
  }
}

function copyOf(content: Content): Content {
  return {
    ...content,
    entries: [...content.entries],
    ...copyOfState(content),
    incoming: content.incoming === null ? null : copyOfState(content.incoming),
  };
}

const copyOfState = ({ machine, turns, ...tables }: State): State => ({
  ...copyOfTables(tables),
  machine,
  turns: [...turns],
});

/** What an entry takes in a log, about. */
const sizeOf = ({ data }: Entry): number => data.byteLength + 20;

/** A view is a copy: states are small here. */
function viewOf(
  content: Content,
  { sequence, revision }: MachineState,
  closed: () => void,
): StateView {
  const { rows, history, leases, uploads, parts, outcomes, turns } = copyOfState(content);
  const packed = turns
    .filter(({ state }) => state.sequence > sequence - windowSize)
    .map(({ state, records, changes }): Turn => {
      return {
        state,
        records: toBytes(records.map(packRecord)),
        changes: changes === null ? null : packChanges(changes),
      };
    });
  const [sortedRows, sortedLeases] = [inOrder(rows), inOrder(leases)];
  const isAfter = (after: string) => {
    return ([key]: readonly [string, unknown]): boolean => compareKeys(key, after) > 0;
  };
  let isOpen = true;
  const first = <T>(all: readonly T[], sizeIn: (item: T) => number, maxBytes: number): T[] => {
    if (!isOpen) throw new Error("the view is closed");
    return all.slice(0, fitting(all.map(sizeIn), maxBytes));
  };
  return {
    turns: (after, maxBytes) => {
      const left = packed.filter(({ state }) => state.appliedIndex > after);
      return first(left, ({ records }) => records.byteLength, maxBytes);
    },
    outcomes: (after, maxBytes) => {
      const left = outcomes.filter(({ ordinal }) => ordinal > after);
      return first(left, ({ bytes }) => bytes, maxBytes);
    },
    leases: (after, maxBytes) => {
      const left = sortedLeases.filter(isAfter(after));
      return first(left, ([lease]) => lease.length + 16, maxBytes);
    },
    uploads: () => inOrder(uploads),
    parts: (upload, part, maxBytes) => {
      const after = part < 0 ? "" : partName({ upload, part });
      const left = inOrder(parts)
        .filter(isAfter(after))
        .map(([, each]) => each);
      return first(left, ({ data }) => data.byteLength, maxBytes);
    },
    history: (key, at, maxBytes) => {
      const isLeft = ({ key: each, row, untilRevision }: OldRow): boolean => {
        const isNext = compareKeys(each, key) || row.modRevision - at;
        return isNext > 0 && untilRevision <= revision;
      };
      const byKey = (a: OldRow, b: OldRow): number =>
        compareKeys(a.key, b.key) || a.row.modRevision - b.row.modRevision;
      const left = history.filter(isLeft).toSorted(byKey);
      return first(left, ({ row }) => row.value.byteLength + 64, maxBytes);
    },
    rows: (range, maxBytes) => {
      const left = sortedRows.filter(([key]) => isWithin(key, range));
      const page = first(left, ([key, { value }]) => key.length + value.byteLength, maxBytes);
      return { rows: page, end: page.length === left.length ? null : page.at(-1)![0] };
    },
    close: () => {
      isOpen = false;
      closed();
    },
  };
}

function storeChunk(content: Content, place: number, data: Uint8Array): void {
  const { state, turns, outcomes, leases, uploads, parts, history, rows } = unpackChunk(data);
  if (place === 0) content.incoming = { ...emptyState(), machine: state! };
  const incoming = content.incoming!;
  for (const [key, row] of rows) incoming.rows.set(key, row);
  for (const [lease, terms] of leases) incoming.leases.set(lease, terms);
  for (const [upload, terms] of uploads) incoming.uploads.set(upload, terms);
  incoming.history.push(...history);
  for (const part of parts) incoming.parts.set(partName(part), part);
  incoming.outcomes.push(...outcomes);
  for (const { state: after, records, changes } of turns) {
    incoming.turns.push({
      state: after,
      records: fromBytes<PackedRecord[]>(records).map(unpackRecord),
      changes: changes === null ? null : fromBytes<RevisionChanges[]>(changes),
    });
  }
}

function installSnapshot(content: Content, { configuration, ...snapshot }: Snapshot): void {
  replaceState(content, snapshot);
  content.base = snapshot;
  content.configurations = [{ index: snapshot.index, configuration }];
  content.entries = [];
}

function replaceState(content: Content, snapshot: EntryId): void {
  const { incoming } = content;
  if (incoming?.machine.appliedIndex !== snapshot.index) {
    throw new Error(`there is no snapshot at ${snapshot.index}`);
  }
  const { machine, turns } = incoming;
  // The newest turn is the state, and the last entries may have had no effect worth a turn.
  if ((turns.at(-1)?.state.appliedIndex ?? 0) < machine.appliedIndex) {
    turns.push({ state: machine, records: [], changes: [] });
  }
  Object.assign(content, incoming);
  content.incoming = null;
}
