import { windowSize } from "../../src/kv/request-window.ts";
import type { ClientBatchResult, ClientRequest, ClientResult } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import type { Message } from "../../src/raft/messages.ts";
import { asIndex } from "../../src/raft/types.ts";
import { answerBatch } from "../../src/replica/client-api.ts";
import { type LogLimits, logLimits } from "../../src/replica/compaction.ts";
import { Driver } from "../../src/replica/driver.ts";
import type { ConfirmedIndex } from "../../src/replica/ports.ts";
import { describeServer } from "../../src/replica/status.ts";
import { MemoryDisk, type MemoryStorage } from "../support/memory-storage.ts";
import { testConfig } from "../support/test-config.ts";

/** Something on its way from one replica to another. */
export interface Parcel {
  readonly from: string;
  readonly to: string;
  /** Messages of the core and the answers to them, or a question for an index and its answer. */
  readonly type: "call" | "answer" | "ask" | "index";
  readonly arrive: () => void;
  readonly lose: () => void;
}

export interface GroupOptions {
  readonly ids?: readonly string[];
  readonly limits?: LogLimits;
  readonly digestEvery?: number;
  /** After how long without a wish it sleeps; 0 for never. */
  readonly restMs?: number;
  /** How far the clock of each is from that of the test. */
  readonly skewsMs?: Readonly<Record<string, number>>;
}

export const electionMaxMs = 300;

/**
 * Real drivers, between which things are on their way until the test lets them arrive. Time passes only when
 * it is told to, and each replica has a clock of its own.
 */
export class GroupOfDrivers {
  readonly ids: readonly string[];
  /** What must not happen. */
  readonly faults: string[] = [];
  /** Parcels that were sent, since somebody last emptied the list. */
  readonly sent: Parcel[] = [];
  nowMs = 1_000_000;
  readonly #options: GroupOptions;
  readonly #disks = new Map<string, MemoryDisk>();
  readonly #storages = new Map<string, MemoryStorage>();
  readonly #drivers = new Map<string, Driver>();
  readonly #cut = new Set<string>();
  readonly #onTheirWay: Parcel[] = [];
  #floor = 0;

  constructor(options: GroupOptions = {}) {
    this.#options = options;
    this.ids = options.ids ?? ["1", "2", "3"];
    for (const id of this.ids) {
      this.#disks.set(id, new MemoryDisk({ chunkBytes: 200 }).found(this.ids));
      this.start(id);
    }
  }

  driver(id: string): Driver {
    return this.#drivers.get(id)!;
  }

  storage(id: string): MemoryStorage {
    return this.#storages.get(id)!;
  }

  disk(id: string): MemoryDisk {
    return this.#disks.get(id)!;
  }

  /** What a replica's own clock shows. */
  clockOf(id: string): number {
    return this.nowMs + (this.#options.skewsMs?.[id] ?? 0);
  }

  get leader(): Driver | null {
    const leaders = [...this.#drivers.values()].filter(({ raft }) => raft.role === "leader");
    return leaders.toSorted((a, b) => b.raft.term - a.raft.term)[0] ?? null;
  }

  /** Starts a replica, anew if it ran. */
  start(id: string): Driver {
    this.#drivers.get(id)?.stop();
    const storage = this.disk(id).open();
    const { limits = logLimits(2 ** 23), digestEvery = 256, restMs = 0 } = this.#options;
    const timers = { heartbeatMs: 50, electionMinMs: 150, electionMaxMs, patienceMs: 3000, restMs };
    const driver = new Driver(
      { ...testConfig(id), ...timers },
      { log: limits, requestWindow: windowSize, digestEvery },
      {
        storage,
        clock: { nowMs: () => this.clockOf(id), wallMs: () => this.nowMs },
        peers: {
          send: (to, messages) => this.#call(id, to, messages),
          keepsWaiting: () => false,
          readIndex: (to, request) => this.#ask(id, to, request),
        },
        wake: { arm: () => {} },
        abort: (error, state) => this.faults.push(`${id} aborts: ${String(error)} in ${state}`),
        left: () => this.faults.push(`${id} has left`),
        diverged: () => {},
      },
    );
    this.#storages.set(id, storage);
    this.#drivers.set(id, driver);
    return driver;
  }

  /** Nothing gets from these to the others, or back. */
  cutOff(...alone: readonly string[]): void {
    for (const a of alone) {
      for (const b of this.ids) {
        if (alone.includes(b)) continue;
        this.#cut.add(`${a}>${b}`).add(`${b}>${a}`);
      }
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  /** Lets arrive what is on its way, and what is sent in answer, but for what is not wanted yet. */
  async settle(isWanted: (parcel: Parcel) => boolean = () => true): Promise<void> {
    for (;;) {
      await turn();
      const at = this.#onTheirWay.findIndex(isWanted);
      if (at === -1) return;
      const [parcel] = this.#onTheirWay.splice(at, 1);
      if (this.#cut.has(`${parcel!.from}>${parcel!.to}`)) parcel!.lose();
      else parcel!.arrive();
    }
  }

  /** Time passes, with all that happens in it. */
  async pass(ms: number, isWanted?: (parcel: Parcel) => boolean): Promise<void> {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 10);
      for (const id of this.ids) {
        const { wakeAtMs } = this.driver(id);
        if (wakeAtMs !== null && wakeAtMs <= this.clockOf(id)) this.driver(id).checkTime();
      }
      await this.settle(isWanted);
    }
  }

  async elect(id: string): Promise<void> {
    this.driver(id).campaign();
    await this.settle();
    if (this.driver(id).raft.role !== "leader") throw new Error(`${id} does not lead`);
  }

  /** Puts a request to a replica, at this moment. */
  ask(id: string, request: ClientRequest, beganMs = this.clockOf(id)): Promise<ClientResult> {
    return answerBatch(this.driver(id), [request], beganMs).then(([result]) => result!);
  }

  /** Has the leader write a key. Returns its revision. */
  async put(key: string, value: string): Promise<number> {
    const [result] = await this.#settled(this.write(key, value));
    if (result?.type !== "put") throw new Error(`a put was answered with ${result?.type}`);
    return result.revision;
  }

  write(key: string, value: string, more: object = {}): Promise<ClientResult[]> {
    const requestId = `w${++this.#floor}`;
    const put = { type: "put", key, value: utf8(value), contentType: null } as const;
    return this.leader!.write([{ ...put, requestId, floor: 0, ...more }]);
  }

  async #settled<T>(promise: Promise<T>): Promise<T> {
    await this.settle();
    return promise;
  }

  #call(from: string, to: string, messages: readonly Message[]): void {
    const caller = this.driver(from);
    const lose = (): void => {
      if (this.driver(from) === caller) caller.peerUnreachable(to, messages);
    };
    const bytes = toBytes(messages);
    const arrive = (): void => {
      const called = this.driver(to);
      const answer = called.receiveCall(from, fromBytes<Message[]>(bytes));
      if (answer.length === 0) return;
      void this.storage(to)
        .gate()
        .then(() => {
          const back = (): void => {
            if (this.driver(from) === caller) caller.receiveAnswer(answer);
          };
          this.#post({ from: to, to: from, type: "answer", arrive: back, lose });
        });
    };
    this.#post({ from, to, type: "call", arrive, lose });
  }

  #ask(from: string, to: string, request: ClientRequest): Promise<ConfirmedIndex | null> {
    return new Promise((resolve) => {
      const lose = (): void => resolve(null);
      const arrive = (): void => {
        const called = this.driver(to);
        void answerBatch(called, [request], this.clockOf(to)).then(async (results) => {
          const { epoch = 1 } = describeServer(to, called);
          const [result] = fromBytes<ClientBatchResult["results"]>(toBytes(results));
          const index = result?.type === "index" ? asIndex(result.index) : null;
          await this.storage(to).gate();
          const back = (): void => resolve(index === null ? null : { index, epoch });
          this.#post({ from: to, to: from, type: "index", arrive: back, lose });
        });
      };
      this.#post({ from, to, type: "ask", arrive, lose });
    });
  }

  #post(parcel: Parcel): void {
    this.sent.push(parcel);
    this.#onTheirWay.push(parcel);
  }
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export const get = (key: string) => ({ type: "get", key, metadataOnly: false }) as const;

/** What a read has shown, in one line: a value, and what it is worth. */
export function lineOf(result: ClientResult): string {
  const worth = "shown" in result ? result.shown : undefined;
  const said = worth === undefined ? "" : ` ${worth.level} ${worth.stalenessMs ?? "unknown"}`;
  switch (result.type) {
    case "value":
      return `${new TextDecoder().decode(result.value ?? undefined)}${said}`;
    case "notLeader":
      return `not here, ask ${result.leader ?? "somebody"}`;
    default:
      return `${result.type}${said}`;
  }
}

/** Whatever does not wait for the test itself runs to its end. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** How a promise stands, without waiting for it. */
export const stateOf = <T>(promise: Promise<T>): Promise<T | "open"> =>
  Promise.race([promise, turn().then(() => "open" as const)]);
