import { type LogIndex, asIndex, maxIndex, minIndex, offset } from "./types.ts";

/**
 * How a leader sends to a follower. `probe`: it does not know where the logs meet, so one message
 * at a time finds out. `replicate`: it does, so messages follow each other without waiting, up to
 * the window.
 */
export type ProgressState = "probe" | "replicate";

interface Inflight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/**
 * What a leader knows of one follower in its term.
 *
 * Invariants: `matchIndex < nextIndex`; `matchIndex` never decreases within a term; the entries
 * between the two are under way or guessed at. Terms after etcd's tracker: see docs/raft-rules.md,
 * L.
 */
export class Progress {
  #matchIndex: LogIndex = asIndex(0);
  #nextIndex: LogIndex;
  #state: ProgressState = "probe";
  /** Probing, and an answer is awaited. */
  #probeSent = false;
  #inflight: Inflight[] = [];
  #inflightBytes = 0;
  /** Heard from since the last check of the quorum (thesis, 6.2). */
  active = false;
  /** The newest ReadIndex round this follower has confirmed. */
  confirmedRound = 0;
  /** When the follower was last sent entries, or a message that finds out whether any were lost. */
  lastSentMs: number;

  constructor(lastIndex: LogIndex, nowMs: number) {
    this.#nextIndex = offset(lastIndex, 1);
    this.lastSentMs = nowMs;
  }

  /** The follower's log is known to equal the leader's up to here, durably. */
  get matchIndex(): LogIndex {
    return this.#matchIndex;
  }

  /** The next entry to send. */
  get nextIndex(): LogIndex {
    return this.#nextIndex;
  }

  get state(): ProgressState {
    return this.#state;
  }

  get inflightMessages(): number {
    return this.#inflight.length;
  }

  get inflightBytes(): number {
    return this.#inflightBytes;
  }

  /** Whether entries may be sent now, given the window. */
  mayReplicate(maxMessages: number, maxBytes: number): boolean {
    if (this.#state === "probe") return !this.#probeSent;
    return this.#inflight.length < maxMessages && this.#inflightBytes < maxBytes;
  }

  /** Entries up to `lastIndex` have been sent. Replicating, the next message follows on at once. */
  sentEntries(lastIndex: LogIndex, bytes: number): void {
    if (this.#state === "probe") {
      this.#probeSent = true;
      return;
    }
    this.#nextIndex = offset(lastIndex, 1);
    this.#inflight.push({ lastIndex, bytes });
    this.#inflightBytes += bytes;
  }

  /** An empty message with a guessed predecessor has been sent. */
  sentProbe(): void {
    if (this.#state === "probe") this.#probeSent = true;
  }

  /** The follower holds everything up to `matchIndex`. Returns whether that was news. */
  accepted(matchIndex: LogIndex): boolean {
    const news = matchIndex > this.#matchIndex;
    this.#matchIndex = maxIndex(this.#matchIndex, matchIndex);
    this.#nextIndex = maxIndex(this.#nextIndex, offset(this.#matchIndex, 1));
    if (this.#state === "probe") {
      // Only an answer to the probe itself tells where the logs meet; that of an older message
      // would end the probe too early.
      if (matchIndex >= offset(this.#nextIndex, -1)) this.#becomeReplicate();
      return news;
    }
    while (this.#inflight[0] !== undefined && this.#inflight[0].lastIndex <= this.#matchIndex) {
      this.#inflightBytes -= this.#inflight.shift()!.bytes;
    }
    return news;
  }

  /**
   * The follower refused entries after `prevIndex`; the logs may meet at `meetIndex`. Returns
   * whether to try again from there: the refusal may be stale, since answers come reordered and
   * doubled.
   */
  refused(prevIndex: LogIndex, meetIndex: LogIndex): boolean {
    if (prevIndex <= this.#matchIndex) return false;
    if (this.#state === "replicate") {
      this.becomeProbe();
      return true;
    }
    if (prevIndex !== offset(this.#nextIndex, -1)) return false;
    const next = offset(minIndex(offset(prevIndex, -1), meetIndex), 1);
    this.#nextIndex = maxIndex(next, offset(this.#matchIndex, 1));
    this.#probeSent = false;
    return true;
  }

  /** Something sent was lost: start over from what is known. */
  becomeProbe(): void {
    this.#state = "probe";
    this.#nextIndex = offset(this.#matchIndex, 1);
    this.#probeSent = false;
    this.#clearInflight();
  }

  #becomeReplicate(): void {
    this.#state = "replicate";
    this.#nextIndex = offset(this.#matchIndex, 1);
    this.#probeSent = false;
    this.#clearInflight();
  }

  #clearInflight(): void {
    this.#inflight = [];
    this.#inflightBytes = 0;
  }
}
