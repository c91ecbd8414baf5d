import { type Context, type RoleHandler, electionTimeout, refuse } from "./context.ts";
import type { Proposal, RequestId } from "./io.ts";
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  AppendResult,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  Message,
  SnapshotResult,
  TimeoutNowRequest,
} from "./messages.ts";
import { type LogIndex, type NodeId, maxIndex, minIndex, offset } from "./types.ts";

type Answer<T extends Message> = Omit<T, "from" | "to" | "term">;

/** Takes what the leader sends, and stands for election when it hears nothing. */
export class Follower implements RoleHandler {
  readonly role = "follower";
  readonly #context: Context;
  #leader: NodeId | null;
  /** When the leader was first heard, and last; meaningless without one. */
  #sinceMs: number;
  #heardMs: number;
  /**
   * Drawn once a role, so that the deadline only ever moves later and an alarm set for it never has
   * to move earlier.
   */
  readonly #electionTimeoutMs: number;
  #electionDeadlineMs: number;
  /** Without a deadline: the leader has asked for that, and will send something before it wants anything. */
  #isAsleep = false;
  /** The newest round of the leader's. What carries an older one is late. */
  #round = 0;

  constructor(context: Context, leader: NodeId | null) {
    this.#context = context;
    this.#leader = leader;
    this.#sinceMs = context.nowMs;
    this.#heardMs = context.nowMs;
    this.#electionTimeoutMs = electionTimeout(context);
    this.#electionDeadlineMs = context.nowMs + this.#electionTimeoutMs;
  }

  get leader(): NodeId | null {
    return this.#leader;
  }

  get isAsleep(): boolean {
    return this.#isAsleep;
  }

  /** Who has no vote, or a state that is wrong, waits for nobody's silence. */
  get wakeAtMs(): number | null {
    return this.#context.mayStand && !this.#isAsleep ? this.#electionDeadlineMs : null;
  }

  /**
   * Whether a leader was heard so recently that nobody should be helped to replace it (thesis,
   * 4.2.3).
   */
  get hasFreshLeader(): boolean {
    const { nowMs, config } = this.#context;
    return this.#leader !== null && nowMs - this.#heardMs < config.electionMinMs;
  }

  /**
   * Whether that leader, should it have restarted, may lead again at once. One that does so all the time
   * must leave the others a chance to stand.
   */
  get hasSteadyLeader(): boolean {
    return this.#heardMs - this.#sinceMs >= this.#context.config.electionMinMs;
  }

  /**
   * Having given its vote away, a follower waits for that candidate before it stands itself (paper,
   * 5.2).
   */
  restartElectionTimer(): void {
    this.#isAsleep = false;
    this.#electionDeadlineMs = this.#context.nowMs + this.#electionTimeoutMs;
  }

  receive(message: Message): void {
    if (message.type === "timeoutNowRequest") return this.#maybeStand(message);
    if (message.type !== "appendEntriesRequest" && message.type !== "installSnapshotRequest")
      return;
    const { nowMs, term, config, effects } = this.#context;
    if (this.#leader !== message.from) this.#sinceMs = nowMs;
    this.#leader = message.from;
    if (!this.#isAsleep || !this.#isLate(message)) {
      this.#heardMs = nowMs;
      this.restartElectionTimer();
    }
    if (message.type === "appendEntriesRequest" && message.verdict !== undefined)
      this.#context.hear(message.verdict);
    const answer = this.#take(message);
    if (answer === null) return;
    effects.sendAfterPersist({ ...answer, from: config.id, to: message.from, term });
  }

  time(): void {
    const isDue = !this.#isAsleep && this.#context.nowMs >= this.#electionDeadlineMs;
    if (isDue && this.#context.mayStand) this.#context.becomePreCandidate();
  }

  /**
   * Wakes, and says so to the leader, which gets a whole election timeout to show that it is there: else
   * whoever asks a follower would bring down a leader that is well (cockroachdb/cockroach#104057).
   */
  stir(): void {
    if (!this.#isAsleep) return;
    this.restartElectionTimer();
    const { term, config, effects, log } = this.#context;
    effects.sendAfterPersist({
      type: "appendEntriesResponse",
      from: config.id,
      to: this.#leader!,
      term,
      round: this.#round,
      result: { type: "accepted", matchIndex: log.commitIndex },
    });
  }

  propose(proposals: readonly Proposal[]): void {
    refuse(
      this.#context,
      proposals.map(({ id }) => id),
      this.#leader,
    );
  }

  read(id: RequestId): void {
    refuse(this.#context, [id], this.#leader);
  }

  change(id: RequestId): void {
    refuse(this.#context, [id], this.#leader);
  }

  persisted(): void {}

  get spareIndex(): null {
    return null;
  }

  unreachable(): void {}

  poke(): void {}

  transfer(): void {}

  leave(): void {}

  /**
   * Stands, as the leader wants, unless that was long ago: by now the leader may have given it up and
   * gone on.
   */
  #maybeStand({ last }: TimeoutNowRequest): void {
    const own = this.#context.log.last;
    const isLate = last !== undefined && (last.term !== own.term || last.index !== own.index);
    if (!isLate && this.#context.mayStand) this.#context.becomeCandidate(true);
  }

  /** What to answer; null to be asked again. */
  #take(
    message: AppendEntriesRequest | InstallSnapshotRequest,
  ): Answer<AppendEntriesResponse> | Answer<InstallSnapshotResponse> | null {
    if (message.type === "appendEntriesRequest") {
      const { round } = message;
      const answer = {
        type: "appendEntriesResponse",
        round,
        result: this.#append(message),
        ...this.#context.audit.report,
      } as const;
      this.#maybeSleep(message, answer.result);
      this.#round = Math.max(this.#round, round);
      return this.#isAsleep ? { ...answer, asleep: true } : answer;
    }
    const { shipment, chunk } = message;
    const result = this.#takeChunk(message);
    if (result === null) return null;
    return { type: "installSnapshotResponse", shipment, chunk, result };
  }

  /** Whether a message comes after one that the leader sent later. Snapshots do not tell. */
  #isLate(message: AppendEntriesRequest | InstallSnapshotRequest): boolean {
    return message.type === "appendEntriesRequest" && message.round < this.#round;
  }

  /**
   * Sleeps if the leader wants that and all of the log is known to be committed, and applied: nothing
   * more would come to tell (tikv/tikv#12166).
   */
  #maybeSleep(message: AppendEntriesRequest, { type }: AppendResult): void {
    const { log, appliedIndex } = this.#context;
    const isDone = log.commitIndex === log.last.index && appliedIndex === log.commitIndex;
    const isAsked = message.sleep === true && !this.#isLate(message);
    if (isAsked && isDone && type === "accepted") this.#isAsleep = true;
  }

  #append({ prev, entries, leaderCommit }: AppendEntriesRequest): AppendResult {
    const { log, effects } = this.#context;
    const lastSent = entries.at(-1)?.index ?? prev.index;
    // What is committed here is in every later leader's log, so it matches without being compared
    // (paper, 5.4.3).
    const known = log.commitIndex;
    if (prev.index > known && !log.holds(prev)) {
      return {
        type: "conflict",
        prevIndex: prev.index,
        hint: log.lastWithTermAtMost(prev.index, prev.term),
      };
    }
    effects.persistLog(log.merge(entries.slice(skip(prev.index, known))));
    // Only what this message proved counts, never the rest of the log, which may be a deposed
    // leader's.
    const matchIndex = maxIndex(lastSent, known);
    log.commitTo(minIndex(leaderCommit, matchIndex));
    return { type: "accepted", matchIndex };
  }

  /** Null when the chunk can't be taken yet. The leader will send it again. */
  #takeChunk(request: InstallSnapshotRequest): SnapshotResult | null {
    const { log, incoming, effects, appliedIndex, audit } = this.#context;
    const { snapshot, configuration, chunk, data, isLast } = request;
    // A snapshot holds nothing but what is committed, so whoever has its last entry has all of it.
    if (snapshot.index > log.commitIndex && log.holds(snapshot)) log.commitTo(snapshot.index);
    if (snapshot.index <= log.commitIndex && !audit.hasDiverged) {
      return { type: "accepted", matchIndex: log.commitIndex };
    }
    // What comes after it is gone here, and can't be applied again.
    if (snapshot.index < log.base.index) return { type: "restart" };
    // What is being applied would be applied to another state than that which it follows.
    if (isLast && appliedIndex < log.commitIndex) return null;
    const taken = incoming.take(request);
    if (taken !== "new") return taken;
    effects.persistChunk(chunk, data);
    if (!isLast) return { type: "stored" };
    incoming.end();
    this.#context.install({ ...snapshot, configuration });
    return { type: "accepted", matchIndex: log.commitIndex };
  }
}

/** How many entries after `prevIndex` lie at or before `known`. */
const skip = (prevIndex: LogIndex, known: LogIndex): number =>
  Math.max(0, offset(known, -prevIndex));
