import { type Context, type RoleHandler, electionTimeout, refuse } from "./context.ts";
import type { Proposal, RequestId } from "./io.ts";
import { type Member, isVoter, votersOf } from "./membership.ts";
import type { Message } from "./messages.ts";
import { voteOutcome } from "./quorum.ts";
import { type NodeId, nextTerm } from "./types.ts";

/**
 * Asks first whether an election could be won (preCandidate), then stands in it (candidate). The
 * two differ in what they ask, in when their own vote counts, and in what winning means.
 */
export class Candidate implements RoleHandler {
  readonly role: "preCandidate" | "candidate";
  readonly leader = null;
  readonly isAsleep = false;
  readonly wakeAtMs: number;
  readonly #context: Context;
  readonly #isTransfer: boolean;
  readonly #votes = new Map<NodeId, boolean>();
  /** Those who are asked only for what they know: their votes do not count. */
  readonly #others = new Set<NodeId>();
  /** Whom a request, or whose answer, was lost. */
  readonly #lost = new Set<NodeId>();
  /** The batch that makes the own vote durable. */
  readonly #voteBatch: number;

  constructor(context: Context, role: "preCandidate" | "candidate", isTransfer: boolean) {
    this.role = role;
    this.#isTransfer = isTransfer;
    this.wakeAtMs = context.nowMs + electionTimeout(context);
    this.#context = context;
    this.#voteBatch = context.effects.batch;
  }

  /** Sends the requests. Apart from the constructor, since winning at once replaces the role. */
  begin(): void {
    const { config, log } = this.#context;
    for (const { id } of votersOf(log.configuration)) if (id !== config.id) this.#ask(id);
    // A pre-vote binds nobody, so the own one counts at once; a vote counts when it cannot be
    // forgotten.
    if (this.role === "preCandidate") this.#count(config.id, true);
  }

  receive(message: Message): void {
    if (message.type !== this.#awaited) return;
    if (message.type === "preVoteResponse" && message.left !== undefined)
      return this.#context.leaveGroup(message.left);
    if (message.type === "preVoteResponse" && message.others !== undefined)
      return this.#askOthers(message.others);
    // A pre-vote granted for an earlier attempt says nothing about this one.
    const stale =
      message.type === "preVoteResponse" &&
      message.granted &&
      message.term !== nextTerm(this.#context.term);
    if (!stale) this.#count(message.from, message.granted);
  }

  time(): void {
    if (this.#context.nowMs >= this.wakeAtMs) this.#context.becomePreCandidate();
  }

  propose(proposals: readonly Proposal[]): void {
    refuse(
      this.#context,
      proposals.map(({ id }) => id),
      null,
    );
  }

  read(id: RequestId): void {
    refuse(this.#context, [id], null);
  }

  change(id: RequestId): void {
    refuse(this.#context, [id], null);
  }

  persisted(batch: number): void {
    if (this.role === "candidate" && batch >= this.#voteBatch)
      this.#count(this.#context.config.id, true);
  }

  unreachable(node: NodeId): void {
    this.#lost.add(node);
  }

  /** Somebody waits for a leader: asks those again of whom nothing can come any more. */
  poke(): void {
    const lost = [...this.#lost];
    this.#lost.clear();
    for (const to of lost) this.#ask(to);
  }

  get spareIndex(): null {
    return null;
  }

  leave(): void {}

  stir(): void {}

  transfer(): void {}

  /**
   * Who was asked has left before this one. Those who went on say whether this one has left too; if it has
   * not, they wake, and call it.
   */
  #askOthers(others: readonly Member[]): void {
    const { config, log } = this.#context;
    for (const { id } of others) {
      if (id === config.id || isVoter(log.configuration, id) || this.#others.has(id)) continue;
      this.#others.add(id);
      this.#ask(id);
    }
  }

  #ask(to: NodeId): void {
    const { config, term, log, effects } = this.#context;
    const request = { from: config.id, to, last: log.last };
    if (this.role === "preCandidate") {
      effects.sendNow({ type: "preVoteRequest", ...request, term: nextTerm(term) });
    } else {
      const isTransfer = this.#isTransfer;
      effects.sendAfterPersist({ type: "requestVoteRequest", ...request, term, isTransfer });
    }
  }

  get #awaited(): "preVoteResponse" | "requestVoteResponse" {
    return this.role === "preCandidate" ? "preVoteResponse" : "requestVoteResponse";
  }

  #count(voter: NodeId, granted: boolean): void {
    if (this.#votes.has(voter)) return;
    this.#votes.set(voter, granted);
    const outcome = voteOutcome(this.#context.log.configuration, this.#votes);
    if (outcome === "lost") this.#context.becomeFollower(this.#context.term, null);
    if (outcome !== "won") return;
    if (this.role === "preCandidate") this.#context.becomeCandidate();
    else this.#context.becomeLeader();
  }
}
