import { describeId } from "../../src/raft/describe.ts";
import type { Configuration } from "../../src/raft/membership.ts";
import { isQuorum } from "../../src/raft/quorum.ts";
import {
  type Entry,
  type EntryId,
  type LogIndex,
  type NodeId,
  type Term,
  asIndex,
  offset,
} from "../../src/raft/types.ts";
import { check, holdsOrHeld } from "./check.ts";
import type { Before, Life, Step } from "./life.ts";
import type { MembershipInvariants } from "./membership.ts";
import type { Raft } from "../../src/raft/raft.ts";

/** What a life was last seen with. */
interface Seen {
  term: Term;
  commitIndex: LogIndex;
  appliedIndex: LogIndex;
  /** The last entry that was handed out to be applied. */
  applyingIndex: LogIndex;
}

/** What must hold of what is committed and applied, over all time. */
export class CommitInvariants {
  readonly #members: MembershipInvariants;
  readonly #replicas: ReadonlyMap<NodeId, Pick<Life, "id" | "durable">>;
  readonly #committed: Entry[] = [];
  /** The term in which each of these was first known to be committed. */
  readonly #committedIn: Term[] = [];
  readonly #seen = new WeakMap<Raft, Seen>();

  constructor(
    members: MembershipInvariants,
    replicas: ReadonlyMap<NodeId, Pick<Life, "id" | "durable">>,
  ) {
    this.#members = members;
    this.#replicas = replicas;
  }

  get committed(): readonly Entry[] {
    return this.#committed;
  }

  stepped({ replica, output, before }: Step): void {
    const seen = this.#seenOf(replica, before);
    if (output.persist?.truncateFrom) this.#cut(replica, seen, output.persist.truncateFrom);
    if (output.persist?.install) this.#installs(replica, seen, output.persist.install);
    if (output.persist?.repair) this.#repairs(replica, seen, before, output.persist.repair);
    this.#advanced(replica, seen, before);
    if (output.persist?.compactTo) this.#compacts(replica, output.persist.compactTo);
    this.#applied(output.apply, replica, seen);
    this.#keepsApplied(replica);
  }

  /** LeaderCompleteness: a new leader has all that was committed in earlier terms. */
  leads({ id, raft }: Life): void {
    // A late winner of an old term, already outvoted, need not hold what was committed after it.
    const owed = this.#committed.filter((_, i) => this.#committedIn[i]! < raft.term);
    for (const entry of owed) {
      const holds = entry.index <= raft.log.base.index || raft.log.holds(entry);
      check(holds, "leader completeness", () => `${id} t${raft.term} lacks ${describeId(entry)}`);
    }
  }

  /**
   * A log whose last entry is of a newer term than that in which something was committed holds it. (To
   * compare just the ends of two logs is not enough: a follower that catches up in pieces may
   * know more to be committed than its last term tells.)
   */
  isUpToDate({ id, raft: { log } }: Life): void {
    const entry = this.#committed.findLast((_, i) => this.#committedIn[i]! < log.last.term);
    const isHeld = entry === undefined || entry.index <= log.base.index || log.holds(entry);
    check(
      isHeld,
      "more up to date",
      () => `${id} ends in t${log.last.term}, lacks ${describeId(entry!)}`,
    );
  }

  /** QuorumLog: each committed entry is durable on a majority, now and ever after. */
  quorumHoldsCommitted(): void {
    const { configuration } = this.#members;
    for (const entry of this.#committed) this.#isOnQuorum(entry, configuration);
  }

  /** Whoever holds a committed entry keeps it, whether it knows that it is committed or not. */
  #cut({ id, durable, isReplaced }: Life, { commitIndex }: Seen, from: LogIndex): void {
    check(from > commitIndex, "committed stays", () => `${id} cut ${from}`);
    const final = this.#committed[from - 1];
    const isHeld = final !== undefined && holdsOrHeld(durable.log, final);
    check(isReplaced || !isHeld, "quorum log", () => `${id} cut ${from}, which is committed`);
  }

  /** A snapshot is of what is committed, and brings more than there was. */
  #installs({ id, raft }: Life, seen: Seen, snapshot: EntryId): void {
    const isFinal = this.#committed[snapshot.index - 1]?.term === snapshot.term;
    const isNews = snapshot.index > seen.commitIndex;
    const isClean = seen.appliedIndex === seen.commitIndex;
    check(isFinal && isNews && isClean, "snapshot", () => `${id} installs ${describeId(snapshot)}`);
    const isWhole =
      raft.log.base.index === snapshot.index && raft.log.last.index === snapshot.index;
    check(isWhole, "snapshot", () => `${id} keeps a log under ${describeId(snapshot)}`);
    seen.commitIndex = snapshot.index;
    seen.appliedIndex = snapshot.index;
    seen.applyingIndex = snapshot.index;
  }

  /**
   * Only a state that has diverged is replaced by one that may be older, and the log stays as it was. So
   * that alone is where what is applied may go back.
   */
  #repairs({ id, raft }: Life, seen: Seen, before: Before, { term, index }: EntryId): void {
    const says = (): string => `${id} is repaired with ${term}/${index}`;
    const isFinal = this.#committed[index - 1]?.term === term;
    const isClean = before.appliedIndex === before.commitIndex;
    check(before.hasDiverged && isFinal && isClean, "repair", says);
    const { log } = raft;
    const isKept = log.base.index <= index && log.last.index >= before.lastIndex;
    check(isKept && log.commitIndex >= before.commitIndex, "repair", says);
    seen.appliedIndex = asIndex(index);
    seen.applyingIndex = asIndex(index);
  }

  /** Only what is committed and applied is let go of. */
  #compacts({ id, raft }: Life, { term, index }: EntryId): void {
    const isFinal = this.#committed[index - 1]?.term === term;
    check(isFinal && index <= raft.appliedIndex, "compaction", () => `${id} cuts up to ${index}`);
  }

  /** What a log has let go of is in the state, also after a crash. */
  #keepsApplied({ id, durable: { log, appliedIndex } }: Life): void {
    check(log.base.index <= appliedIndex, "compaction", () => {
      return `${id} has a log from ${log.base.index} on and a state of ${appliedIndex}`;
    });
  }

  /** Nothing goes back in one life, and what commits first anywhere is final. */
  #advanced(replica: Life, seen: Seen, before: Before): void {
    const { id, raft } = replica;
    const { term, appliedIndex } = raft;
    const { commitIndex } = raft.log;
    const rises =
      term >= seen.term && commitIndex >= seen.commitIndex && appliedIndex >= seen.appliedIndex;
    check(rises && appliedIndex <= commitIndex, "monotone", () => `${id} went back`);
    for (let n = offset(seen.commitIndex, 1); n <= commitIndex; n = offset(n, 1)) {
      this.#commits(replica, before, raft.log.slice(n, n, 0)[0]!);
    }
    const byCount = raft.role === "leader" && commitIndex > seen.commitIndex;
    check(!byCount || raft.log.termAt(commitIndex) === term, "own term commits", () => {
      return `${id} t${term} commits ${commitIndex} of an older term`;
    });
    Object.assign(seen, { term, commitIndex, appliedIndex });
  }

  /** A leader commits first, perhaps in the very step in which it steps down. */
  #commits({ id, raft }: Life, before: Before, entry: Entry): void {
    const says = (): string => `${id} commits ${describeId(entry)}`;
    const final = this.#committed[entry.index - 1];
    check(final === undefined || final.term === entry.term, "state machine safety", says);
    if (final !== undefined) return;
    check(entry.index === this.#committed.length + 1, "commit in order", says);
    const leads = before.role === "leader" || raft.role === "leader";
    check(leads, "leader commits first", says);
    this.#isOnQuorum(entry, before.configuration);
    this.#members.commits(entry);
    this.#committed.push(entry);
    this.#committedIn.push(raft.term);
  }

  #isOnQuorum(entry: Entry, configuration: Configuration): void {
    const holders = [...this.#replicas.values()]
      .filter(({ durable }) => holdsOrHeld(durable.log, entry))
      .map(({ id }) => id);
    const enough = isQuorum(configuration, (id) => holders.includes(id));
    check(enough, "quorum log", () => `${describeId(entry)} is durable on ${holders.join(" ")}`);
  }

  /** StateMachineSafety: all apply the same, in order, each once, and in turn. */
  #applied(entries: readonly Entry[], replica: Life, seen: Seen): void {
    for (const entry of entries) {
      const isNext = entry.index === seen.applyingIndex + 1;
      const isFinal = this.#committed[entry.index - 1]?.term === entry.term;
      check(isNext && isFinal, "state machine safety", () => {
        return `${replica.id} applies ${describeId(entry)}`;
      });
      seen.applyingIndex = entry.index;
    }
    const { applyingIndex, appliedIndex } = seen;
    const inTurn = entries.length === 0 || applyingIndex - entries.length === appliedIndex;
    check(inTurn, "apply in turn", () => `${replica.id} applies ${applyingIndex} too early`);
  }

  /** A life begins with what is applied, and knows that to be committed. */
  #seenOf({ raft }: Life, { term, commitIndex, appliedIndex }: Before): Seen {
    let seen = this.#seen.get(raft);
    if (seen === undefined) {
      seen = { term, commitIndex, appliedIndex, applyingIndex: appliedIndex };
      this.#seen.set(raft, seen);
    }
    return seen;
  }
}
