import type { Context, RoleHandler } from "./context.ts";
import { Inspection } from "./inspection.ts";
import type { Proposal, RequestId } from "./io.ts";
import { type Change, type Configuration, isVoter } from "./membership.ts";
import type { AppendEntriesResponse, InstallSnapshotResponse, Message } from "./messages.ts";
import type { Progress } from "./progress.ts";
import { Reconfiguration } from "./reconfiguration.ts";
import { committedIndex, isQuorum, reachedByQuorum } from "./quorum.ts";
import { ReadIndex } from "./read-index.ts";
import { Repairs } from "./repairs.ts";
import { Replication } from "./replication.ts";
import { Rest } from "./rest.ts";
import { Shipments } from "./shipments.ts";
import { spareIndex } from "./spare-index.ts";
import { Succession } from "./succession.ts";
import { type Content, type LogIndex, type NodeId, asIndex, offset } from "./types.ts";

/** Orders proposals into the log, replicates it, and decides what is committed. */
export class Leader implements RoleHandler {
  readonly role = "leader";
  readonly leader: NodeId;
  readonly #context: Context;
  readonly #followers = new Map<NodeId, Progress>();
  readonly reads = new ReadIndex();
  #isOver = false;
  readonly #shipments: Shipments;
  readonly #succession: Succession;
  readonly #reconfiguration: Reconfiguration;
  readonly #repairs: Repairs;
  readonly inspection: Inspection;
  readonly #rest: Rest;
  readonly #replication: Replication;
  /** When to check again that a quorum still answers. */
  #quorumDeadlineMs: number;

  constructor(context: Context) {
    const { config, nowMs } = context;
    this.leader = config.id;
    this.#context = context;
    this.#quorumDeadlineMs = nowMs + config.electionMinMs;
    this.#succession = new Succession(context, this.#followers);
    this.#reconfiguration = new Reconfiguration(context, this.#followers);
    this.#reconfiguration.followMembers();
    this.#shipments = new Shipments(context);
    this.#repairs = new Repairs(context, this.#followers, this.#shipments);
    this.inspection = new Inspection(context, this.#repairs, () => this.#replication.tellAll());
    this.#rest = new Rest(context, this.#followers, {
      reads: this.reads,
      succession: this.#succession,
      inspection: this.inspection,
    });
    this.#replication = new Replication(context, this.#followers, this.#shipments, this.#repairs, {
      round: () => this.reads.newestRound,
      verdict: () => this.inspection.verdict,
      isMark: (progress) => this.#rest.isAsking(progress),
    });
  }

  /** Opens the term with a noop, which is also the first heartbeat (paper, 5.2 and 8). */
  begin(): void {
    this.#append([{ type: "noop", data: new Uint8Array(0) }]);
  }

  get isAsleep(): boolean {
    return this.#rest.isAsleep;
  }

  /** The next heartbeat; null when there is nobody to send one to, or all sleep. */
  get wakeAtMs(): number | null {
    if (this.isAsleep) return null;
    const sent = [...this.#followers.values()].map(({ lastSentMs }) => lastSentMs);
    return sent.length === 0 ? null : Math.min(...sent) + this.#context.config.heartbeatMs;
  }

  /** To whom the leadership is being handed. */
  get successor(): NodeId | null {
    return this.#succession.successor;
  }

  /** What is known of each follower, for status and text. */
  get followers(): ReadonlyMap<NodeId, Progress> {
    return this.#followers;
  }

  receive(message: Message): void {
    const progress = this.#followers.get(message.from);
    const isResponse =
      message.type === "appendEntriesResponse" || message.type === "installSnapshotResponse";
    if (progress === undefined || !isResponse) return;
    // It answers what this replica sent in an earlier reign, and echoes a round of then: it says nothing about now.
    if (message.result.type === "stale") return;
    progress.active = true;
    progress.heardMs = this.#context.nowMs;
    if (message.type === "appendEntriesResponse") {
      this.inspection.takes(message);
      // It may have found by it that it must not lead, nor serve what the message confirms.
      if (this.#context.audit.hasDiverged) return;
    }
    if (this.#rest.isAnswered(message)) this.stir();
    if (message.type === "installSnapshotResponse")
      return this.#takeSnapshotResult(message, progress);
    this.#confirmRound(progress, message.round);
    this.#takeResult(message, progress);
  }

  time(): void {
    if (this.isAsleep) return;
    const { nowMs } = this.#context;
    if (nowMs >= this.#quorumDeadlineMs && !this.#checkQuorum()) return;
    if (this.#rest.isAwake) this.#succession.time();
    this.#reconfiguration.time();
    this.#rest.time();
    this.#replication.heartbeat();
  }

  /** Who slept has not been heard, which says nothing (cockroachdb/cockroach#9561). */
  stir(): void {
    const { nowMs, config } = this.#context;
    if (this.#rest.stir()) this.#quorumDeadlineMs = nowMs + config.electionMinMs;
  }

  /** It is about to lead no more, and may not stand itself: nobody may sleep on without a leader. */
  wakeAll(): void {
    if (this.#rest.isAwake) return;
    this.stir();
    this.#replication.heartbeat();
  }

  propose(proposals: readonly Proposal[]): void {
    const { config, effects, log, proposals: pending } = this.#context;
    const accepted: Proposal[] = [];
    let bytes = pending.bytes;
    for (const proposal of proposals) {
      // An empty queue takes any size, or a proposal above the cap could never get in.
      const fits = bytes === 0 || bytes + proposal.data.byteLength <= config.maxUncommittedBytes;
      if (!fits || this.successor !== null) {
        effects.fail({ id: proposal.id, reason: "dropped", leader: config.id });
        continue;
      }
      bytes += proposal.data.byteLength;
      accepted.push(proposal);
      pending.add(proposal.id, offset(log.last.index, accepted.length), proposal.data.byteLength);
    }
    if (accepted.length > 0) this.#append(accepted.map(({ data }) => ({ type: "command", data })));
  }

  /** Begins a change of who belongs to the group; it goes on by itself: see Reconfiguration. */
  change(id: RequestId, change: Change): void {
    const { config, effects, log, proposals } = this.#context;
    const configuration = this.successor === null ? this.#reconfiguration.begin(change) : null;
    if (configuration === null) {
      // Whom it would remove goes first, and the next leader does it.
      if (change.type === "remove" && change.id === config.id) this.#succession.stepAside();
      return effects.fail({ id, reason: "dropped", leader: config.id });
    }
    proposals.add(id, offset(log.last.index, 1), 0);
    this.#configure(configuration);
  }

  read(id: RequestId): void {
    this.reads.add(id);
    this.#maybeBeginRound();
  }

  persisted(): void {
    this.#maybeCommit();
  }

  unreachable(node: NodeId, lostChunk: boolean): void {
    const progress = this.#followers.get(node);
    if (progress?.state === "replicate") progress.becomeProbe();
    this.#succession.lost(node);
    // Sent again when the follower is heard: a chunk is large, and it may be down.
    if (!lostChunk) return;
    progress?.shipment?.lost();
    this.#repairs.of(node)?.lost();
  }

  poke(): void {}

  /** Hands the leadership to a follower, and takes no proposals meanwhile. */
  transfer(to: NodeId): void {
    this.#succession.begin(to);
  }

  get spareIndex(): LogIndex | null {
    return spareIndex(this.#context, this.#followers.values());
  }

  leave(): void {
    this.#isOver = true;
    const { effects, proposals, log } = this.#context;
    for (const progress of this.#followers.values()) progress.end();
    this.#repairs.endAll();
    for (const id of this.reads.takeAll()) {
      effects.fail({ id, reason: "not_leader", leader: null });
    }
    // What is committed is being applied and ends as done; of the rest nobody here can tell.
    for (const { id } of proposals.takeAfter(log.commitIndex)) {
      effects.fail({ id, reason: "unknown", leader: null });
    }
  }

  #append(contents: readonly Content[]): void {
    const { log, term, effects } = this.#context;
    const entries = contents.map((content, i) => ({
      ...content,
      term,
      index: offset(log.last.index, 1 + i),
    }));
    effects.persistLog(log.append(entries));
    this.#reconfiguration.followMembers();
    for (const node of this.#followers.keys()) this.#replication.replicate(node);
  }

  #configure(configuration: Configuration): void {
    this.#append([{ type: "configuration", configuration, data: new Uint8Array(0) }]);
  }

  /** Goes on with a change that is under way. */
  #maybeReconfigure(): void {
    const next = this.#reconfiguration.next();
    if (next === null) return;
    if (next.type === "configure") this.#configure(next.configuration);
    else this.#succession.stepAside();
  }

  #takeResult({ from, result }: AppendEntriesResponse, progress: Progress): void {
    switch (result.type) {
      case "accepted":
        return this.#accepted(from, progress, result.matchIndex);
      case "conflict": {
        const meet = this.#context.log.lastWithTermAtMost(result.hint.index, result.hint.term);
        if (progress.refused(result.prevIndex, meet.index)) this.#replication.probe(from);
        return;
      }
      case "stale":
        // Its newer term has already deposed this leader, or it answers an earlier term of ours.
        return;
    }
  }

  /** A follower holds everything up to `matchIndex`. */
  #accepted(node: NodeId, progress: Progress, matchIndex: LogIndex): void {
    if (progress.accepted(matchIndex)) this.#maybeCommit();
    // A change of members may just have ended, and with it what this leader is, or the follower.
    if (this.#isOver || !this.#followers.has(node)) return;
    this.#succession.maybeTell();
    this.#maybeReconfigure();
    const { shipment } = progress;
    if (shipment !== null) {
      // It has its snapshot, though perhaps that is not enough any more, or got on without one.
      const isThere = progress.matchIndex >= shipment.snapshot.index;
      if (isThere || this.#replication.hasEntry(offset(progress.matchIndex, 1)))
        progress.becomeReplicate();
      // It is there, but perhaps what was sent to it is not.
      else if (shipment.isDue(this.#context.nowMs, this.#context.config.electionMaxMs)) {
        return this.#shipments.send(node, shipment);
      }
    }
    this.#replication.replicate(node);
  }

  #takeSnapshotResult(message: InstallSnapshotResponse, progress: Progress): void {
    const { from, result } = message;
    if (result.type === "accepted") {
      this.#repairs.end(from);
      return this.#accepted(from, progress, result.matchIndex);
    }
    const repair = this.#repairs.of(from);
    const shipment = [progress.shipment, repair].find((each) => each?.awaits(message));
    if (!shipment) return;
    if (result.type === "restart") {
      if (shipment === repair) return this.#repairs.restart(from);
      progress.becomeProbe();
      return this.#replication.replicate(from);
    }
    shipment.advance(this.#context.nowMs);
    this.#shipments.send(from, shipment);
  }

  /**
   * Steps down, and says false, when no quorum has been heard since the last check (thesis, 6.2).
   */
  #checkQuorum(): boolean {
    const { config, log, nowMs, term } = this.#context;
    const isHeard = (voter: NodeId): boolean =>
      voter === config.id || this.#followers.get(voter)?.active === true;
    if (!isQuorum(log.configuration, isHeard)) {
      this.#context.becomeFollower(term, null);
      return false;
    }
    for (const progress of this.#followers.values()) {
      progress.active = false;
      // It may be silent, or answer everything but this.
      const stuckMs = progress.shipment?.stuckMs(nowMs) ?? 0;
      if (stuckMs >= config.patienceMs) progress.becomeProbe();
    }
    this.#repairs.time();
    this.#quorumDeadlineMs = nowMs + config.electionMinMs;
    return true;
  }

  /**
   * Commits what a majority holds durably, but counts only entries of the own term (paper, 5.4.2).
   */
  #maybeCommit(): void {
    const { log, term } = this.#context;
    const index = committedIndex(log.configuration, (voter) => this.#matchIndex(voter));
    if (index <= log.commitIndex || log.termAt(index) !== term) return;
    const isNews = log.configurationIndex > log.commitIndex && log.configurationIndex <= index;
    log.commitTo(index);
    this.#maybeBeginRound();
    if (isNews) this.#configured();
  }

  /** The newest configuration is committed. */
  #configured(): void {
    const { config, log, term } = this.#context;
    this.#reconfiguration.committed();
    for (const node of this.#followers.keys()) this.#replication.probe(node);
    if (!isVoter(log.configuration, config.id)) {
      this.#succession.begin();
      return this.#context.becomeFollower(term, null);
    }
    // Those whom a read waited for may have no say any more, and nobody else may answer.
    this.#releaseReads();
    this.#maybeReconfigure();
  }

  #matchIndex(voter: NodeId): LogIndex {
    const { config, log } = this.#context;
    if (voter === config.id) return log.durableIndex;
    return this.#followers.get(voter)?.matchIndex ?? asIndex(0);
  }

  /**
   * Reads wait for the first commit of the own term: before it, the commit index may be behind
   * (thesis, 6.4 step 1).
   */
  #maybeBeginRound(): void {
    const { log, term } = this.#context;
    if (log.termAt(log.commitIndex) !== term) return;
    if (!this.reads.maybeBegin(log.commitIndex)) return;
    this.#replication.askAll();
    this.#releaseReads();
  }

  #confirmRound(progress: Progress, round: number): void {
    if (round <= progress.confirmedRound) return;
    progress.confirmedRound = round;
    this.#releaseReads();
  }

  #releaseReads(): void {
    const { config, log, effects } = this.#context;
    const confirmedBy = (voter: NodeId): number =>
      voter === config.id
        ? this.reads.newestRound
        : (this.#followers.get(voter)?.confirmedRound ?? 0);
    const confirmed = reachedByQuorum(log.configuration, confirmedBy);
    for (const { id, index } of this.reads.confirm(confirmed)) effects.readAt(id, index);
    // A free place lets the reads that waited for one begin.
    if (confirmed > 0) this.#maybeBeginRound();
  }
}
