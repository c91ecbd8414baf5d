import { describeId } from "../../src/raft/describe.ts";
import { majority } from "../../src/raft/quorum.ts";
import { type Entry, type LogIndex, type NodeId, type Term, offset } from "../../src/raft/types.ts";
import { check, holdsOrHeld } from "./check.ts";
import type { StepRecord, TestReplica } from "./test-replica.ts";

/** What one replica was last seen with, in the life it leads. */
interface Seen {
  term: Term;
  commitIndex: LogIndex;
  appliedIndex: LogIndex;
  /** The last entry that was handed out to be applied. */
  applyingIndex: LogIndex;
}

/** What must hold of what is committed and applied, over all time. */
export class CommitInvariants {
  readonly #replicas: ReadonlyMap<NodeId, TestReplica>;
  readonly #committed: Entry[] = [];
  /** The term in which each of these was first known to be committed. */
  readonly #committedIn: Term[] = [];
  readonly #seen = new Map<NodeId, Seen>();

  constructor(replicas: ReadonlyMap<NodeId, TestReplica>) {
    this.#replicas = replicas;
  }

  get committed(): readonly Entry[] {
    return this.#committed;
  }

  crashed({ id, storage }: TestReplica): void {
    const { hardState, appliedIndex } = storage.written;
    this.#seen.set(id, startingWith(hardState.term, appliedIndex));
    this.quorumHoldsCommitted();
  }

  stepped({ replica, output, before }: StepRecord): void {
    if (output.persist?.truncateFrom) this.#cut(replica, output.persist.truncateFrom);
    this.#advanced(replica, before.role === "leader");
    this.#applied(output.apply, replica);
  }

  /** LeaderCompleteness: a new leader has all that was committed in earlier terms. */
  leads({ id, raft }: TestReplica): void {
    // A late winner of an old term, already outvoted, need not hold what was committed after it.
    const owed = this.#committed.filter((_, i) => this.#committedIn[i]! < raft.term);
    for (const entry of owed) {
      const holds = entry.index <= raft.log.base.index || raft.log.holds(entry);
      check(holds, "leader completeness", () => `${id} t${raft.term} lacks ${describeId(entry)}`);
    }
  }

  /** QuorumLog: each committed entry is durable on a majority, now and ever after. */
  quorumHoldsCommitted(): void {
    for (const entry of this.#committed) this.#isOnQuorum(entry);
  }

  #cut(replica: TestReplica, from: LogIndex): void {
    const { commitIndex } = this.#seenOf(replica);
    check(from > commitIndex, "committed stays", () => `${replica.id} cut ${from}`);
  }

  /** Nothing goes back in one life, and what commits first anywhere is final. */
  #advanced(replica: TestReplica, led: boolean): void {
    const { id, raft } = replica;
    const { term, appliedIndex } = raft;
    const { commitIndex } = raft.log;
    const seen = this.#seenOf(replica);
    const rises =
      term >= seen.term && commitIndex >= seen.commitIndex && appliedIndex >= seen.appliedIndex;
    check(rises && appliedIndex <= commitIndex, "monotone", () => `${id} went back`);
    for (let n = offset(seen.commitIndex, 1); n <= commitIndex; n = offset(n, 1)) {
      this.#commits(replica, led, raft.log.slice(n, n, 0)[0]!);
    }
    const byCount = raft.role === "leader" && commitIndex > seen.commitIndex;
    check(!byCount || raft.log.termAt(commitIndex) === term, "own term commits", () => {
      return `${id} t${term} commits ${commitIndex} of an older term`;
    });
    Object.assign(seen, { term, commitIndex, appliedIndex });
  }

  /** A leader commits first, perhaps in the very step in which it steps down. */
  #commits({ id, raft }: TestReplica, led: boolean, entry: Entry): void {
    const says = (): string => `${id} commits ${describeId(entry)}`;
    const final = this.#committed[entry.index - 1];
    check(final === undefined || final.term === entry.term, "state machine safety", says);
    if (final !== undefined) return;
    check(entry.index === this.#committed.length + 1, "commit in order", says);
    check(led || raft.role === "leader", "leader commits first", says);
    this.#isOnQuorum(entry);
    this.#committed.push(entry);
    this.#committedIn.push(raft.term);
  }

  #isOnQuorum(entry: Entry): void {
    const holders = [...this.#replicas.values()]
      .filter(({ storage }) => holdsOrHeld(storage.durable.log, entry))
      .map(({ id }) => id);
    const enough = holders.length >= majority(this.#replicas.size);
    check(enough, "quorum log", () => `${describeId(entry)} is durable on ${holders.join(" ")}`);
  }

  /** StateMachineSafety: all apply the same, in order, each once, and in turn. */
  #applied(entries: readonly Entry[], replica: TestReplica): void {
    const seen = this.#seenOf(replica);
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

  #seenOf({ id, raft: { term, appliedIndex } }: TestReplica): Seen {
    let seen = this.#seen.get(id);
    if (seen === undefined) {
      seen = startingWith(term, appliedIndex);
      this.#seen.set(id, seen);
    }
    return seen;
  }
}

/** A replica boots with what is applied, and knows that to be committed. */
const startingWith = (term: Term, appliedIndex: LogIndex): Seen => ({
  term,
  commitIndex: appliedIndex,
  appliedIndex,
  applyingIndex: appliedIndex,
});
