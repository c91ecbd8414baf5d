import type { Member } from "../protocol/client.ts";

type MembersAt = Pick<Known, "members" | "membersIndex" | "epoch">;

/** What this isolate knows of a namespace: only ever a hint, since it may be old. */
export interface Known {
  /** The replica that led last; null when that one was lost, or none was found. */
  readonly leader: string | null;
  /** The newest command number seen: the floor of new requests (see kv/request-window.ts). */
  readonly sequence: number;
  /** The epoch that it is of: in a group that was rebuilt the numbers may have gone back. */
  readonly epoch: number;
  /** Who belonged to the group, by the newest configuration that was heard of, and its index. */
  readonly members: readonly Member[];
  readonly membersIndex: number;
  readonly membersEpoch: number;
}

const little: Known = {
  leader: null,
  sequence: 0,
  epoch: 1,
  members: [],
  membersIndex: -1,
  membersEpoch: 0,
};

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

  /** Notes a command number. Answers may come out of order, so only one of a newer epoch, or newer, counts. */
  noteSequence(namespace: string, sequence: number, epoch: number): void {
    const known = this.get(namespace) ?? little;
    const isNewer = epoch > known.epoch || (epoch === known.epoch && sequence > known.sequence);
    this.#change(namespace, isNewer ? { sequence, epoch } : {});
  }

  /** Notes who belongs to the group. The settings may name nobody any more that does. */
  noteMembers(namespace: string, { members, membersIndex, epoch: membersEpoch }: MembersAt): void {
    const known = this.get(namespace) ?? little;
    const isNewer =
      membersEpoch > known.membersEpoch ||
      (membersEpoch === known.membersEpoch && membersIndex > known.membersIndex);
    if (isNewer) this.#change(namespace, { members, membersIndex, membersEpoch });
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
