import { describeConfiguration } from "../../src/raft/describe.ts";
import type { Message } from "../../src/raft/messages.ts";
import { isQuorum } from "../../src/raft/quorum.ts";
import type { NodeId, Term } from "../../src/raft/types.ts";
import { check } from "./check.ts";
import type { Life } from "./life.ts";
import type { Raft } from "../../src/raft/raft.ts";

/** What must hold of terms, votes and leaders over all time, restarts included. */
export class ElectionInvariants {
  readonly #replicas: ReadonlyMap<NodeId, Pick<Life, "durable">>;
  /** Who ever led each term, and in which life: a restart may not resume it. */
  readonly #leaderOf = new Map<Term, { readonly id: NodeId; readonly raft: Raft }>();
  /** Whom each replica ever voted for, by `node term`. */
  readonly #votes = new Map<string, NodeId>();

  constructor(replicas: ReadonlyMap<NodeId, Pick<Life, "durable">>) {
    this.#replicas = replicas;
  }

  /** Who leads, or led, a term. */
  leaderOf(term: Term): NodeId | null {
    return this.#leaderOf.get(term)?.id ?? null;
  }

  /** How many terms had a leader. */
  get terms(): number {
    return this.#leaderOf.size;
  }

  /** OneVote and MessageTerms: what leaves is durable, and no vote is given twice. */
  sent(message: Message): void {
    const { durable } = this.#replicas.get(message.from)!;
    // Whoever has left counts no terms any more, and speaks in that of whom it tells the same.
    const speaksOfComing =
      message.type === "preVoteRequest" ||
      (message.type === "preVoteResponse" &&
        (message.granted || message.left !== undefined || message.others !== undefined));
    const isDurable = message.term <= durable.hardState.term;
    check(speaksOfComing || isDurable, "message terms", () => {
      return `${message.from} speaks of term ${message.term} before it is durable`;
    });
    if (message.type === "requestVoteRequest") {
      this.#voted(message.from, message.term, message.from);
    }
    if (message.type === "requestVoteResponse" && message.granted) {
      this.#voted(message.from, message.term, message.to);
    }
  }

  /** ElectionSafety: a term never has two leaders. */
  leads({ id, raft }: Life): void {
    const other = this.#leaderOf.get(raft.term) ?? { id, raft };
    check(other.raft === raft, "election safety", () => {
      const who = other.id === id ? `${id} in two lives` : `${other.id} and ${id}`;
      return `term ${raft.term} is led by ${who}`;
    });
    this.#leaderOf.set(raft.term, other);
    const hasVoted = (voter: NodeId): boolean =>
      voter === id || this.#votes.get(`${voter} ${raft.term}`) === id;
    check(isQuorum(raft.log.configuration, hasVoted), "elected by a quorum", () => {
      return `${id} leads term ${raft.term} of ${describeConfiguration(raft.log.configuration)}`;
    });
  }

  #voted(voter: NodeId, term: Term, candidate: NodeId): void {
    const earlier = this.#votes.get(`${voter} ${term}`) ?? candidate;
    check(earlier === candidate, "one vote", () => {
      return `${voter} voted for ${earlier} and ${candidate} in term ${term}`;
    });
    this.#votes.set(`${voter} ${term}`, candidate);
  }
}
