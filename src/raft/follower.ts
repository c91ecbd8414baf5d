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

  /** Who has no vote, or a state that is wrong, waits for nobody's silence. */
  get wakeAtMs(): number | null {
    return this.#context.mayStand ? this.#electionDeadlineMs : null;
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
    this.#electionDeadlineMs = this.#context.nowMs + this.#electionTimeoutMs;
  }

  receive(message: Message): void {
    if (message.type === "timeoutNowRequest") {
      if (this.#context.mayStand) this.#context.becomeCandidate(true);
      return;
    }
    if (message.type !== "appendEntriesRequest" && message.type !== "installSnapshotRequest")
      return;
    const { nowMs, term, config, effects } = this.#context;
    if (this.#leader !== message.from) this.#sinceMs = nowMs;
    this.#leader = message.from;
    this.#heardMs = nowMs;
    this.restartElectionTimer();
    if (message.type === "appendEntriesRequest" && message.verdict !== undefined)
      this.#context.hear(message.verdict);
    const answer = this.#take(message);
    if (answer === null) return;
    effects.sendAfterPersist({ ...answer, from: config.id, to: message.from, term });
  }

  time(): void {
    const isDue = this.#context.nowMs >= this.#electionDeadlineMs;
    if (isDue && this.#context.mayStand) this.#context.becomePreCandidate();
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

  /** What to answer; null to be asked again. */
  #take(
    message: AppendEntriesRequest | InstallSnapshotRequest,
  ): Answer<AppendEntriesResponse> | Answer<InstallSnapshotResponse> | null {
    if (message.type === "appendEntriesRequest") {
      const { round } = message;
      const result = this.#append(message);
      return { type: "appendEntriesResponse", round, result, ...this.#context.audit.report };
    }
    const { shipment, chunk } = message;
    const result = this.#takeChunk(message);
    if (result === null) return null;
    return { type: "installSnapshotResponse", shipment, chunk, result };
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
