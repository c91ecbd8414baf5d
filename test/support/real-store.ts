import { windowSize } from "../../src/kv/request-window.ts";
import {
  type ClientBatchResult,
  type RebuildRequest,
  type RebuildResult,
  objectName,
} from "../../src/protocol/client.ts";
import { MalformedBody, fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";
import { UnknownVersion } from "../../src/protocol/version.ts";
import type { Persist } from "../../src/raft/io.ts";
import { asClientBatch, asRebuildRequest } from "../../src/replica/check-body.ts";
import { answerBatch } from "../../src/replica/client-api.ts";
import { MonotonicClock } from "../../src/replica/clock.ts";
import { logLimits } from "../../src/replica/compaction.ts";
import { digestEvery } from "../../src/replica/driver-ports.ts";
import { Driver } from "../../src/replica/driver.ts";
import { describeServer, describeStatus } from "../../src/replica/status.ts";
import { MemoryDisk, type MemoryStorage } from "./memory-storage.ts";
import { testConfig } from "./test-config.ts";

/** What a row of a Durable Object's SQLite may have (developers.cloudflare.com, 2026). */
const maxRowBytes = 2_000_000;

/**
 * One replica that is a group of its own, as an edge reaches it: the real driver and state machine on a
 * disk in memory, and the bodies of calls are looked at as in production. Its clock is `Date`.
 */
export class RealStore {
  readonly namespace: string;
  readonly disk: MemoryDisk;
  /** What must not happen, whatever a client asks for. */
  readonly faults: string[] = [];
  readonly #voters: readonly string[];
  #storage!: MemoryStorage;
  #driver!: Driver;
  #clock = new MonotonicClock(() => Date.now());
  #wakeAtMs: number | null = null;
  #stalled: Promise<void> = Promise.resolve();

  /** @param voters of whom only replica 1 is there. It leads only if it is a majority. */
  constructor(namespace: string, voters: readonly string[] = ["1"]) {
    this.namespace = namespace;
    this.#voters = voters;
    this.disk = new MemoryDisk().found(voters);
    this.#start();
  }

  get driver(): Driver {
    return this.#driver;
  }

  get storage(): MemoryStorage {
    return this.#storage;
  }

  /** The environment of an edge before it, whose objects can do no more than an edge wants of them. */
  get env() {
    const REPLICA = {
      idFromName: (name: string) => name,
      get: (name: string) => ({
        fetch: (url: string, init: RequestInit) => this.#reach(name, new Request(url, init)),
      }),
    };
    return {
      REPLICAS: String(this.#voters.length),
      REGIONS: "local",
      HEARTBEAT_MS: "50",
      ELECTION_MIN_MS: "150",
      ELECTION_MAX_MS: "300",
      REPLICA,
    };
  }

  /** The clock has moved: the alarm rings if it is time. */
  alarm(): void {
    if (this.#wakeAtMs !== null && this.#wakeAtMs <= this.#clock.nowMs()) this.#driver.checkTime();
  }

  /** Holds all writes up from now on, as if no other replica answered. Returns how to end that. */
  stall(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stalled = promise;
    return resolve;
  }

  /** Loses its memory, and goes on from its disk. */
  restart(): void {
    this.#storage.release();
    this.#driver.stop();
    this.#start();
  }

  #start(): void {
    const storage = this.disk.open();
    const [persist, durable] = [storage.persist.bind(storage), storage.durable.bind(storage)];
    storage.persist = (each) => {
      this.#checkRows(each);
      persist(each);
    };
    storage.durable = async () => {
      await this.#stalled;
      await durable();
    };
    this.#storage = storage;
    this.#clock = new MonotonicClock(() => Date.now());
    this.#driver = new Driver(
      { ...testConfig("1"), heartbeatMs: 50, electionMinMs: 150, electionMaxMs: 300 },
      { log: logLimits(2 ** 23), requestWindow: windowSize, digestEvery },
      {
        storage,
        clock: this.#clock,
        peers: {
          send: () => {},
          keepsWaiting: () => false,
          readIndex: () => Promise.resolve(null),
        },
        wake: { arm: (atMs) => (this.#wakeAtMs = atMs) },
        abort: (error, state) =>
          this.faults.push(`the replica aborts: ${String(error)} in ${state}`),
        left: () => this.faults.push("the replica has left"),
        diverged: () => this.faults.push("the replica has diverged"),
      },
    );
    this.#driver.campaign();
  }

  #checkRows({ entries }: Persist): void {
    for (const { index, data } of entries) {
      const { byteLength } = data;
      if (byteLength > maxRowBytes) this.faults.push(`entry ${index} has ${byteLength} bytes`);
    }
  }

  /** A call ends when its signal says so, though what it asked for goes on. */
  async #reach(name: string, request: Request): Promise<Response> {
    const { signal } = request;
    signal.throwIfAborted();
    const cutOff = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
    return Promise.race([this.#fetch(name, request), cutOff]);
  }

  /** What src/replica/replica.ts does. */
  async #fetch(name: string, request: Request): Promise<Response> {
    if (name !== objectName(this.namespace, "1")) throw new Error(`there is no ${name}`);
    const beganMs = this.#clock.nowMs();
    const body = await request.arrayBuffer();
    try {
      switch (`${request.method} ${new URL(request.url).pathname}`) {
        case `POST ${replicaPath.client}`:
          return await this.#client(body, beganMs);
        case `POST ${replicaPath.poke}`:
          this.#driver.poke();
          return new Response(toBytes(describeStatus("1", this.#driver)));
        case `POST ${replicaPath.rebuild}`:
          return new Response(toBytes(this.#rebuild(asRebuildRequest(fromBytes(body)))));
        case `GET ${replicaPath.status}`:
          return new Response(toBytes(describeStatus("1", this.#driver)));
        default:
          return new Response("no such path", { status: 404 });
      }
    } catch (error) {
      // The edge must not let anything through that a replica does not take.
      this.faults.push(`the replica refuses: ${String(error)}`);
      if (error instanceof MalformedBody) return new Response(error.message, { status: 400 });
      if (error instanceof UnknownVersion) return error.toResponse();
      throw error;
    }
  }

  #rebuild({ epoch }: RebuildRequest): RebuildResult {
    if (epoch !== this.#driver.raft.log.configuration.epoch) return { type: "refused" };
    const isDone = this.#driver.rebuild();
    return isDone ? { type: "rebuilt", epoch: epoch + 1 } : { type: "refused" };
  }

  async #client(body: ArrayBuffer, beganMs: number): Promise<Response> {
    const { version, requests } = asClientBatch(fromBytes(body));
    const driver = this.#driver;
    const results = await answerBatch(driver, requests, beganMs);
    const answer: ClientBatchResult = {
      version,
      results,
      servedBy: describeServer("1", driver),
      sequence: driver.machine.state.sequence,
      revision: driver.machine.state.revision,
    };
    // The output gate: what leaves waits for what was written.
    await this.#storage.gate();
    return new Response(toBytes(answer));
  }
}
