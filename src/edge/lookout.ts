import type { LeaderSearch } from "./leader-search.ts";
import { backoffMs, pause } from "./pause.ts";
import type { ReplicaGroup } from "./replica-group.ts";

const pokeTimeoutMs = 1000;

/** An election is noticed soon enough, and the many who wait for one do not drown the replicas. */
export const longestPauseMs = 250;

/**
 * Finds out from the members of a group whom one request should ask, by poking them all. A poke also
 * makes a replica check its deadlines, so that one whose leader is gone stands for election.
 */
export class Lookout {
  readonly #group: ReplicaGroup;
  readonly #search: LeaderSearch;
  #looks = 0;

  constructor(group: ReplicaGroup, search: LeaderSearch) {
    this.#group = group;
    this.#search = search;
  }

  /** Pokes all members until one of them tells whom to ask. Null when that was not in time. */
  async look(deadline: AbortSignal): Promise<string | null> {
    const isFound = new AbortController();
    const signal = AbortSignal.any([deadline, isFound.signal]);
    // The first look of a request costs no wait; one that led nowhere makes the next ones slower.
    const first = this.#looks++;
    try {
      return await Promise.any(this.#group.members.map(({ id }) => this.#watch(id, first, signal)));
    } catch {
      // All of them ended without, which they do only at the deadline.
      return null;
    } finally {
      isFound.abort();
    }
  }

  /**
   * Pokes one member until it tells whom to ask, however slow the others are.
   *
   * @throws when `signal` ends it.
   */
  async #watch(id: string, first: number, signal: AbortSignal): Promise<string> {
    for (let n = first; ; n++) {
      if (n > 0) await pause(backoffMs(n - 1, longestPauseMs), signal);
      signal.throwIfAborted();
      const leader = await this.#poke(id, signal);
      if (leader !== null) return leader;
    }
  }

  async #poke(id: string, signal: AbortSignal): Promise<string | null> {
    const timeout = AbortSignal.timeout(pokeTimeoutMs);
    try {
      return this.#search.says(id, await this.#group.poke(id, AbortSignal.any([signal, timeout])));
    } catch {
      // It cannot be reached, at least now.
      return null;
    }
  }
}
