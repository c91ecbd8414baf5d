import { assert, unreachable } from "./assert.ts";
import { Audit, type AuditRecord } from "./audit.ts";
import { Candidate } from "./candidate.ts";
import { type RaftConfig, checkConfig } from "./config.ts";
import type { Context, RoleHandler } from "./context.ts";
import type { Verdict } from "./digests.ts";
import { Effects } from "./effects.ts";
import { Follower } from "./follower.ts";
import { Incoming } from "./incoming.ts";
import { type Input, type Output, type Snapshot, type SnapshotSource, isWish } from "./io.ts";
import { Leader } from "./leader.ts";
import { type LogReader, RaftLog } from "./log.ts";
import { type Left, hasLeft, isVoter, leftFrom, rebuildTerms, rebuiltFrom } from "./membership.ts";
import { staleAnswer } from "./stale.ts";
import {
  type Message,
  type PreVoteRequest,
  type RequestVoteRequest,
  bindsTerm,
} from "./messages.ts";
import { Proposals } from "./proposals.ts";
import { Random } from "./random.ts";
import {
  type HardState,
  type LogIndex,
  type NodeId,
  type Role,
  type Term,
  asTerm,
  maxIndex,
  minIndex,
  nextTerm,
  offset,
} from "./types.ts";
import { grantsVote } from "./vote.ts";

/** What a replica starts from: all of it read back from storage. */
export interface Persisted {
  readonly hardState: HardState;
  readonly log: LogReader;
  /** The last entry that the state machine has applied. */
  readonly appliedIndex: LogIndex;
  /** The state machine's state, for followers that need it whole. */
  readonly snapshots: SnapshotSource;
  readonly audit: AuditRecord;
}

/**
 * Consensus as a function of state and input: `step` takes one input and returns all that is to be
 * done about it. It does no I/O, has no clock and no randomness but its seed, so the same inputs
 * give the same outputs.
 *
 * A replica always boots as a follower: with messages that leave before the disk has caught up,
 * resuming a leadership could put two different entries at one `term/index`.
 */
export class Raft implements Context {
  readonly config: RaftConfig;
  readonly log: RaftLog;
  readonly random: Random;
  readonly effects = new Effects();
  readonly proposals = new Proposals();
  readonly snapshots: SnapshotSource;
  readonly incoming = new Incoming();
  readonly audit: Audit;
  #term: Term;
  #vote: NodeId | null;
  #role: RoleHandler;
  #nowMs: number;
  /** What somebody who knows has told it: that it has left the group. */
  #toldToLeave: Left | null = null;
  /** The last entry the host says is applied, and the last one handed to it. */
  #appliedIndex: LogIndex;
  #applyingIndex: LogIndex;
  /** Batches not yet durable, oldest first, with what they leave the log as. */
  readonly #unpersisted: { batch: number; lastIndex: LogIndex; truncateFrom: LogIndex | null }[] =
    [];

  constructor(config: RaftConfig, persisted: Persisted, nowMs: number) {
    checkConfig(config);
    this.config = config;
    this.random = new Random(config.seed);
    this.log = new RaftLog(persisted.log, persisted.appliedIndex, config.logCacheBytes);
    this.snapshots = persisted.snapshots;
    this.audit = new Audit(persisted.audit, this.effects);
    this.#term = persisted.hardState.term;
    this.#vote = persisted.hardState.vote;
    this.#appliedIndex = persisted.appliedIndex;
    this.#applyingIndex = persisted.appliedIndex;
    this.#nowMs = nowMs;
    this.#role = new Follower(this, null);
  }

  get term(): Term {
    return this.#term;
  }

  get vote(): NodeId | null {
    return this.#vote;
  }

  get role(): Role {
    return this.#role.role;
  }

  get leader(): NodeId | null {
    return this.#role.leader;
  }

  /** To whom this leader is handing over; null when to nobody. */
  get successor(): NodeId | null {
    return this.#role instanceof Leader ? this.#role.successor : null;
  }

  /** Whether this replica has no timer, since its group sleeps. */
  get isAsleep(): boolean {
    return this.#role.isAsleep;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /**
   * Whether this replica may stand for election: as a voter, or as one that the newest configuration leaves
   * out before it is committed. Until then it may be the only one whose log is complete enough (thesis,
   * 4.2.2).
   */
  get mayStand(): boolean {
    const { configuration, settledConfiguration } = this.log;
    const { id } = this.config;
    const isOne = isVoter(configuration, id) || isVoter(settledConfiguration, id);
    return isOne && !this.hasLeft && !this.audit.hasDiverged;
  }

  /** Whether this replica once belonged to the group and never will again. */
  get hasLeft(): boolean {
    return this.#toldToLeave !== null || this.#knowsToHaveLeft(this.config.id);
  }

  /** What is known of those who go on without this replica. */
  get left(): Left {
    const committed = this.log.configurationAt(this.log.commitIndex);
    return this.#toldToLeave ?? leftFrom(committed, this.config.id);
  }

  /** The role's own state, for text and tests. */
  get roleHandler(): RoleHandler {
    return this.#role;
  }

  /**
   * When the core next wants an input of any kind, at the latest; null when nothing is due ever.
   */
  get wakeAtMs(): number | null {
    return this.hasLeft ? null : this.#role.wakeAtMs;
  }

  /** Takes one input. What is due by its time is done as well, whatever kind of input it is. */
  step(input: Input): Output {
    assert(input.nowMs >= this.#nowMs, `time ran back from ${this.#nowMs} to ${input.nowMs}`);
    this.#nowMs = input.nowMs;
    this.#take(input);
    this.#role.time();
    this.#maybeApply();
    const output = this.effects.take(this.wakeAtMs);
    if (output.persist !== null) {
      const { batch, truncateFrom, install } = output.persist;
      this.#unpersisted.push({
        batch,
        // A snapshot takes the place of the whole log, which is to cut what lay beyond its end.
        truncateFrom: install === null ? truncateFrom : offset(install.index, 1),
        lastIndex: this.log.last.index,
      });
    }
    return output;
  }

  leaveGroup(left: Left): void {
    this.#toldToLeave = left;
    this.becomeFollower(this.#term, null);
  }

  install(snapshot: Snapshot): void {
    assert(this.proposals.size === 0, "a follower that takes a snapshot has proposals open");
    if (this.log.holds(snapshot)) {
      this.effects.repair(snapshot);
    } else {
      this.effects.install(snapshot);
      this.log.reset(snapshot);
    }
    this.audit.replaced();
    this.#appliedIndex = snapshot.index;
    this.#applyingIndex = snapshot.index;
  }

  hear(verdict: Verdict): void {
    if (!this.audit.hears(verdict) || this.role === "follower") return;
    if (this.#role instanceof Leader) this.#role.wakeAll();
    this.becomeFollower(this.#term, null);
  }

  becomeFollower(term: Term, leader: NodeId | null): void {
    if (term > this.#term) this.#setHardState(term, null);
    this.#changeRole(new Follower(this, leader));
  }

  becomePreCandidate(): void {
    this.#stand("preCandidate", false);
  }

  becomeCandidate(isTransfer = false): void {
    this.#setHardState(nextTerm(this.#term), this.config.id);
    this.#stand("candidate", isTransfer);
  }

  becomeLeader(): void {
    const leader = new Leader(this);
    this.#changeRole(leader);
    leader.begin();
  }

  #stand(role: "preCandidate" | "candidate", isTransfer: boolean): void {
    const candidate = new Candidate(this, role, isTransfer);
    this.#changeRole(candidate);
    candidate.begin();
  }

  #changeRole(role: RoleHandler): void {
    this.#role.leave();
    this.#role = role;
  }

  #take(input: Input): void {
    if (isWish(input)) this.#role.stir();
    switch (input.type) {
      case "time":
        return;
      case "receive":
        return this.#receive(input.message);
      case "propose":
        return this.#role.propose(input.proposals);
      case "read":
        return this.#role.read(input.id);
      case "campaign":
        if (this.role !== "leader" && this.mayStand) this.becomePreCandidate();
        return;
      case "persisted":
        return this.#persisted(input.batch);
      case "applied":
        assert(input.index <= this.#applyingIndex, `applied ${input.index} was never handed out`);
        this.#appliedIndex = input.index;
        this.audit.applied(input.digests);
        if (this.#role instanceof Leader) this.#role.inspection.compare();
        return;
      case "compact":
        return this.#compact(input.index, input.forced);
      case "unreachable":
        return this.#role.unreachable(input.node, input.lostChunk);
      case "poke":
        return this.#role.poke();
      case "rebuild":
        return this.#rebuild();
      case "change":
        return this.#role.change(input.id, input.change);
      case "transfer":
        return this.#role.transfer(input.to);
      default:
        return unreachable(input);
    }
  }

  /**
   * The rules on terms (paper, 5.1), and votes, which every role answers alike. The rest is the
   * role's.
   */
  #receive(message: Message): void {
    if (message.to !== this.config.id || message.from === this.config.id) return;
    const isVote = message.type === "requestVoteRequest" || message.type === "preVoteRequest";
    // Whoever stands misses its leader, so one that is there must show itself, whatever it answers.
    if (isVote && !this.#knowsToHaveLeft(message.from)) this.#role.stir();
    if (message.term < this.#term) {
      const answer = staleAnswer(message, this.#term);
      if (answer !== null) this.effects.sendAfterPersist(answer);
      return;
    }
    if (isVote && this.#knowsToHaveLeft(message.from)) return this.#answerLeft(message);
    if (message.term > this.#term) {
      if (isVote && this.#hasFreshLeader() && !this.#hasGivenUp(message)) return;
      if (bindsTerm(message)) this.becomeFollower(message.term, null);
    }
    if (isVote) return this.#answerVote(message);
    const isLeaders =
      message.type === "appendEntriesRequest" ||
      message.type === "installSnapshotRequest" ||
      message.type === "timeoutNowRequest";
    if (isLeaders && this.role !== "follower") {
      assert(
        this.role !== "leader",
        `two leaders in term ${this.#term}: ${message.from} and this one`,
      );
      this.becomeFollower(this.#term, message.from);
    }
    this.#role.receive(message);
  }

  /** Whether what is committed here says that a replica once belonged to the group, and no longer does. */
  #knowsToHaveLeft(node: NodeId): boolean {
    return hasLeft(this.log.configurationAt(this.log.commitIndex), node);
  }

  /** Whoever has left may not know, and would go on asking for ever. */
  #answerLeft(request: PreVoteRequest | RequestVoteRequest): void {
    const { type, from: to } = request;
    if (type === "requestVoteRequest") return;
    // In the asker's own term: it may have stood alone, and be ahead of the group for good.
    const header = { from: this.config.id, to, term: asTerm(request.term - 1) };
    const left = leftFrom(this.log.configurationAt(this.log.commitIndex), to);
    const answer = { type: "preVoteResponse", granted: false, left } as const;
    this.effects.sendAfterPersist({ ...header, ...answer });
  }

  /** A leader that asks itself has restarted, and one that has others ask wants to be replaced. */
  #hasGivenUp(request: PreVoteRequest | RequestVoteRequest): boolean {
    const isTransfer = request.type === "requestVoteRequest" && request.isTransfer;
    if (isTransfer) return true;
    const isSteady = this.#role instanceof Follower && this.#role.hasSteadyLeader;
    return request.from === this.leader && isSteady;
  }

  /**
   * Whether there is a leader that nobody should be helped to replace. A leader itself is deposed
   * by its own quorum check.
   */
  #hasFreshLeader(): boolean {
    if (this.#role instanceof Follower) return this.#role.hasFreshLeader;
    return this.role === "leader";
  }

  #answerVote(request: PreVoteRequest | RequestVoteRequest): void {
    const voter = { term: this.#term, vote: this.#vote, leader: this.leader, last: this.log.last };
    const granted = grantsVote(voter, request);
    const header = { from: this.config.id, to: request.from };
    if (request.type === "preVoteRequest") {
      const term = granted ? request.term : this.#term;
      this.effects.sendAfterPersist({ ...header, type: "preVoteResponse", term, granted });
      return;
    }
    if (granted) {
      this.#setHardState(this.#term, request.from);
      if (this.#role instanceof Follower) this.#role.restartElectionTimer();
    }
    const term = this.#term;
    this.effects.sendAfterPersist({ ...header, type: "requestVoteResponse", term, granted });
  }

  #setHardState(term: Term, vote: NodeId | null): void {
    assert(term >= this.#term, `term ran back from ${this.#term} to ${term}`);
    if (term === this.#term && vote === this.#vote) return;
    this.#term = term;
    this.#vote = vote;
    this.effects.persistHardState({ term, vote });
  }

  /**
   * What was written up to `batch` is durable. A later batch that cuts the log takes away what an
   * earlier one wrote, so an entry counts only as far as no pending cut reaches (etcd's append ABA
   * race).
   */
  #persisted(batch: number): void {
    let durable = this.log.durableIndex;
    while (this.#unpersisted[0] !== undefined && this.#unpersisted[0].batch <= batch) {
      durable = this.#unpersisted.shift()!.lastIndex;
    }
    for (const { truncateFrom } of this.#unpersisted) {
      if (truncateFrom !== null && durable >= truncateFrom) durable = offset(truncateFrom, -1);
    }
    this.log.durableTo(durable);
    this.#role.persisted(batch);
  }

  /**
   * Makes this replica the only voter, in a term far beyond any that the others can have reached, so that
   * whoever compares terms believes this one. Whoever wants that takes its state for right.
   */
  #rebuild(): void {
    const configuration = rebuiltFrom(this.log.configuration, this.config.id);
    if (configuration === null || this.role === "leader") return;
    this.audit.replaced();
    this.#setHardState(asTerm(this.#term + rebuildTerms), this.config.id);
    const index = offset(this.log.last.index, 1);
    const entry = { type: "configuration", configuration, data: new Uint8Array(0) } as const;
    this.effects.persistLog(this.log.append([{ ...entry, term: this.#term, index }]));
    this.becomePreCandidate();
  }

  /** Lets go of the beginning of the log, as far as it may. */
  #compact(index: LogIndex, forced: LogIndex): void {
    // A state that is about to be replaced by one of before needs what follows on that.
    const repaired = this.audit.hasDiverged ? this.incoming.index : null;
    const spare = repaired ?? this.#role.spareIndex ?? index;
    const to = minIndex(this.#appliedIndex, maxIndex(forced, minIndex(index, spare)));
    if (to > this.log.base.index) this.effects.compactTo(this.log.compactTo(to));
  }

  /**
   * Hands out the next committed entries, once those before are applied, and ends the proposals
   * among them.
   */
  #maybeApply(): void {
    const to = this.log.commitIndex;
    if (this.#applyingIndex > this.#appliedIndex || to <= this.#appliedIndex) return;
    const from = offset(this.#appliedIndex, 1);
    const entries = this.log.slice(from, to, this.config.maxApplyBytes);
    this.#applyingIndex = entries.at(-1)!.index;
    this.effects.apply(entries);
    for (const { id, index } of this.proposals.takeUpTo(this.#applyingIndex)) {
      // What would come of it here is not what comes of it.
      if (this.audit.hasDiverged) this.effects.fail({ id, reason: "unknown", leader: null });
      else this.effects.done(id, index);
    }
  }
}
