import type { Digest } from "../../src/raft/digests.ts";
import type { Message } from "../../src/raft/messages.ts";
import { isQuorum } from "../../src/raft/quorum.ts";
import type { LogIndex, NodeId } from "../../src/raft/types.ts";
import { check } from "./check.ts";
import type { Step } from "./life.ts";
import type { Raft } from "../../src/raft/raft.ts";

/** Old ones are forgotten by replicas, who need not know them all. */
const looked = 3;

/** What a diverged replica must not ask or give. */
const forbidden: ReadonlySet<Message["type"]> = new Set([
  "preVoteRequest",
  "requestVoteRequest",
  "timeoutNowRequest",
  "installSnapshotRequest",
]);

/** What others have said in a reign. */
interface Told {
  readonly term: number;
  readonly at: Map<LogIndex, Map<NodeId, Digest>>;
  readonly changes: Map<NodeId, number>;
}

/** What must hold of states that are compared: who is told that its own is wrong believes it, and acts on it. */
export class DivergenceInvariants {
  /** What each life has said its state was. */
  readonly #own = new WeakMap<Raft, Map<LogIndex, Digest>>();
  /** What others have told each life in its present reign. */
  readonly #told = new WeakMap<Raft, Told>();

  stepped(step: Step): void {
    const { replica, input, output, before } = step;
    const { id, raft } = replica;
    const { hasDiverged } = raft.audit;
    const isReplaced = (output.persist?.install ?? output.persist?.repair ?? null) !== null;
    if (isReplaced) this.#own.delete(raft);
    if (input.type === "applied") {
      const own = this.#ownOf(raft);
      for (const digest of input.digests) own.set(digest.index, digest);
    }
    const isForgotten = before.hasDiverged && !hasDiverged;
    check(isReplaced || !isForgotten, "divergence", () => `${id} forgets that it has diverged`);
    const isNew = hasDiverged && !before.hasDiverged;
    const isStored = output.persist?.audit?.divergedIndex === raft.audit.divergedIndex;
    check(!isNew || isStored, "divergence", () => `${id} does not store that it has diverged`);
    if (hasDiverged) this.#keepsStill(step);
    if (input.type !== "receive" || isReplaced) return;
    const { message } = input;
    if (message.term !== raft.term || message.to !== id) return;
    if (message.type === "appendEntriesRequest" && message.verdict !== undefined) {
      const { index, formula, hash } = message.verdict;
      const own = raft.audit.digests.find((digest) => digest.index === index);
      const isWrong = own !== undefined && own.formula === formula && own.hash !== hash;
      check(
        !isWrong || hasDiverged,
        "divergence",
        () => `${id} is told that it is wrong at ${index}`,
      );
    }
    if (message.type !== "appendEntriesResponse") return;
    const { from, digest, diverged, changes = 0 } = message;
    const told = this.#toldAt(raft);
    const known = told.changes.get(from) ?? 0;
    if (changes < known) return;
    told.changes.set(from, changes);
    // Who says so itself has no say, nor has what was said before that.
    if (diverged !== undefined || changes > known)
      for (const said of told.at.values()) said.delete(from);
    if (diverged !== undefined) return;
    if (digest !== undefined) this.#hears(step, from, digest);
  }

  /** It leads nobody, wants to lead nobody, and gives its state to nobody. */
  #keepsStill({ replica: { id, raft }, output }: Step): void {
    check(raft.role === "follower", "divergence", () => `${id} has diverged and is ${raft.role}`);
    const said = [...output.sendNow, ...output.sendAfterPersist].filter(({ type }) =>
      forbidden.has(type),
    );
    check(said.length === 0, "divergence", () => `${id} has diverged and sends ${said[0]?.type}`);
    check(output.reads.length === 0, "divergence", () => `${id} has diverged and serves reads`);
  }

  /** Once a majority has told it of another state than its own, a leader leads no more. */
  #hears({ replica: { id, raft }, before }: Step, from: NodeId, digest: Digest): void {
    const told = this.#toldAt(raft).at;
    const at = told.get(digest.index) ?? new Map<NodeId, Digest>();
    told.set(digest.index, at.set(from, digest));
    if (raft.role !== "leader") return;
    // By the voters of when it heard it: it may have made others voters since.
    const { configuration } = before;
    for (const own of [...this.#ownOf(raft).values()].slice(-looked)) {
      const said = told.get(own.index) ?? new Map<NodeId, Digest>();
      for (const { hash, formula } of said.values()) {
        if (hash === own.hash || formula !== own.formula) continue;
        const isWrong = isQuorum(configuration, (voter) => said.get(voter)?.hash === hash);
        check(!isWrong, "divergence", () => {
          return `${id} leads on, with ${own.hash} at ${own.index} where a majority has another`;
        });
      }
    }
  }

  #toldAt(raft: Raft): Told {
    let told = this.#told.get(raft);
    if (told?.term !== raft.term) {
      told = { term: raft.term, at: new Map(), changes: new Map() };
      this.#told.set(raft, told);
    }
    return told;
  }

  #ownOf(raft: Raft): Map<LogIndex, Digest> {
    let own = this.#own.get(raft);
    if (own === undefined) {
      own = new Map(raft.audit.digests.map((digest) => [digest.index, digest]));
      this.#own.set(raft, own);
    }
    return own;
  }
}
