import type { RaftConfig } from "../../src/raft/config.ts";
import type { Message } from "../../src/raft/messages.ts";
import type { NodeId } from "../../src/raft/types.ts";
import { Network } from "./network.ts";
import { testConfig } from "./test-config.ts";
import { type Start, storageOf } from "./start.ts";
import { type StepRecord, type Surroundings, TestReplica } from "./test-replica.ts";

/** More deliveries or alarms than this without coming to rest means that it never will. */
const restLimit = 100_000;

/**
 * A few cores with a network and a clock in which nothing happens by itself: messages lie in
 * `network` until delivered, disks and machines can be slow, and time moves only when told.
 */
export class Cluster {
  readonly network = new Network();
  readonly replicas = new Map<NodeId, TestReplica>();
  nowMs = 0;
  readonly #surroundings: Surroundings;
  readonly #settings: Partial<RaftConfig>;
  readonly #founders: readonly NodeId[];

  constructor(
    ids: readonly NodeId[],
    settings: Partial<RaftConfig> = {},
    observe: (step: StepRecord) => void = () => {},
  ) {
    this.#settings = settings;
    this.#founders = ids;
    this.#surroundings = {
      nowMs: () => this.nowMs,
      send: (message) => this.network.send(message),
      observe,
    };
    for (const id of ids) this.start(id, {});
  }

  /** Boots a replica anew from the storage that `start` describes. */
  start(id: NodeId, start: Start): TestReplica {
    const config = testConfig(id, this.#settings);
    const replica = new TestReplica(
      config,
      storageOf({ voters: this.#founders, ...start }),
      this.#surroundings,
    );
    this.replicas.set(id, replica);
    return replica;
  }

  replica(id: NodeId): TestReplica {
    const replica = this.replicas.get(id);
    if (replica === undefined) throw new Error(`there is no replica ${id}`);
    return replica;
  }

  /** The replicas that run. */
  get up(): TestReplica[] {
    return [...this.replicas.values()].filter(({ isUp }) => isUp);
  }

  get leaders(): TestReplica[] {
    return this.up.filter(({ raft }) => raft.role === "leader");
  }

  /** Delivers the messages under way that `wanted` picks, but none sent in answer to them. */
  deliver(wanted: (message: Message) => boolean = () => true): Message[] {
    const messages = this.network.take(wanted);
    for (const message of messages) this.hand(message);
    return messages;
  }

  /** Gives a message to its addressee; one that is down never sees it. */
  hand(message: Message): void {
    const replica = this.replica(message.to);
    if (replica.isUp) replica.receive(message);
  }

  /**
   * Delivers messages among `ids`, and lets their disks and machines finish, until nothing is left
   * to do.
   */
  stabilize(ids: readonly NodeId[] = [...this.replicas.keys()]): void {
    const among = ({ from, to }: Message): boolean => ids.includes(from) && ids.includes(to);
    for (let round = 0; round < restLimit; round++) {
      const delivered = this.deliver(among);
      const finished = ids.map((id) => this.replica(id)).filter(finish);
      if (delivered.length + finished.length === 0) return;
    }
    throw new Error("the cluster does not come to rest");
  }

  /**
   * Moves the clock by `ms`. Alarms fire at the moment they are due; messages stay where they are
   * unless told otherwise.
   */
  advance(ms: number, deliver = false): void {
    const end = this.nowMs + ms;
    for (let alarm = 0; alarm < restLimit; alarm++) {
      const next = this.up
        .map((replica) => ({ replica, atMs: replica.raft.wakeAtMs ?? Infinity }))
        .reduce((a, b) => (b.atMs < a.atMs ? b : a), { replica: this.up[0]!, atMs: Infinity });
      if (next.atMs > end) {
        this.nowMs = end;
        return;
      }
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.replica.time();
      if (deliver) this.stabilize();
    }
    throw new Error("alarms fire without end");
  }

  /** Makes `id` the leader of a quiet cluster. */
  elect(id: NodeId): void {
    this.replica(id).campaign();
    this.stabilize();
    if (this.replica(id).raft.role !== "leader") throw new Error(`${id} was not elected`);
  }
}

/** Lets a slow disk and a slow machine catch up. Returns whether there was anything to do. */
function finish(replica: TestReplica): boolean {
  if (!replica.isUp) return false;
  const behind = replica.reportedBatch < replica.storage.writtenBatch;
  if (behind) replica.sync();
  const { isApplying } = replica;
  if (isApplying) replica.finishApplying();
  return behind || isApplying;
}
