import type { RevisionChanges } from "../kv/changes.ts";
import type { ClientCommand, Command } from "../kv/command.ts";
import { Outcomes, outcomeLimits } from "../kv/outcomes.ts";
import type { CommandResult } from "../kv/result.ts";
import { RequestWindow } from "../kv/request-window.ts";
import { formulaOf } from "../kv/running-hash.ts";
import { StateMachine } from "../kv/state-machine.ts";
import type {
  ChangeResult,
  ClientResult,
  ReadRequest,
  TransferResult,
} from "../protocol/client.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";
import type { RaftConfig } from "../raft/config.ts";
import { describeRaft } from "../raft/describe.ts";
import type { Digest } from "../raft/digests.ts";
import type { Input, Output, Persist, RequestId } from "../raft/io.ts";
import { type Change, begin, membersOf } from "../raft/membership.ts";
import type { Message } from "../raft/messages.ts";
import { Raft } from "../raft/raft.ts";
import { type Entry, type LogIndex, type NodeId, asIndex } from "../raft/types.ts";
import { ChangeFeed } from "./change-feed.ts";
import { Compaction } from "./compaction.ts";
import type { DriverLimits, DriverPorts } from "./driver-ports.ts";
import { type Ending, failureResult } from "./endings.ts";
import { GroupClock } from "./group-clock.ts";
import { Reads } from "./reads.ts";
import { Solitude } from "./solitude.ts";
import { Sweeper } from "./sweeper.ts";
import { Waiters } from "./waiters.ts";
import { Writes } from "./writes.ts";

/** In so many election timeouts there is a new leader, mostly. */
const electionsUnheard = 3;

/** An input without its time, which the driver adds. */
type TimelessInput = Input extends infer I ? (I extends Input ? Omit<I, "nowMs"> : never) : never;

/**
 * Messages that go back in the answer to the call being handled, instead of in a call of their own.
 */
interface Reply {
  readonly to: NodeId;
  readonly messages: Message[];
}

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
  /** What is changed, for whoever watches. */
  readonly feed: ChangeFeed;
  /** What this replica shows of its state. */
  readonly reads: Reads;
  readonly #raft: Raft;
  readonly #machine: StateMachine;
  readonly #window: RequestWindow;
  readonly #ports: DriverPorts;
  readonly #waiters = new Waiters<Ending>();
  readonly #writes: Writes;
  readonly #clock: GroupClock;
  readonly #sweeper: Sweeper;
  readonly #compaction: Compaction;
  readonly #solitude: Solitude;
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
    this.#solitude = new Solitude(electionsUnheard * config.electionMaxMs);
    this.#digestEvery = limits.digestEvery;
    this.#window = new RequestWindow(() => storage.requestRecords(), limits.requestWindow);
    const { table, leases, uploads, history } = storage;
    const outcomes = new Outcomes(storage.outcomes, outcomeLimits);
    const parts = { table, leases, uploads, history, window: this.#window, outcomes };
    this.#machine = new StateMachine(parts, storage.machineState);
    this.#clock = new GroupClock(ports.clock, this.#machine.state.nowMs);
    this.#sweeper = new Sweeper({
      machine: this.#machine,
      clock: this.#clock,
      mayTick: () => this.#raft.role === "leader" && !this.#stopped && !this.#isMixed(),
      tick: (tick) => this.#propose([tick]).then(({ type }) => type === "applied"),
      // One that is alone has no other timer, and may have no other event before the next is due.
      swept: () => !this.#stopped && ports.wake.arm(this.wakeAtMs),
    });
    this.feed = new ChangeFeed(storage, () => this.#machine.state.revision);
    const { hardState, log, audit } = storage;
    const appliedIndex = asIndex(this.#machine.state.appliedIndex);
    const snapshots = { open: () => storage.openExport(this.#machine.state) };
    const persisted = { hardState, log, appliedIndex, snapshots, audit };
    this.#raft = new Raft(config, persisted, ports.clock.nowMs());
    const shared = { raft: this.#raft, machine: this.#machine, sweeper: this.#sweeper };
    this.#writes = new Writes({
      ...shared,
      window: this.#window,
      isMixed: () => this.#isMixed(),
      propose: (commands) => this.#propose(commands),
    });
    this.reads = new Reads({
      ...shared,
      storage,
      clock: ports.clock,
      groupClock: this.#clock,
      peers: ports.peers,
      readIndex: () => this.#ask((id) => ({ type: "read", id })),
    });
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

  /** The next deadline, of the core or of what is kept; null when there is none. */
  get wakeAtMs(): number | null {
    const { wakeAtMs } = this.#raft;
    const dueAtMs = this.#dueAtMs();
    return wakeAtMs === null || dueAtMs === null
      ? (wakeAtMs ?? dueAtMs)
      : Math.min(wakeAtMs, dueAtMs);
  }

  /** Something happened that may mean that a deadline has passed. */
  checkTime(): void {
    const nowMs = this.#ports.clock.nowMs();
    const dueAtMs = this.#dueAtMs();
    const isDue = dueAtMs !== null && dueAtMs <= nowMs;
    // Who sleeps through a time at which something was due has lost its leader, or wakes it.
    if (isDue && this.#raft.role !== "leader") {
      this.#sweeper.wakesLeader(nowMs);
      this.poke();
    } else this.#step({ type: "time" });
    this.reads.time();
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
    const ended = await this.#ask((id) => ({ type: "change", id, change }));
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
    this.reads.end();
    this.feed.end();
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

  /** Writes commands, all in one log entry; see Writes. */
  write(commands: readonly ClientCommand[]): Promise<ClientResult[]> {
    return this.#writes.write(commands);
  }

  /**
   * Reads at one moment between this call and its result. Resolves when that can be vouched for, or
   * with why not.
   */
  read(requests: readonly ReadRequest[], beganMs: number | null = null): Promise<ClientResult[]> {
    return this.reads.linearizable(requests, beganMs);
  }

  #propose(commands: readonly Command[]): Promise<Ending> {
    const data = toBytes(commands);
    return this.#ask((id) => ({ type: "propose", proposals: [{ id, data }] }));
  }

  /** Gives the core an input that it tells the end of. */
  #ask(inputOf: (id: RequestId) => TimelessInput): Promise<Ending> {
    const { id, ending } = this.#waiters.open();
    this.#step(inputOf(id));
    return ending;
  }

  /** Whether the group has members whose code knows nothing but plain commands. */
  #isMixed(): boolean {
    const { configuration } = this.#raft.log;
    return membersOf(configuration).some(({ id }) => this.#ports.peers.keepsWaiting(id));
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
    this.reads.end();
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
    this.reads.applied();
    this.#clock.note(this.#machine.state.nowMs);
    if (this.#raft.role === "leader") void this.#sweeper.sweep();
    this.#ports.wake.arm(this.wakeAtMs);
    if (this.#solitude.isLong(this.#raft.leader, input.nowMs)) {
      // Who watches here may have to wait for long, and would be told more elsewhere.
      this.feed.interrupt();
      this.#ports.alone?.();
    }
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
      storage.saveMachine(this.#machine.state, [], []);
    }
    const isReplaced = install !== null || repair !== null;
    if (isReplaced) this.reads.forget();
    storage.persist(persist);
    if (isReplaced) {
      this.#machine.restore(storage.machineState);
      this.#tellWatchers(null);
    }
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
    const before = this.#machine.state;
    const results = new Map<LogIndex, CommandResult[]>();
    for (const entry of apply) {
      const { index } = entry;
      results.set(index, this.#applyEntry(entry));
      const { hash } = this.#machine.state;
      const isAgreed = index % this.#digestEvery === 0;
      if (isAgreed) digests.push({ index, formula: formulaOf(hash), hash });
    }
    const records = this.#window.takeUnsaved();
    const changes = this.#machine.takeChanges();
    // Entries without effect need not be marked as applied: applying them again changes nothing.
    if (this.#machine.state.hash !== before.hash) {
      this.#ports.storage.saveMachine(this.#machine.state, records, changes);
    }
    if (this.#machine.state.revision !== before.revision) this.#tellWatchers(changes);
    for (const { id, index } of done) {
      this.#waiters.end(id, { type: "applied", results: results.get(index)! });
    }
    return { index: apply.at(-1)!.index, digests };
  }

  #tellWatchers(changes: readonly RevisionChanges[] | null): void {
    this.feed.notify(changes);
    this.#ports.changed?.();
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
    for (const { id, index } of ready) {
      const ending: Ending = audit.hasDiverged
        ? { type: "failed", id, reason: "not_leader", leader: null }
        : { type: "safe", index };
      this.#waiters.end(id, ending);
    }
  }

  /** Says so once when the state is found wrong, and when it is right again. */
  #tellOfDivergence(before: LogIndex | null): void {
    const at = this.#raft.audit.divergedIndex;
    if ((at === null) === (before === null)) return;
    this.reads.forget();
    this.feed.interrupt();
    this.#ports.diverged(at, describeRaft(this.#raft));
  }

  #dueAtMs(): number | null {
    return this.#sweeper.dueAtMs(this.#raft, this.#ports.clock.nowMs());
  }
}
