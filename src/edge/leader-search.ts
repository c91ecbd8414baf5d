import type { StatusResult } from "../protocol/client.ts";

/**
 * Makes out from what replicas say whom one request should ask next. Knows nothing of calls or time.
 *
 * Replicas may be behind, and name each other in a circle. So what is said of an older term than the
 * newest one heard of is ignored; and a replica that was asked and did not lead, or could not be
 * reached, is believed to lead in that term only on its own word.
 */
export class LeaderSearch {
  readonly #founder: string;
  /** The newest term heard of; 0 as long as nobody has said that there is a group. */
  #term = 0;
  /** Asked in vain, as far as the newest term goes. */
  readonly #disproved = new Set<string>();
  #hasHeard = false;

  /** @param founder whom to ask when there is no group yet. */
  constructor(founder: string) {
    this.#founder = founder;
  }

  /** Whether any replica has said anything at all. */
  get hasHeard(): boolean {
    return this.#hasHeard;
  }

  /** `id` was asked and does not lead. Returns the leader it names, if that is worth asking. */
  isNotLeader(id: string, term: number, hint: string | null): string | null {
    this.#hear(term);
    this.#disproved.add(id);
    return this.#ifBelieved(term, hint);
  }

  /** `id` was asked, and nothing can be told from that but that another may lead by now. */
  isInDoubt(id: string): void {
    this.#disproved.add(id);
  }

  /** `id` says this of itself. Returns whom to ask, if that shows from it. */
  says(id: string, status: StatusResult): string | null {
    if (status.type === "left") {
      this.#hasHeard = true;
      return null;
    }
    const isFounding = status.type === "uninitialised";
    // Only the founder can bring a group into being, and does so when it is asked for something. That it
    // is there to do so it must say itself.
    const { term, leader } = isFounding ? { term: 0, leader: null } : status;
    this.#hear(term);
    // One whose state is wrong serves nothing, whatever is said of it.
    const hasDiverged = !isFounding && status.diverged;
    if (hasDiverged) this.#disproved.add(id);
    const leads = !isFounding && status.role === "leader" && !hasDiverged;
    const isOwnWord = isFounding ? id === this.#founder : leads;
    if (isOwnWord) return term < this.#term ? null : id;
    return this.#ifBelieved(term, leader);
  }

  #hear(term: number): void {
    this.#hasHeard = true;
    if (term <= this.#term) return;
    // The first term heard of need not be newer than what was found before it.
    if (this.#term > 0) this.#disproved.clear();
    this.#term = term;
  }

  #ifBelieved(term: number, leader: string | null): string | null {
    if (leader === null || term < this.#term || this.#disproved.has(leader)) return null;
    return leader;
  }
}
