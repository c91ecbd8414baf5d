import { describeId } from "../../src/raft/describe.ts";
import type { Message } from "../../src/raft/messages.ts";
import type { Entry, LogIndex, NodeId, Term } from "../../src/raft/types.ts";
import { offset } from "../../src/raft/types.ts";
import { check, holdsOrHeld } from "./check.ts";
import type { StepRecord, TestReplica } from "./test-replica.ts";

/** What must hold of logs: of what is written, cut, sent, acknowledged and believed durable. */
export class LogInvariants {
  readonly #replicas: ReadonlyMap<NodeId, TestReplica>;
  /** What was ever at `term/index`: the term before it and the data. */
  readonly #contents = new Map<string, string>();
  /** The terms of each log as written, to see what a cut takes away. */
  readonly #written = new Map<NodeId, Map<LogIndex, Term>>();

  constructor(replicas: ReadonlyMap<NodeId, TestReplica>) {
    this.#replicas = replicas;
  }

  crashed(replica: TestReplica): void {
    this.#written.delete(replica.id);
    this.#remember(replica, replica.storage.written.log.entries);
  }

  sent(message: Message): void {
    if (message.type === "appendEntriesRequest") this.#named(message.entries, message.prev.term);
    if (message.type !== "appendEntriesResponse" || message.result.type !== "accepted") return;
    const { matchIndex } = message.result;
    const { log, hardState } = this.#replicas.get(message.from)!.storage.durable;
    // One that speaks of a term that has passed may be late, and its entries gone.
    const isLate = message.term < hardState.term;
    check(isLate || log.last.index >= matchIndex, "ack kept", () => {
      return `${message.from} acked ${matchIndex} too early`;
    });
  }

  stepped(step: StepRecord): void {
    const { replica, output } = step;
    if (output.persist !== null) {
      const { truncateFrom, entries } = output.persist;
      if (truncateFrom !== null) this.#cut(step, truncateFrom, entries);
      const first = entries[0];
      if (first !== undefined) {
        this.#named(entries, replica.raft.log.termAt(offset(first.index, -1)));
      }
      this.#remember(replica, entries);
    }
    this.#knowsDurable(replica);
  }

  /** LogMatching, by induction: an id names one entry with one entry before it, everywhere. */
  #named(entries: readonly Entry[], termBefore: Term | null): void {
    let previous = termBefore;
    for (const entry of entries) {
      const name = describeId(entry);
      const content = `${previous} ${entry.type} ${entry.data.join()}`;
      const earlier = this.#contents.get(name) ?? content;
      check(earlier === content, "log matching", () => `${name} is both ${earlier} and ${content}`);
      check((previous ?? 0) <= entry.term, "terms rise", () => `${name} follows term ${previous}`);
      this.#contents.set(name, content);
      previous = entry.term;
    }
  }

  /** LeaderAppendOnly, and: only a suffix that differs is cut. */
  #cut({ replica, before }: StepRecord, from: LogIndex, entries: readonly Entry[]): void {
    const { id, raft } = replica;
    const leads = before.role === "leader" && raft.role === "leader" && before.term === raft.term;
    check(!leads, "leader appends only", () => `${id} cut its log at ${from}`);
    const cutTerm = this.#written.get(id)?.get(from);
    check(cutTerm !== entries[0]?.term, "cut what differs", () => `${id} cut ${from} in vain`);
  }

  #remember({ id }: TestReplica, entries: readonly Entry[]): void {
    const terms = this.#written.get(id) ?? new Map<LogIndex, Term>();
    for (const { index, term } of entries) terms.set(index, term);
    this.#written.set(id, terms);
  }

  /** What the core believes to be durable, of its log as it stands, is so. */
  #knowsDurable({ id, raft, storage }: TestReplica): void {
    const { durableIndex, last, base } = raft.log;
    const isSo =
      durableIndex <= base.index ||
      (durableIndex <= last.index && holdsOrHeld(storage.durable.log, raft.log.idAt(durableIndex)));
    check(isSo, "durable index", () => `${id} believes that ${durableIndex} is durable`);
  }
}
