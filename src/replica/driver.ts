import type { Command, CommandResult } from "../kv/command.ts";
import { RequestWindow } from "../kv/request-window.ts";
import { formulaOf } from "../kv/running-hash.ts";
import { StateMachine } from "../kv/state-machine.ts";
import type {
  ChangeResult,
  ClientResult,
  ReadRequest,
  ReadResult,
  TransferResult,
} from "../protocol/client.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";
import type { RaftConfig } from "../raft/config.ts";
import { describeRaft } from "../raft/describe.ts";
import type { Digest } from "../raft/digests.ts";
import type { Failure, Input, Output, Persist, RequestId } from "../raft/io.ts";
import { type Change, begin } from "../raft/membership.ts";
import type { Message } from "../raft/messages.ts";
import { Raft } from "../raft/raft.ts";
import { type Entry, type LogIndex, type NodeId, asIndex } from "../raft/types.ts";
import { Compaction, type LogLimits } from "./compaction.ts";
import type { Clock, Peers, Storage, Wake } from "./ports.ts";
import { Waiters } from "./waiters.ts";

export interface DriverPorts {
  readonly storage: Storage;
  readonly peers: Peers;
  readonly wake: Wake;
  readonly clock: Clock;
  /**
   * Called on an exception that leaves memory in doubt. Must stop this instance, so that the next
   * one starts from storage.
   */
  readonly abort: (error: unknown, state: string) => void;
  /** Called when this replica has left its group. Must stop its driver. */
  readonly left: () => void;
  /**
   * Called once when the state is found to have diverged from that of the group, and with null when it has
   * been replaced.
   */
  readonly diverged: (at: LogIndex | null, state: string) => void;
}

export interface DriverLimits {
  readonly log: LogLimits;
  /** Outcomes of requests that are kept: see kv/request-window.ts. */
  readonly requestWindow: number;
  /** Replicas compare their states after each so many entries. Must be the same for all of a group. */
  readonly digestEvery: number;
}

/** Often enough to find what is wrong soon, at the price of a row for so many entries. */
export const digestEvery = 256;

/** An input without its time, which the driver adds. */
type TimelessInput = Input extends infer I ? (I extends Input ? Omit<I, "nowMs"> : never) : never;

/**
 * Messages that go back in the answer to the call being handled, instead of in a call of their own.
 */
interface Reply {
  readonly to: NodeId;
  readonly messages: Message[];
}

/** How a wait for the core ends. */
type Ending =
  | { readonly type: "applied"; readonly results: readonly CommandResult[] }
  | { readonly type: "safe" }
  | ({ readonly type: "failed" } & Failure);

/**
 * Runs the core of one replica: turns events into inputs, and outputs into effects, in the one
 * order that is safe.
 *
 * 1. `sendNow` leaves before anything is written, so that no output gate holds it.
 * 2. `persist` is written, committed entries are applied: one turn, one transaction.
 * 3. `sendAfterPersist` and all answers leave after it, so that the gate holds them until it is
 *    durable.
 *
 * It knows nothing of Durable Objects, HTTP or SQL; the simulator runs this very class.
 */
export class Driver {
  readonly #raft: Raft;
  readonly #machine: StateMachine;
  readonly #window: RequestWindow;
  readonly #ports: DriverPorts;
  readonly #waiters = new Waiters<Ending>();
  readonly #compaction: Compaction;
  readonly #digestEvery: number;
  /** Reads that the core has called safe at an index that is not applied yet. */
  #safeReads: { id: RequestId; index: LogIndex }[] = [];
  /** The newest batch written, and whether someone is waiting for it to become durable. */
  #writtenBatch = 0;
  #syncing = false;
  #stopped = false;

  constructor(config: RaftConfig, limits: DriverLimits, ports: DriverPorts) {
    const { storage } = ports;
    this.#ports = ports;
    this.#compaction = new Compaction(limits.log);
    this.#digestEvery = limits.digestEvery;
    this.#window = new RequestWindow(() => storage.requestRecords(), limits.requestWindow);
    this.#machine = new StateMachine(storage.table, this.#window, storage.machineState);
    const { hardState, log, audit } = storage;
    const appliedIndex = asIndex(this.#machine.state.appliedIndex);
    const snapshots = { open: () => storage.openExport(this.#machine.state) };
    const persisted = { hardState, log, appliedIndex, snapshots, audit };
    this.#raft = new Raft(config, persisted, ports.clock.nowMs());
  }

  get raft(): Raft {
    return this.#raft;
  }

  get machine(): StateMachine {
    return this.#machine;
  }

  /** Requests that have not ended. */
  get openRequests(): number {
    return this.#waiters.size;
  }

  /** What the log takes in storage, about. */
  get logBytes(): number {
    return this.#ports.storage.log.bytes;
  }

  /** Something happened that may mean that a deadline has passed. */
  checkTime(): void {
    this.#step({ type: "time" });
  }

  /**
   * To be called when an instance starts. One that voted for itself last may have led until a moment
   * ago, and nobody has to wait until its silence is noticed: it asks to lead again, in a new term. If
   * another leads by now, the others refuse.
   */
  boot(): void {
    if (this.#raft.vote === this.#raft.config.id) this.campaign();
  }

  /** The founding replica need not wait for anybody's silence. */
  campaign(): void {
    this.#step({ type: "campaign" });
  }

  /** Somebody finds no leader: do what is due, and what was lost again. */
  poke(): void {
    this.#step({ type: "poke" });
  }

  /** Hands the leadership to another voter, if this replica has it. */
  transfer(to: NodeId): TransferResult {
    this.#step({ type: "transfer", to });
    const { leader, successor } = this.#raft;
    if (this.#raft.role !== "leader") return { type: "notLeader", leader };
    return { type: successor === to ? "started" : "notReady" };
  }

  /**
   * Lets others belong to the group. Resolves when that has begun for good, or with why not; the rest is
   * seen in the configuration.
   */
  async change(change: Change): Promise<ChangeResult> {
    const { configuration } = this.#raft.log;
    const begun = this.#raft.role === "leader" ? begin(configuration, change) : null;
    if (typeof begun === "string") return { type: "refused", reason: begun };
    const { id, ending } = this.#waiters.open();
    this.#step({ type: "change", id, change });
    const ended = await ending;
    if (ended.type !== "applied") return failureResult(ended);
    return { type: "begun", id: change.type === "add" ? String(configuration.nextId) : change.id };
  }

  /** Goes on alone, though the quorum is lost. Returns whether it does. */
  rebuild(): boolean {
    const { epoch } = this.#raft.log.configuration;
    this.#step({ type: "rebuild" });
    return this.#raft.log.configuration.epoch > epoch;
  }

  /** Takes no input any more. Of what is under way nobody here will ever know more. */
  stop(): void {
    this.#stopped = true;
    this.#waiters.endAll((id) => ({ type: "failed", id, reason: "unknown", leader: null }));
  }

  /** Messages to a peer, or its answer to them, are lost. */
  peerUnreachable(node: NodeId, lost: readonly Message[]): void {
    const lostChunk = lost.some(({ type }) => type === "installSnapshotRequest");
    this.#step({ type: "unreachable", node, lostChunk });
  }

  /**
   * Takes a peer's call. Returns the messages to answer it with, which must not leave before what
   * was written is durable.
   */
  receiveCall(from: NodeId, messages: readonly Message[]): readonly Message[] {
    const reply: Reply = { to: from, messages: [] };
    for (const message of messages) this.#step({ type: "receive", message }, reply);
    // What an instance wrote in the turn it aborts in is lost, so nothing it says about that may leave.
    return this.#stopped ? [] : reply.messages;
  }

  /** Takes what a peer answered to a call of this replica. */
  receiveAnswer(messages: readonly Message[]): void {
    for (const message of messages) this.#step({ type: "receive", message });
  }

  /**
   * Writes commands, all in one log entry. Resolves when their fate is known here: with their
   * results, in their order, once they are applied, or with why not. An attempt that can no longer
   * be told from a repetition is not proposed at all.
   */
  async write(commands: readonly Command[]): Promise<ClientResult[]> {
    if (this.#raft.role === "leader" && commands.some((command) => this.#isExpired(command))) {
      // Rare, and cheap to get right: each is answered alone, so that one that is too old fails
      // alone.
      if (commands.length > 1) {
        return (await Promise.all(commands.map((command) => this.write([command])))).flat();
      }
      return [{ type: "expired" }];
    }
    const { id, ending } = this.#waiters.open();
    this.#step({ type: "propose", proposals: [{ id, data: toBytes(commands) }] });
    const ended = await ending;
    return ended.type === "applied" ? [...ended.results] : commands.map(() => failureResult(ended));
  }

  /**
   * Reads keys at one moment between this call and its result. Resolves when that can be vouched
   * for, or with why not.
   */
  async read(requests: readonly ReadRequest[]): Promise<ClientResult[]> {
    const { id, ending } = this.#waiters.open();
    this.#step({ type: "read", id });
    const ended = await ending;
    return requests.map((request) =>
      ended.type === "safe" ? this.#lookUp(request) : failureResult(ended),
    );
  }

  #step(input: TimelessInput, reply: Reply | null = null): void {
    if (this.#stopped) return;
    const before = this.#raft.audit.divergedIndex;
    try {
      this.#carryOut({ ...input, nowMs: this.#ports.clock.nowMs() }, reply);
      this.#tellOfDivergence(before);
    } catch (error) {
      this.#abort(error);
    }
  }

  /** Ends this instance, once: from here on it takes no input and gives no output. */
  #abort(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#ports.abort(error, describeRaft(this.#raft));
  }

  #carryOut(input: Input, reply: Reply | null): void {
    let output = this.#raft.step(input);
    this.#perform(output, reply);
    while (output.apply.length > 0) {
      output = this.#raft.step({ type: "applied", ...this.#apply(output), nowMs: input.nowMs });
      this.#perform(output, reply);
      // Only what comes last in a step may end in a cut.
      if (output.apply.length > 0) continue;
      const due = this.#compaction.due(this.#ports.storage.log);
      if (due === null) break;
      output = this.#raft.step({ type: "compact", ...due, nowMs: input.nowMs });
      this.#perform(output, reply);
    }
    this.#answerReads();
    this.#ports.wake.arm(output.wakeAtMs);
    if (this.#raft.hasLeft) this.#ports.left();
  }

  #perform(output: Output, reply: Reply | null): void {
    this.#send(output.sendNow, reply);
    if (output.persist !== null) this.#persist(output.persist);
    this.#send(output.sendAfterPersist, reply);
    this.#safeReads.push(...output.reads);
    for (const failure of output.failed) {
      this.#waiters.end(failure.id, { type: "failed", ...failure });
    }
  }

  #persist(persist: Persist): void {
    const { storage } = this.#ports;
    const { compactTo, install, repair, batch } = persist;
    // Entries that had no effect may not be marked as applied yet, and soon can't be applied again.
    if (compactTo !== null && storage.machineState.appliedIndex < compactTo.index) {
      storage.saveMachine(this.#machine.state, []);
    }
    storage.persist(persist);
    if (install !== null || repair !== null) this.#machine.restore(storage.machineState);
    this.#writtenBatch = batch;
    void this.#reportDurable();
  }

  #send(messages: readonly Message[], reply: Reply | null): void {
    const byNode = Map.groupBy(messages, (message) => message.to);
    for (const [node, group] of byNode) {
      if (node === reply?.to) reply.messages.push(...group);
      else this.#ports.peers.send(node, group);
    }
  }

  /**
   * Tells the core what is durable, one wait at a time: what was written meanwhile is covered by
   * the next.
   */
  async #reportDurable(): Promise<void> {
    if (this.#syncing) return;
    this.#syncing = true;
    let reported = 0;
    while (reported < this.#writtenBatch && !this.#stopped) {
      const batch = this.#writtenBatch;
      try {
        await this.#ports.storage.durable();
      } catch (error) {
        this.#abort(error);
        return;
      }
      reported = batch;
      this.#step({ type: "persisted", batch });
    }
    this.#syncing = false;
  }

  /**
   * Applies entries and stores what came of them, then answers whoever proposed them. Returns the
   * last one's index, and what the state was at agreed indexes before it.
   */
  #apply({ apply, done }: Output): { readonly index: LogIndex; readonly digests: Digest[] } {
    const digests: Digest[] = [];
    const results = new Map<LogIndex, CommandResult[]>();
    for (const entry of apply) {
      const { index } = entry;
      results.set(index, this.#applyEntry(entry));
      const { hash } = this.#machine.state;
      const isAgreed = index % this.#digestEvery === 0;
      if (isAgreed) digests.push({ index, formula: formulaOf(hash), hash });
    }
    const records = this.#window.takeUnsaved();
    // Entries without effect need not be marked as applied: applying them again changes nothing.
    if (records.length > 0) this.#ports.storage.saveMachine(this.#machine.state, records);
    for (const { id, index } of done) {
      this.#waiters.end(id, { type: "applied", results: results.get(index)! });
    }
    return { index: apply.at(-1)!.index, digests };
  }

  #applyEntry(entry: Entry): CommandResult[] {
    const commands = entry.type !== "command" ? [] : fromBytes<Command[]>(entry.data);
    return this.#machine.apply(entry.index, commands);
  }

  #answerReads(): void {
    const ready = this.#safeReads.filter(({ index }) => index <= this.#raft.appliedIndex);
    if (ready.length === 0) return;
    this.#safeReads = this.#safeReads.filter(({ index }) => index > this.#raft.appliedIndex);
    // They were safe as far as the log goes; but not if what it led to is wrong.
    const { audit } = this.#raft;
    for (const { id } of ready) {
      const ending: Ending = audit.hasDiverged
        ? { type: "failed", id, reason: "not_leader", leader: null }
        : { type: "safe" };
      this.#waiters.end(id, ending);
    }
  }

  /** Says so once when the state is found wrong, and when it is right again. */
  #tellOfDivergence(before: LogIndex | null): void {
    const at = this.#raft.audit.divergedIndex;
    if ((at === null) !== (before === null)) this.#ports.diverged(at, describeRaft(this.#raft));
  }

  #isExpired({ requestId, floor }: Command): boolean {
    const { sequence } = this.#machine.state;
    return this.#window.isExpired(floor, sequence) && this.#window.find(requestId) === null;
  }

  #lookUp({ key, metadataOnly }: ReadRequest): ReadResult {
    const row = this.#ports.storage.table.get(key);
    if (row === null) return { type: "absent", revision: this.#machine.state.revision };
    const { value, ...rest } = row;
    return { type: "value", ...rest, value: metadataOnly ? null : value, size: value.byteLength };
  }
}

function failureResult(ended: Ending): Extract<ClientResult, ChangeResult> {
  if (ended.type !== "failed")
    throw new Error(`a request ended as ${ended.type}, which is not its kind`);
  switch (ended.reason) {
    case "not_leader":
      return { type: "notLeader", leader: ended.leader };
    case "dropped":
      return { type: "dropped" };
    case "unknown":
      return { type: "unknown" };
  }
}
