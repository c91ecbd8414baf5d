import type { PutCommand } from "../../src/kv/command.ts";
import type { ClientResult } from "../../src/protocol/client.ts";
import { type RaftConfig, defaultSizes } from "../../src/raft/config.ts";
import { describeMessage, describePersist } from "../../src/raft/describe.ts";
import type { AppendEntriesRequest, AppendResult, Message } from "../../src/raft/messages.ts";
import { type Entry, type EntryId, asIndex, asTerm, zeroEntryId } from "../../src/raft/types.ts";
import { type LogLimits, logLimits } from "../../src/replica/compaction.ts";
import { Driver } from "../../src/replica/driver.ts";
import type { Peers, Storage } from "../../src/replica/ports.ts";
import { windowSize } from "../../src/kv/request-window.ts";
import { utf8 } from "./machine-bench.ts";
import { MemoryDisk, type MemoryStorage } from "./memory-storage.ts";

export interface BenchOptions {
  /** Three by default; the driver under test is the first. */
  readonly voters?: readonly string[];
  readonly config?: Partial<RaftConfig>;
  readonly disk?: MemoryDisk;
  readonly limits?: LogLimits;
  readonly digestEvery?: number;
  /** Comes between the driver and its storage, to make it fail. */
  readonly wrap?: (storage: Storage) => Storage;
}

/**
 * One driver, replica 1 of a group whose other members are the test. Writes down every effect, in
 * order, one line each.
 */
export class DriverBench {
  readonly disk: MemoryDisk;
  readonly storage: MemoryStorage;
  readonly driver: Driver;
  readonly sent: Message[] = [];
  readonly aborts: { readonly error: unknown; readonly state: string }[] = [];
  /** Answers what the driver asks a leader; by default nobody can be reached. */
  readIndex: Peers["readIndex"] = () => Promise.resolve(null);
  /** Peers that run older code. */
  readonly older = new Set<string>();
  /** How often it was said that there is something new to watch. */
  changes = 0;
  nowMs = 1000;
  #trace: string[] = [];

  constructor({
    voters = ["1", "2", "3"],
    config = {},
    disk = new MemoryDisk(),
    wrap,
    limits = logLimits(2 ** 30),
    digestEvery = 256,
  }: BenchOptions = {}) {
    this.disk = disk;
    this.storage = disk.found(voters).open();
    const traced = this.#traced(this.storage);
    this.driver = new Driver(
      {
        id: "1",
        seed: 1,
        heartbeatMs: 50,
        electionMinMs: 150,
        electionMaxMs: 300,
        patienceMs: 3000,
        restMs: 0,
        ranks: new Map(),
        ...defaultSizes,
        ...config,
      },
      { log: limits, requestWindow: windowSize, digestEvery },
      {
        storage: wrap === undefined ? traced : wrap(traced),
        peers: {
          send: (to, messages) => {
            this.sent.push(...messages);
            this.#note(`send ${to}: ${messages.map(describeMessage).join(" + ")}`);
          },
          keepsWaiting: (node) => this.older.has(node),
          readIndex: (leader, request) => this.readIndex(leader, request),
        },
        wake: { arm: (atMs) => this.#note(`arm ${atMs === null ? "never" : atMs - 1000}`) },
        clock: { nowMs: () => this.nowMs, wallMs: () => this.nowMs },
        changed: () => this.changes++,
        alone: () => this.#note("alone"),
        diverged: (at) => this.#note(at === null ? "repaired" : `diverged at ${at}`),
        abort: (error, state) => {
          this.aborts.push({ error, state });
          this.#note(`abort: ${error instanceof Error ? error.message : String(error)}`);
        },
        left: () => this.#note("left"),
      },
    );
  }

  /** The effects since the last call. */
  takeTrace(): string[] {
    const trace = this.#trace;
    this.#trace = [];
    return trace;
  }

  /**
   * Makes the driver leader of term 1: replica 2 grants, and acknowledges the term's noop unless
   * told not to.
   */
  async lead({ commit = true } = {}): Promise<void> {
    this.driver.campaign();
    const answer = { from: "2", to: "1", term: asTerm(1), granted: true } as const;
    this.driver.receiveAnswer([{ type: "preVoteResponse", ...answer }]);
    this.driver.receiveAnswer([{ type: "requestVoteResponse", ...answer }]);
    await this.settle();
    if (commit) this.accept("2", 1);
    if (this.driver.raft.role !== "leader") throw new Error("the driver should lead");
    this.takeTrace();
    this.sent.length = 0;
  }

  /** A follower acknowledges everything up to `matchIndex`, and so many rounds of reads. */
  accept(from: string, matchIndex: number, round = 0): void {
    this.answer(from, { type: "accepted", matchIndex: asIndex(matchIndex) }, round);
  }

  answer(
    from: string,
    result: AppendResult,
    round = 0,
    term: number = this.driver.raft.term,
  ): void {
    const head = { type: "appendEntriesResponse", from, to: "1", term: asTerm(term) } as const;
    this.driver.receiveAnswer([{ ...head, round, result }]);
  }

  /** Replica 2 deposes the leader. */
  depose(term = 9): void {
    this.driver.receiveCall("2", [append({ term })]);
  }

  /** Lets everything that does not wait for the test itself run to its end. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  #note(line: string): void {
    this.#trace.push(line);
  }

  /** A storage that leaves a line at each write and each wait. */
  #traced(storage: MemoryStorage): Storage {
    const { table, leases, uploads, history, outcomes } = storage;
    return {
      get hardState() {
        return storage.hardState;
      },
      get machineState() {
        return storage.machineState;
      },
      get audit() {
        return storage.audit;
      },
      log: storage.log,
      table: {
        ...table,
        put: (key, row) => {
          this.#note(`put ${key}`);
          table.put(key, row);
        },
        delete: (key) => {
          this.#note(`delete ${key}`);
          table.delete(key);
        },
      },
      leases,
      uploads,
      history,
      outcomes,
      persist: (persist) => {
        this.#note(describePersist(persist));
        storage.persist(persist);
      },
      openExport: (state) => storage.openExport(state),
      changesAfter: (revision) => storage.changesAfter(revision),
      openView: (state) => storage.openView(state),
      requestRecords: () => storage.requestRecords(),
      saveMachine: (state, records, changes) => {
        const ids = records.map(({ requestId }) => requestId).join();
        this.#note(`save machine at ${state.appliedIndex} with ${ids}`);
        storage.saveMachine(state, records, changes);
      },
      durable: async () => {
        this.#note("wait until durable");
        await storage.durable();
        this.#note("durable");
      },
    };
  }
}

/** A message of a leader, replica 2. */
export function append({
  term = 1,
  prev = zeroEntryId,
  entries = [],
  leaderCommit = 0,
  round = 0,
}: {
  term?: number;
  prev?: EntryId;
  entries?: readonly Entry[];
  leaderCommit?: number;
  round?: number;
}): AppendEntriesRequest {
  return {
    type: "appendEntriesRequest",
    from: "2",
    to: "1",
    term: asTerm(term),
    prev,
    entries,
    leaderCommit: asIndex(leaderCommit),
    round,
  };
}

export const id = (term: number, index: number): EntryId => ({
  term: asTerm(term),
  index: asIndex(index),
});

export const put = (requestId: string, key = requestId, floor = 0): PutCommand => ({
  type: "put",
  requestId,
  floor,
  key,
  value: utf8(requestId),
  contentType: null,
});

/** Where a promise stands, without waiting for it. */
export async function stateOf(promise: Promise<ClientResult[]>): Promise<ClientResult[] | "open"> {
  return Promise.race([
    promise,
    new Promise<"open">((resolve) => setImmediate(() => resolve("open"))),
  ]);
}
