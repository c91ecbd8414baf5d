import { Leader } from "../../src/raft/leader.ts";
import type { Message } from "../../src/raft/messages.ts";
import { majority } from "../../src/raft/quorum.ts";
import type { Raft } from "../../src/raft/raft.ts";
import { type Entry, type LogIndex, type NodeId, type Term, offset } from "../../src/raft/types.ts";
import type { MemoryLog } from "./memory-log.ts";
import type { StepRecord, TestReplica } from "./test-replica.ts";

/** What one replica was last seen with, in the life it leads. */
interface Seen {
  term: Term;
  commitIndex: LogIndex;
  appliedIndex: LogIndex;
  /** The last entry that was handed out to be applied. */
  applyingIndex: LogIndex;
}

/**
 * Watches every step and every message of a cluster and remembers what the replicas themselves may forget in a crash. The
 * invariants are the paper's five (figure 3) and those that its proof and other implementations check (TLA+ specifications of
 * Raft, etcd and CCF). Each throws with its name.
 */
export class Invariants {
  readonly #replicas: ReadonlyMap<NodeId, TestReplica>;
  /** The leader of each term ever, and the life it had then: a restart may not resume it. */
  readonly #leaderOf = new Map<Term, string>();
  readonly #lives = new Map<NodeId, number>();
  /** Whom each replica ever voted for, by `node term`. */
  readonly #votes = new Map<string, NodeId>();
  /** What was ever at `term/index`: the term before it and the data. */
  readonly #entries = new Map<string, string>();
  readonly #committed: Entry[] = [];
  /** The term in which each of these was first known to be committed. */
  readonly #committedIn: Term[] = [];
  readonly #seen = new Map<NodeId, Seen>();
  /** What each leader knew each follower to hold, by `leader term follower`. */
  readonly #matches = new Map<string, LogIndex>();
  /** Counts messages; when each was sent, and the newest that each `node term` took from its leader. */
  #clock = 0;
  readonly #sentAt = new WeakMap<Message, number>();
  readonly #heard = new Map<string, number>();
  /** The terms of each log as written, to see what a cut takes away. */
  readonly #written = new Map<NodeId, Map<LogIndex, Term>>();

  constructor(replicas: ReadonlyMap<NodeId, TestReplica>) {
    this.#replicas = replicas;
  }

  /** Everything that any replica ever knew to be committed. */
  get committed(): readonly Entry[] {
    return this.#committed;
  }

  /** A moment, to ask later what happened after it. */
  get now(): number {
    return this.#clock;
  }

  /** How many replicas, itself included, have followed this leader by a message that it sent after `moment`. */
  followersSince({ id, raft }: TestReplica, moment: number): number {
    const others = [...this.#replicas.keys()].filter((node) => node !== id);
    return 1 + others.filter((node) => (this.#heard.get(`${node} ${raft.term}`) ?? 0) > moment).length;
  }

  /** To be told of every message when it leaves. */
  sent(message: Message): void {
    this.#clock++;
    this.#sentAt.set(message, this.#clock);
    const { storage } = this.#replicas.get(message.from)!;
    const aheadOfTerm =
      message.type === "preVoteRequest" || (message.type === "preVoteResponse" && message.granted);
    check(aheadOfTerm || message.term <= storage.durable.hardState.term, "message terms", () => {
      return `${message.from} speaks of term ${message.term} before it is durable`;
    });
    switch (message.type) {
      case "requestVoteRequest":
        return this.#voted(message.from, message.term, message.from);
      case "requestVoteResponse":
        if (message.granted) this.#voted(message.from, message.term, message.to);
        return;
      case "appendEntriesRequest":
        return this.#named(message.entries, message.prev.term);
      case "appendEntriesResponse": {
        if (message.result.type !== "accepted") return;
        const { matchIndex } = message.result;
        // One that speaks of a term that has passed may be late, and its entries gone.
        const isLate = message.term < storage.durable.hardState.term;
        check(isLate || storage.durable.log.last.index >= matchIndex, "ack kept", () => `${message.from} acked ${matchIndex} too early`);
      }
    }
  }

  /** To be told of every step after it is done. */
  stepped({ replica, output, before, input }: StepRecord): void {
    const { raft } = replica;
    if (output.persist !== null) {
      const { truncateFrom, entries } = output.persist;
      if (truncateFrom !== null) this.#cut(replica, truncateFrom, entries, before);
      const first = entries[0];
      if (first !== undefined) this.#named(entries, raft.log.termAt(offset(first.index, -1)));
      this.#remember(replica, entries);
    }
    if (raft.role === "leader") this.#leads(replica, before.role !== "leader" || before.term !== raft.term);
    this.#advanced(replica, before.role === "leader");
    this.#applied(output.apply, replica);
    this.#knowsDurable(replica);
    const isHeard = input.type === "receive" && input.message.type === "appendEntriesRequest";
    if (isHeard && input.message.term === raft.term) {
      const key = `${replica.id} ${raft.term}`;
      const sentAt = this.#sentAt.get(input.message) ?? 0;
      this.#heard.set(key, Math.max(sentAt, this.#heard.get(key) ?? 0));
    }
    check(output.wakeAtMs === null || output.wakeAtMs > input.nowMs, "wake", () => {
      return `${replica.id} wants to be woken at ${output.wakeAtMs}, which is not after ${input.nowMs}`;
    });
  }

  /** To be told when a replica has lost its memory and what was not durable. */
  crashed(replica: TestReplica): void {
    this.#lives.set(replica.id, (this.#lives.get(replica.id) ?? 0) + 1);
    const { hardState, appliedIndex } = replica.storage.written;
    const { term } = hardState;
    const applied = { commitIndex: appliedIndex, appliedIndex, applyingIndex: appliedIndex };
    this.#seen.set(replica.id, { term, ...applied });
    this.#written.delete(replica.id);
    this.#remember(replica, replica.storage.written.log.entries);
    this.quorumHoldsCommitted();
  }

  /** QuorumLog: each committed entry is durable on a majority, now and ever after. */
  quorumHoldsCommitted(from = 1): void {
    for (const entry of this.#committed.slice(from - 1)) this.#isOnQuorum(entry);
  }

  #voted(voter: NodeId, term: Term, candidate: NodeId): void {
    const earlier = this.#votes.get(`${voter} ${term}`) ?? candidate;
    check(earlier === candidate, "one vote", () => {
      return `${voter} voted for ${earlier} and ${candidate} in term ${term}`;
    });
    this.#votes.set(`${voter} ${term}`, candidate);
  }

  /** LogMatching, by induction: an id names one entry, with one entry before it, wherever it stands. */
  #named(entries: readonly Entry[], termBefore: Term | null): void {
    let previous = termBefore;
    for (const { term, index, type, data } of entries) {
      const content = `${previous} ${type} ${data.join()}`;
      const earlier = this.#entries.get(`${term}/${index}`) ?? content;
      check(earlier === content, "log matching", () => `${term}/${index} is both ${earlier} and ${content}`);
      check((previous ?? 0) <= term, "terms rise", () => `${term}/${index} follows term ${previous}`);
      this.#entries.set(`${term}/${index}`, content);
      previous = term;
    }
  }

  /** LeaderAppendOnly, and: only a suffix that differs is cut, and nothing committed. */
  #cut(replica: TestReplica, from: LogIndex, entries: readonly Entry[], before: StepRecord["before"]): void {
    const { raft } = replica;
    const leads = before.role === "leader" && raft.role === "leader" && before.term === raft.term;
    check(!leads, "leader appends only", () => `${replica.id} cut its log at ${from}`);
    const commitIndex = this.#seen.get(replica.id)?.commitIndex ?? 0;
    check(from > commitIndex, "committed stays", () => `${replica.id} cut ${from}, ${commitIndex} is committed`);
    const cutTerm = this.#written.get(replica.id)?.get(from);
    check(cutTerm !== entries[0]?.term, "cut only what differs", () => {
      return `${replica.id} cut ${from} to write the same`;
    });
  }

  #remember({ id }: TestReplica, entries: readonly Entry[]): void {
    const terms = this.#written.get(id) ?? new Map<LogIndex, Term>();
    for (const { index, term } of entries) terms.set(index, term);
    this.#written.set(id, terms);
  }

  #leads(replica: TestReplica, isNew: boolean): void {
    const { id, raft } = replica;
    if (isNew) {
      const life = `${id} life ${this.#lives.get(id) ?? 0}`;
      const other = this.#leaderOf.get(raft.term) ?? life;
      check(other === life, "election safety", () => `term ${raft.term} has ${other} and ${life}`);
      this.#leaderOf.set(raft.term, life);
      // A late winner of an old term, already outvoted, need not hold what was committed after it.
      for (const [i, entry] of this.#committed.entries()) {
        const isOwed = this.#committedIn[i]! < raft.term;
        check(!isOwed || holds(raft, entry), "leader completeness", () => `${id} t${raft.term} lacks ${name(entry)}`);
      }
    }
    const { roleHandler } = raft;
    if (!(roleHandler instanceof Leader)) throw new Error(`${id} leads without a leader`);
    for (const [node, { matchIndex, inflightMessages }] of roleHandler.followers) {
      const key = `${id} ${raft.term} ${node}`;
      check(matchIndex >= (this.#matches.get(key) ?? 0), "match index", () => `${key} went back`);
      this.#matches.set(key, matchIndex);
      const { log, hardState } = this.#replicas.get(node)!.storage.durable;
      // A newer leader may have cut what the old one, in its ignorance, counts on.
      if (hardState.term > raft.term) continue;
      const isCompacted = matchIndex <= Math.max(log.base.index, raft.log.base.index);
      const matches = isCompacted || termIn(log, matchIndex) === raft.log.termAt(matchIndex);
      check(matches, "match index", () => `${id} believes that ${node} holds ${matchIndex}`);
      check(inflightMessages <= replica.config.maxInflightMessages, "window", () => `${id} to ${node}`);
    }
  }

  /** Term, commit and applied index never go back in one life; what commits first anywhere is final. */
  #advanced(replica: TestReplica, led: boolean): void {
    const { id, raft } = replica;
    const { commitIndex } = raft.log;
    const { term, appliedIndex } = raft;
    const seen = this.#seenOf(replica);
    const rises =
      term >= seen.term && commitIndex >= seen.commitIndex && appliedIndex >= seen.appliedIndex;
    check(rises && appliedIndex <= commitIndex, "monotone", () => `${id} went back`);
    for (let n = offset(seen.commitIndex, 1); n <= commitIndex; n = offset(n, 1)) {
      const [entry] = raft.log.slice(n, n, 0);
      const final = this.#committed[n - 1];
      if (final === undefined) this.#commits(raft, led, entry!);
      else check(final.term === entry!.term, "state machine safety", () => `${id} commits ${name(entry!)}`);
    }
    const isByCount = raft.role === "leader" && commitIndex > seen.commitIndex;
    check(!isByCount || raft.log.termAt(commitIndex) === term, "own term commits", () => `${id} t${term} commits ${commitIndex} of an older term`);
    Object.assign(seen, { term, commitIndex, appliedIndex });
  }

  /** A leader commits first, perhaps in the very step in which it steps down. */
  #commits(raft: Raft, led: boolean, entry: Entry): void {
    check(entry.index === this.#committed.length + 1, "commit in order", () => name(entry));
    check(led || raft.role === "leader", "leader commits first", () => `${raft.config.id} commits ${name(entry)}`);
    this.#isOnQuorum(entry);
    this.#committed.push(entry);
    this.#committedIn.push(raft.term);
  }

  #isOnQuorum(entry: Entry): void {
    const holders = [...this.#replicas.values()].filter(({ storage: { durable } }) => {
      return entry.index <= durable.log.base.index || termIn(durable.log, entry.index) === entry.term;
    });
    const enough = holders.length >= majority(this.#replicas.size);
    check(enough, "quorum log", () => `${name(entry)} is durable on ${holders.map(({ id }) => id).join(" ")}`);
  }

  #applied(entries: readonly Entry[], replica: TestReplica): void {
    const seen = this.#seenOf(replica);
    for (const entry of entries) {
      const isNext = entry.index === seen.applyingIndex + 1;
      const isFinal = this.#committed[entry.index - 1]?.term === entry.term;
      check(isNext && isFinal, "state machine safety", () => `${replica.id} applies ${name(entry)}`);
      seen.applyingIndex = entry.index;
    }
    const { applyingIndex, appliedIndex } = seen;
    const waits = entries.length === 0 || applyingIndex - entries.length === appliedIndex;
    check(waits, "apply in turn", () => `${replica.id} applies ${applyingIndex} too early`);
  }

  /** What the core believes to be durable of its log as it stands is so. */
  #knowsDurable({ id, raft, storage }: TestReplica): void {
    const { durableIndex, base } = raft.log;
    const isSo =
      durableIndex <= base.index ||
      termIn(storage.durable.log, durableIndex) === raft.log.termAt(durableIndex);
    check(isSo, "durable index", () => `${id} believes that ${durableIndex} is durable`);
  }

  #seenOf({ id, raft: { term, appliedIndex } }: TestReplica): Seen {
    let seen = this.#seen.get(id);
    if (seen === undefined) {
      seen = { term, commitIndex: appliedIndex, appliedIndex, applyingIndex: appliedIndex };
      this.#seen.set(id, seen);
    }
    return seen;
  }
}

const name = ({ term, index }: Entry): string => `${term}/${index}`;

const holds = ({ log }: Raft, { term, index }: Entry): boolean =>
  index <= log.base.index || log.termAt(index) === term;

const termIn = (log: MemoryLog, index: LogIndex): Term | null =>
  index > log.last.index || index < log.base.index ? null : log.termAt(index);

/** Throws the invariant's name and what broke it. */
export function check(ok: boolean, invariant: string, what: () => string): void {
  if (!ok) throw new Error(`${invariant}: ${what()}`);
}
