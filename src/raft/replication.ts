import type { Context } from "./context.ts";
import type { Verdict } from "./digests.ts";
import { isMember } from "./membership.ts";
import type { Progress } from "./progress.ts";
import type { Repairs } from "./repairs.ts";
import type { Shipments } from "./shipments.ts";
import { type Entry, type LogIndex, type NodeId, offset, zeroEntryId } from "./types.ts";

/** What goes along with whatever a leader sends. */
interface Carried {
  /** The newest round of ReadIndex. */
  readonly round: () => number;
  /** What the group says of the state. */
  readonly verdict: () => Verdict | null;
  /** Whether an empty message to a follower lets it sleep. */
  readonly isMark: (progress: Progress) => boolean;
}

/** How a leader sends its log to its followers (paper, 5.3), and by that that it is there. */
export class Replication {
  readonly #context: Context;
  readonly #followers: ReadonlyMap<NodeId, Progress>;
  readonly #shipments: Shipments;
  readonly #repairs: Repairs;
  readonly #carried: Carried;

  constructor(
    context: Context,
    followers: ReadonlyMap<NodeId, Progress>,
    shipments: Shipments,
    repairs: Repairs,
    carried: Carried,
  ) {
    this.#context = context;
    this.#followers = followers;
    this.#shipments = shipments;
    this.#repairs = repairs;
    this.#carried = carried;
  }

  /** Asks all whether they follow. */
  askAll(): void {
    for (const [node, progress] of this.#followers) {
      // Sent before what is known to match, so that it cannot be refused for entries still on their
      // way.
      this.#send(node, progress.matchIndex, []);
    }
  }

  /** Sends something to all at once. */
  tellAll(): void {
    for (const [node, progress] of this.#followers) this.sendEmpty(node, progress);
  }

  /** Sends what the follower lacks, as much as its window takes. */
  replicate(node: NodeId): void {
    const { config, log } = this.#context;
    const progress = this.#followers.get(node)!;
    if (!this.hasEntry(progress.nextIndex)) return this.#maybeShip(node, progress);
    while (
      progress.nextIndex <= log.last.index &&
      progress.mayReplicate(config.maxInflightMessages, config.maxInflightBytes)
    ) {
      const entries = log.slice(progress.nextIndex, log.last.index, config.maxMessageBytes);
      this.#send(node, offset(progress.nextIndex, -1), entries);
      const bytes = entries.reduce((sum, { data }) => sum + data.byteLength, 0);
      progress.sentEntries(entries.at(-1)!.index, bytes);
    }
  }

  /**
   * Asks whether the follower's log meets ours before its next entry, sending that along if there
   * is one.
   */
  probe(node: NodeId): void {
    const progress = this.#followers.get(node)!;
    if (progress.nextIndex <= this.#context.log.last.index) this.replicate(node);
    else this.sendEmpty(node, progress);
  }

  /**
   * One empty message right before the next entry: a heartbeat that also finds out whether anything
   * sent was lost.
   */
  sendEmpty(node: NodeId, progress: Progress): void {
    this.#send(node, offset(progress.nextIndex, -1), [], this.#carried.isMark(progress));
    progress.sentProbe();
  }

  #send(to: NodeId, prevIndex: LogIndex, entries: readonly Entry[], isMark = false): void {
    const { config, term, log, effects, nowMs } = this.#context;
    const verdict = this.#carried.verdict();
    const prevTerm = log.termAt(prevIndex);
    effects.sendNow({
      type: "appendEntriesRequest",
      from: config.id,
      to,
      term,
      // Where the log no longer reaches back, the message claims nothing and is a bare sign of
      // life.
      prev: prevTerm === null ? zeroEntryId : { term: prevTerm, index: prevIndex },
      entries,
      leaderCommit: log.commitIndex,
      round: this.#carried.round(),
      ...(verdict === null ? {} : { verdict }),
      ...(isMark ? { sleep: true } : {}),
    });
    const progress = this.#followers.get(to)!;
    // What lies before entries under way cannot find out that they were lost, so it replaces no heartbeat.
    if (offset(prevIndex, 1) === progress.nextIndex) progress.lastSentMs = nowMs;
  }

  heartbeat(): void {
    const { nowMs, config } = this.#context;
    const dueAfter = (ms: number): [NodeId, Progress][] =>
      [...this.#followers].filter(([, progress]) => nowMs - progress.lastSentMs >= ms);
    if (dueAfter(config.heartbeatMs).length === 0) return;
    // Those nearly due go along, so that one wake-up serves all followers.
    for (const [node, progress] of dueAfter(config.heartbeatMs / 2)) this.sendEmpty(node, progress);
  }

  /** Sends a follower the state, if it is there to take it. */
  #maybeShip(node: NodeId, progress: Progress): void {
    if (!progress.active || progress.shipment !== null) return;
    // One that has left is told if that takes no more than a few entries.
    if (!isMember(this.#context.log.configuration, node)) return;
    // This one gives it another state as well.
    this.#repairs.end(node);
    const shipment = this.#shipments.open();
    progress.becomeSnapshot(shipment);
    this.#shipments.send(node, shipment);
  }

  /**
   * Whether the entry at `index` is still in the log; a follower that needs older ones needs a
   * snapshot.
   */
  hasEntry(index: LogIndex): boolean {
    return index > this.#context.log.base.index;
  }
}
