/** What this isolate knows of a namespace: only ever a hint, since it may be old. */
export interface Known {
  /** The replica that led last; null when that one was lost, or none was found. */
  readonly leader: string | null;
  /** The newest command number seen: the floor of new requests (see kv/request-window.ts). */
  readonly sequence: number;
}

const little: Known = { leader: null, sequence: 0 };

/** What an isolate remembers between requests; the namespace not used for longest goes first. */
export class LeaderCache {
  readonly #capacity: number;
  readonly #known = new Map<string, Known>();

  constructor(capacity = 1000) {
    this.#capacity = capacity;
  }

  /** Null for a namespace that nothing was ever heard of, or not for long. */
  get(namespace: string): Known | null {
    return this.#known.get(namespace) ?? null;
  }

  /** Notes who answered as the leader. */
  noteLeader(namespace: string, leader: string): void {
    this.#change(namespace, { leader });
  }

  /** Notes that a replica does not lead, which says nothing of another that is known to. */
  noteLost(namespace: string, replica: string): void {
    const leader = this.get(namespace)?.leader ?? null;
    this.#change(namespace, { leader: leader === replica ? null : leader });
  }

  /** Notes a command number. Answers may come out of order, so only a newer one counts. */
  noteSequence(namespace: string, sequence: number): void {
    const known = this.get(namespace)?.sequence ?? 0;
    this.#change(namespace, { sequence: Math.max(known, sequence) });
  }

  #change(namespace: string, change: Partial<Known>): void {
    const known = { ...(this.get(namespace) ?? little), ...change };
    // Taken out and put in again, it is the newest.
    this.#known.delete(namespace);
    this.#known.set(namespace, known);
    if (this.#known.size <= this.#capacity) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest!);
  }
}
