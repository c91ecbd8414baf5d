import type { Shipment } from "./shipment.ts";
import { type LogIndex, asIndex, maxIndex, minIndex, offset } from "./types.ts";

/**
 * How a leader sends to a follower. `probe`: it does not know where the logs meet, so one message
 * at a time finds out. `replicate`: it does, so messages follow each other without waiting, up to
 * the window. `snapshot`: the log no longer has what it needs, so it is sent the state.
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

interface Inflight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
}

/**
 * What a leader knows of one follower in its term.
 *
 * Invariants: `matchIndex < nextIndex`; `matchIndex` never decreases within a term; the entries
 * between the two are under way or guessed at; a shipment is there while the state is `snapshot`. Terms after etcd's tracker: see docs/raft-rules.md,
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
  #shipment: Shipment | null = null;
  /** Heard from since the last check of the quorum (thesis, 6.2). */
  active = false;
  /** The newest ReadIndex round this follower has confirmed. */
  confirmedRound = 0;
  /** When the follower was last sent entries, or a message that finds out whether any were lost. */
  lastSentMs: number;
  /** When it was last heard; in the beginning, when the leader began to lead. */
  heardMs: number;
  /** Where the follower was found to have diverged; null when it says no such thing. */
  diverged: LogIndex | null = null;

  constructor(lastIndex: LogIndex, nowMs: number) {
    this.#nextIndex = offset(lastIndex, 1);
    this.lastSentMs = nowMs;
    this.heardMs = nowMs;
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

  /** The snapshot on its way to the follower. */
  get shipment(): Shipment | null {
    return this.#shipment;
  }

  /** Whether entries may be sent now, given the window. */
  mayReplicate(maxMessages: number, maxBytes: number): boolean {
    if (this.#state === "snapshot") return false;
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
      if (matchIndex >= offset(this.#nextIndex, -1)) this.becomeReplicate();
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
    if (prevIndex <= this.#matchIndex || this.#state === "snapshot") return false;
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
    this.#become("probe");
  }

  /** The logs are known to meet at the match index. */
  becomeReplicate(): void {
    this.#become("replicate");
  }

  /** What it needs is no longer in the log. */
  becomeSnapshot(shipment: Shipment): void {
    this.#become("snapshot");
    this.#shipment = shipment;
  }

  /** The leader leads no more. */
  end(): void {
    this.#shipment?.close();
    this.#shipment = null;
  }

  #become(state: ProgressState): void {
    this.end();
    this.#state = state;
    this.#nextIndex = offset(this.#matchIndex, 1);
    this.#probeSent = false;
    this.#inflight = [];
    this.#inflightBytes = 0;
  }
}
