import type { Member, StatusResult } from "../protocol/client.ts";
import type { LeaderCache } from "./leader-cache.ts";
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
  readonly #cache: LeaderCache;
  #looks = 0;

  constructor(group: ReplicaGroup, search: LeaderSearch, cache: LeaderCache) {
    this.#group = group;
    this.#search = search;
    this.#cache = cache;
  }

  /**
   * Pokes all members until one of them tells whom to ask, those included that only others tell of. Null
   * when that was not in time.
   */
  async look(deadline: AbortSignal): Promise<string | null> {
    const isFound = new AbortController();
    const signal = AbortSignal.any([deadline, isFound.signal]);
    // The first look of a request costs no wait; one that led nowhere makes the next ones slower.
    const first = this.#looks++;
    const watched = new Set<string>();
    const leader = await new Promise<string | null>((resolve) => {
      const watch = (member: Member): void => {
        const { id } = member;
        if (watched.has(id)) return;
        watched.add(id);
        this.#group.meet([member]);
        this.#watch(id, first, signal, watch).then(resolve, () => {});
      };
      if (deadline.aborted) return resolve(null);
      deadline.addEventListener("abort", () => resolve(null));
      const known = this.#cache.get(this.#group.namespace)?.members ?? [];
      for (const member of [...known, ...this.#group.members]) watch(member);
    });
    isFound.abort();
    return leader;
  }

  /**
   * Pokes one member until it tells whom to ask, however slow the others are.
   *
   * @param meet is told of everybody it knows.
   * @throws when `signal` ends it, and when it has left the group.
   */
  async #watch(
    id: string,
    first: number,
    signal: AbortSignal,
    meet: (member: Member) => void,
  ): Promise<string> {
    for (let n = first; ; n++) {
      if (n > 0) await pause(backoffMs(n - 1, longestPauseMs), signal);
      signal.throwIfAborted();
      const status = await this.#poke(id, signal);
      if (status === null) continue;
      if (status.type === "status") this.#cache.noteMembers(this.#group.namespace, status);
      const leader = this.#search.says(id, status);
      if (leader !== null) return leader;
      if (status.type !== "uninitialised") for (const member of status.members) meet(member);
      if (status.type === "left") throw new Error(`replica ${id} has left`);
    }
  }

  /** What a member says; null when it cannot be reached, at least now. */
  async #poke(id: string, signal: AbortSignal): Promise<StatusResult | null> {
    const timeout = AbortSignal.timeout(pokeTimeoutMs);
    return this.#group.poke(id, AbortSignal.any([signal, timeout])).catch(() => null);
  }
}
