import type { RequestId } from "../../src/raft/io.ts";
import type { Configuration } from "../../src/raft/membership.ts";
import type { Raft } from "../../src/raft/raft.ts";
import { check } from "./check.ts";
import type { CommitInvariants } from "./commits.ts";
import type { Following } from "./following.ts";
import type { Life, Step } from "./life.ts";

interface Open {
  /** How much was committed anywhere when the read began, and when that was. */
  readonly floor: number;
  readonly moment: number;
}

/** What must hold of reads that a core calls safe. */
export class ReadInvariants {
  readonly #commits: CommitInvariants;
  readonly #following: Following;
  readonly #open = new WeakMap<Raft, Map<RequestId, Open>>();
  /** How much was committed when the event began that is being handled; null outside of any. */
  #floor: number | null = null;

  constructor(commits: CommitInvariants, following: Following) {
    this.#commits = commits;
    this.#following = following;
  }

  /**
   * An event begins. Returns how to go on with it, perhaps later: a read that it carries was asked for
   * before it began, so it owes nothing to what is committed meanwhile.
   */
  began(): (work: () => void) => void {
    const floor = this.#commits.committed.length;
    return (work) => {
      this.#floor = floor;
      try {
        work();
      } finally {
        this.#floor = null;
      }
    };
  }

  stepped({ replica, input, output, before }: Step): void {
    const open = this.#openAt(replica);
    if (input.type === "read") {
      const floor = this.#floor ?? this.#commits.committed.length;
      open.set(input.id, { floor, moment: this.#following.now });
    }
    for (const { id, index } of output.reads) {
      this.#isSafe(id, index, open.get(id)!, replica, before.configuration);
      open.delete(id);
    }
    for (const { id } of output.failed) open.delete(id);
  }

  /**
   * A read is at least as new as all that was committed before it began, and a quorum has followed
   * the leader since then (thesis, 6.4).
   */
  #isSafe(
    id: RequestId,
    index: number,
    { floor, moment }: Open,
    replica: Life,
    before: Configuration,
  ): void {
    const { log, term } = replica.raft;
    const isSafe = (ok: boolean, what: string): void =>
      check(ok, "linearizable reads", () => `${replica.id} reads #${id} at ${index}: ${what}`);
    isSafe(index >= floor, `${floor} was committed before`);
    isSafe(index <= log.commitIndex, `only ${log.commitIndex} is committed`);
    isSafe(log.termAt(log.commitIndex) === term, "nothing of its own term is committed");
    // The voters may change in the very step.
    const isConfirmed = [before, log.configuration].some((configuration) =>
      this.#following.isQuorumSince(replica, configuration, moment),
    );
    isSafe(isConfirmed, "no quorum has followed since it began");
  }

  #openAt({ raft }: Life): Map<RequestId, Open> {
    let open = this.#open.get(raft);
    if (open === undefined) {
      open = new Map();
      this.#open.set(raft, open);
    }
    return open;
  }
}
