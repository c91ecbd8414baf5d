import type { RequestId } from "./io.ts";
import type { LogIndex } from "./types.ts";

/**
 * Rounds under way at once: a read seldom waits for an older round, and the traffic is bounded. Each
 * round is a message to every follower (see FetchPeers.maxCalls).
 */
export const maxRounds = 2;

interface Round {
  readonly round: number;
  readonly index: LogIndex;
  readonly ids: readonly RequestId[];
}

/**
 * Linearizable reads without writing (thesis, 6.4). A read takes the commit index of the moment its
 * round begins; it may be served there once a quorum has, after that moment, confirmed that it
 * still follows this leader.
 *
 * Round numbers rise by one and are never reused in a term, so an answer to an older round, however
 * late, confirms only what it was asked (etcd-io/etcd#20418 is what happens otherwise).
 */
export class ReadIndex {
  #waiting: RequestId[] = [];
  #rounds: Round[] = [];
  #newest = 0;

  /** The newest round that has begun; every AppendEntries carries it. 0 before the first. */
  get newestRound(): number {
    return this.#newest;
  }

  /** Reads that have no round yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Rounds under way. */
  get open(): number {
    return this.#rounds.length;
  }

  /**
   * Uses up a round without reads, so that what is sent from now on can be told from what was sent
   * before. Returns it.
   */
  passRound(): number {
    return ++this.#newest;
  }

  add(id: RequestId): void {
    this.#waiting.push(id);
  }

  /**
   * Begins a round for all reads that wait, if there are any and not too many rounds are open.
   * Returns whether it did.
   */
  maybeBegin(commitIndex: LogIndex): boolean {
    if (this.#waiting.length === 0 || this.#rounds.length >= maxRounds) return false;
    this.#newest++;
    this.#rounds.push({ round: this.#newest, index: commitIndex, ids: this.#waiting });
    this.#waiting = [];
    return true;
  }

  /**
   * Ends the rounds up to `round`, which a quorum has confirmed. Returns the reads that are now
   * safe.
   */
  confirm(round: number): { readonly id: RequestId; readonly index: LogIndex }[] {
    const safe: { id: RequestId; index: LogIndex }[] = [];
    while (this.#rounds[0] !== undefined && this.#rounds[0].round <= round) {
      const { ids, index } = this.#rounds.shift()!;
      for (const id of ids) safe.push({ id, index });
    }
    return safe;
  }

  /** Gives up all reads: the leader has stepped down. */
  takeAll(): RequestId[] {
    const all = [...this.#rounds.flatMap(({ ids }) => ids), ...this.#waiting];
    this.#rounds = [];
    this.#waiting = [];
    return all;
  }
}
