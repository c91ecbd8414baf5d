/** What this isolate knows of a namespace: only ever a hint, since it may be old. */
export interface Known {
  /** The replica that led last. */
  readonly leader: string | null;
  /** The newest command number seen: the floor of new requests (see kv/request-window.ts). */
  readonly sequence: number;
}

const nothing: Known = { leader: null, sequence: 0 };

/** The namespaces an isolate remembers; the one not used for longest is forgotten first. */
const capacity = 1000;

export class LeaderCache {
  readonly #known = new Map<string, Known>();

  get(namespace: string): Known {
    return this.#known.get(namespace) ?? nothing;
  }

  /** Notes a leader, or that none is known, and the newest command number seen. */
  note(namespace: string, leader: string | null, sequence = 0): void {
    const known = { leader, sequence: Math.max(sequence, this.get(namespace).sequence) };
    this.#known.delete(namespace);
    this.#known.set(namespace, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > capacity) this.#known.delete(oldest!);
  }
}
