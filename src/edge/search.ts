import type { Member } from "../protocol/client.ts";

/**
 * Whom to ask next. Within a round nobody is asked twice, so two replicas that name each other end
 * nobody's time.
 */
export class Search {
  readonly #ids: readonly string[];
  readonly #asked = new Set<string>();
  #candidate: string;
  #hint: string | null = null;

  constructor(members: readonly Member[], leader: string | null) {
    this.#ids = members.map(({ id }) => id);
    this.#candidate = leader ?? this.#ids[0]!;
  }

  get candidate(): string {
    return this.#candidate;
  }

  /** Everybody has been asked, and nobody led. */
  get isExhausted(): boolean {
    return this.#asked.has(this.#candidate);
  }

  others(): string[] {
    return this.#ids.filter((id) => id !== this.#candidate);
  }

  /**
   * The candidate does not lead: goes on to the one it named, or to one that has not been asked.
   */
  next(hint: string | null): void {
    this.#asked.add(this.#candidate);
    this.#hint = hint ?? this.#hint;
    const choices = [...(hint === null ? [] : [hint]), ...this.#ids];
    this.#candidate = choices.find((id) => !this.#asked.has(id)) ?? this.#candidate;
  }

  /** Begins a new round, with whoever was named last. */
  restart(): void {
    this.#asked.clear();
    this.#candidate = this.#hint ?? this.#ids[0]!;
    this.#hint = null;
  }
}
