import type { ReadIndexRequest } from "../protocol/client.ts";
import type { Raft } from "../raft/raft.ts";
import type { LogIndex } from "../raft/types.ts";
import type { AppliedWaits } from "./applied-waits.ts";
import type { Freshness } from "./freshness.ts";
import type { Clock, ConfirmedIndex, Peers } from "./ports.ts";

/** What is to be gone before a leader answers, if it is due by then. */
export type Sweep = Pick<ReadIndexRequest, "keys" | "isWide">;

/** A question to the leader, with all who want to know. */
interface Ask {
  readonly keys: Set<string>;
  isWide: boolean;
  hasBegun: boolean;
  readonly answered: Promise<unknown>;
  readonly ended: Promise<LogIndex | null>;
}

/** What one question names at most. Whoever comes then has the next one name its keys. */
const maxKeys = 1000;

interface Parts {
  readonly raft: Raft;
  readonly clock: Clock;
  readonly peers: Peers;
  readonly waits: AppliedWaits;
  readonly freshness: Freshness;
  /** Whether the state has the log applied up to there, and may be shown. */
  readonly holds: (index: LogIndex) => boolean;
}

/**
 * How a replica that does not lead finds out whether its state is new enough to be read: it asks the leader,
 * which has a majority confirm that it leads (ReadIndex), and then waits until it has applied what the leader
 * had (thesis, 6.4).
 *
 * A question answers only who wanted to know before it was sent. There is one under way at a time; those
 * that come meanwhile share the next.
 */
export class FollowerReads {
  readonly #parts: Parts;
  #newest: Ask | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Waits until the state shows all that was acknowledged before this call. Resolves to an index up to which
   * the log is applied in such a state, and null when that cannot be known, or not soon.
   */
  confirm({ keys, isWide }: Sweep): Promise<LogIndex | null> {
    const ask = this.#joinable();
    for (const key of keys) ask.keys.add(key);
    ask.isWide ||= isWide;
    return ask.ended;
  }

  /** The question that is to be sent next. */
  #joinable(): Ask {
    const newest = this.#newest;
    if (newest !== null && !newest.hasBegun && newest.keys.size < maxKeys) return newest;
    // Begins in a turn of its own, so that those of this one share it.
    const answer = (newest?.answered ?? Promise.resolve()).then(() => this.#send(ask));
    const ask: Ask = {
      keys: new Set(),
      isWide: false,
      hasBegun: false,
      answered: answer,
      ended: answer.then((confirmed) => confirmed && this.#reach(confirmed)),
    };
    this.#newest = ask;
    return ask;
  }

  async #send(ask: Ask): Promise<Confirmed | null> {
    const { raft, clock, peers } = this.#parts;
    ask.hasBegun = true;
    const { leader } = raft;
    if (leader === null || leader === raft.config.id) return null;
    const { epoch } = raft.log.configuration;
    const sentMs = clock.nowMs();
    const request = { type: "readIndex", keys: [...ask.keys], isWide: ask.isWide } as const;
    const answer = await peers.readIndex(leader, request).catch(() => null);
    // A group that was rebuilt goes on from another log than that of the replicas that it was rebuilt without.
    if (answer === null || answer.epoch !== epoch) return null;
    return { ...answer, sentMs };
  }

  async #reach({ index, epoch, sentMs }: Confirmed): Promise<LogIndex | null> {
    const { raft, waits, freshness, holds } = this.#parts;
    const isThere = (): boolean => holds(index) && raft.log.configuration.epoch === epoch;
    await waits.until(isThere, raft.config.electionMaxMs);
    if (!isThere()) return null;
    freshness.note(sentMs);
    return index;
  }
}

interface Confirmed extends ConfirmedIndex {
  readonly sentMs: number;
}
