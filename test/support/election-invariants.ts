import type { Message } from "../../src/raft/messages.ts";
import type { NodeId, Term } from "../../src/raft/types.ts";
import { check } from "./check.ts";
import type { TestReplica } from "./test-replica.ts";

/** What must hold of terms, votes and leaders over all time, restarts included. */
export class ElectionInvariants {
  readonly #replicas: ReadonlyMap<NodeId, TestReplica>;
  /** The leader of each term ever, and the life it had then: a restart may not resume it. */
  readonly #leaderOf = new Map<Term, string>();
  readonly #lives = new Map<NodeId, number>();
  /** Whom each replica ever voted for, by `node term`. */
  readonly #votes = new Map<string, NodeId>();

  constructor(replicas: ReadonlyMap<NodeId, TestReplica>) {
    this.#replicas = replicas;
  }

  crashed({ id }: TestReplica): void {
    this.#lives.set(id, this.#life(id) + 1);
  }

  /** OneVote and MessageTerms: what leaves is durable, and no vote is given twice. */
  sent(message: Message): void {
    const { storage } = this.#replicas.get(message.from)!;
    const speaksOfComing =
      message.type === "preVoteRequest" || (message.type === "preVoteResponse" && message.granted);
    const isDurable = message.term <= storage.durable.hardState.term;
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
  leads({ id, raft }: TestReplica): void {
    const life = `${id} life ${this.#life(id)}`;
    const other = this.#leaderOf.get(raft.term) ?? life;
    check(other === life, "election safety", () => `term ${raft.term} has ${other} and ${life}`);
    this.#leaderOf.set(raft.term, life);
  }

  #voted(voter: NodeId, term: Term, candidate: NodeId): void {
    const earlier = this.#votes.get(`${voter} ${term}`) ?? candidate;
    check(earlier === candidate, "one vote", () => {
      return `${voter} voted for ${earlier} and ${candidate} in term ${term}`;
    });
    this.#votes.set(`${voter} ${term}`, candidate);
  }

  #life(id: NodeId): number {
    return this.#lives.get(id) ?? 0;
  }
}
