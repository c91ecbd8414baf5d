import { describeId } from "../../src/raft/describe.ts";
import type { Message } from "../../src/raft/messages.ts";
import { type Entry, type LogIndex, type NodeId, type Term, offset } from "../../src/raft/types.ts";
import { check, holdsOrHeld } from "./check.ts";
import type { Life, Step } from "./life.ts";
import type { Raft } from "../../src/raft/raft.ts";

/** What must hold of logs: of what is written, cut, sent, acknowledged and believed durable. */
export class LogInvariants {
  readonly #replicas: ReadonlyMap<NodeId, Pick<Life, "durable">>;
  /** What was ever at `term/index`: the entry, and the term before it. */
  readonly #contents = new Map<string, { readonly entry: Entry; readonly before: Term | null }>();
  /** The terms of each life's log as written, to see what a cut takes away. */
  readonly #written = new WeakMap<Raft, Map<LogIndex, Term>>();
  /** The terms that have a leader, which alone makes entries of them. */
  readonly #opened = new Set<Term>();

  constructor(replicas: ReadonlyMap<NodeId, Pick<Life, "durable">>) {
    this.#replicas = replicas;
  }

  sent(message: Message): void {
    if (message.type === "appendEntriesRequest") this.#named(message.entries, message.prev.term);
    const isAnswer =
      message.type === "appendEntriesResponse" || message.type === "installSnapshotResponse";
    if (!isAnswer || message.result.type !== "accepted") return;
    const { matchIndex } = message.result;
    const { log, hardState } = this.#replicas.get(message.from)!.durable;
    // One that speaks of a term that has passed may be late, and its entries gone.
    const isLate = message.term < hardState.term;
    check(isLate || log.last.index >= matchIndex, "ack kept", () => {
      return `${message.from} acked ${matchIndex} too early`;
    });
  }

  stepped(step: Step): void {
    const { replica, output } = step;
    if (output.persist !== null) {
      const { truncateFrom, entries, install } = output.persist;
      const written = this.#writtenBy(replica);
      if (install !== null) written.clear();
      if (truncateFrom !== null) this.#cut(step, truncateFrom, entries);
      const first = entries[0];
      if (first !== undefined) {
        this.#named(entries, replica.raft.log.termAt(offset(first.index, -1)));
      }
      for (const { index, term } of entries) written.set(index, term);
    }
    this.#knowsDurable(replica);
  }

  /** CandidateTermNotInLog: nobody has an entry of a term before its leader makes the first. */
  leads({ id, raft: { term } }: Life): void {
    check(!this.#opened.has(term), "candidate term not in log", () => `${id} t${term} comes late`);
    this.#opened.add(term);
  }

  /** LogMatching, by induction: an id names one entry with one entry before it, everywhere. */
  #named(entries: readonly Entry[], termBefore: Term | null): void {
    let before = termBefore;
    for (const entry of entries) {
      const name = describeId(entry);
      check((before ?? 0) <= entry.term, "terms rise", () => `${name} follows term ${before}`);
      const known = this.#contents.get(name);
      if (known === undefined) this.#contents.set(name, { entry, before });
      else {
        const isSame = known.before === before && isSameEntry(known.entry, entry);
        check(isSame, "log matching", () => `${name} is two entries`);
      }
      before = entry.term;
    }
  }

  /** LeaderAppendOnly, and: only a suffix that differs is cut. */
  #cut({ replica, before }: Step, from: LogIndex, entries: readonly Entry[]): void {
    const { id, raft } = replica;
    const leads = before.role === "leader" && raft.role === "leader" && before.term === raft.term;
    check(!leads, "leader appends only", () => `${id} cut its log at ${from}`);
    const cutTerm = this.#written.get(raft)?.get(from);
    check(cutTerm !== entries[0]?.term, "cut what differs", () => `${id} cut ${from} in vain`);
  }

  /** A life begins with what is durable. */
  #writtenBy({ raft, durable }: Life): Map<LogIndex, Term> {
    let written = this.#written.get(raft);
    if (written === undefined) {
      const { base, last } = durable.log;
      const entries = durable.log.slice(offset(base.index, 1), last.index, Infinity);
      written = new Map(entries.map(({ index, term }) => [index, term]));
      this.#written.set(raft, written);
    }
    return written;
  }

  /** What the core believes to be durable, of its log as it stands, is so. */
  #knowsDurable({ id, raft, durable, isReplaced }: Life): void {
    // What a zombie knows of the disk it has lost may have been cut since.
    if (isReplaced) return;
    const { durableIndex, last, base } = raft.log;
    const isSo =
      durableIndex <= base.index ||
      (durableIndex <= last.index && holdsOrHeld(durable.log, raft.log.idAt(durableIndex)));
    check(isSo, "durable index", () => `${id} believes that ${durableIndex} is durable`);
  }
}

function isSameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  const isSame = a.type === b.type && a.data.byteLength === b.data.byteLength;
  return isSame && a.data.every((byte, i) => byte === b.data[i]);
}
