import { unreachable } from "./assert.ts";
import type { Context } from "./context.ts";
import { isJoint, isMember } from "./membership.ts";
import type { AppendEntriesResponse, InstallSnapshotResponse } from "./messages.ts";
import type { Inspection } from "./inspection.ts";
import type { Progress } from "./progress.ts";
import { isQuorum } from "./quorum.ts";
import type { ReadIndex } from "./read-index.ts";
import type { Succession } from "./succession.ts";
import type { NodeId } from "./types.ts";

/**
 * `asking`: heartbeats carry the mark that lets followers sleep. `asleep`: all that are waited for do,
 * and the leader sleeps with them.
 */
type State = "awake" | "asking" | "asleep";

/**
 * How a leader puts a group to sleep of which nobody wants anything: no heartbeats, no timers. It asks
 * first, and sleeps only when all have said that they do, so that nobody is left awake who would then
 * stand for election. See docs/raft-rules.md, Q.
 */
export class Rest {
  readonly #context: Context;
  readonly #followers: ReadonlyMap<NodeId, Progress>;
  readonly #reads: ReadIndex;
  readonly #succession: Succession;
  readonly #inspection: Inspection;
  #state: State = "awake";
  /** When somebody wanted something last. */
  #wantedMs: number;
  /** When the present state began. */
  #sinceMs: number;
  /** The round of the mark: answers that echo an older one were on their way before it. */
  #round = 0;
  readonly #asleep = new Set<NodeId>();

  constructor(
    context: Context,
    followers: ReadonlyMap<NodeId, Progress>,
    work: { reads: ReadIndex; succession: Succession; inspection: Inspection },
  ) {
    this.#context = context;
    this.#followers = followers;
    this.#reads = work.reads;
    this.#succession = work.succession;
    this.#inspection = work.inspection;
    this.#wantedMs = context.nowMs;
    this.#sinceMs = context.nowMs;
  }

  get isAwake(): boolean {
    return this.#state === "awake";
  }

  get isAsleep(): boolean {
    return this.#state === "asleep";
  }

  /** Whether an empty message to a follower is to carry the mark. */
  isAsking(progress: Progress): boolean {
    return this.#state === "asking" && this.#isAwaited(progress) && this.#hasAll(progress);
  }

  /** Somebody wants something. Returns whether that ended a sleep. */
  stir(): boolean {
    const wasAsleep = this.isAsleep;
    this.#wantedMs = this.#context.nowMs;
    if (!this.isAwake) this.#wake();
    return wasAsleep;
  }

  time(): void {
    const { nowMs, config } = this.#context;
    switch (this.#state) {
      case "asleep":
        return;
      case "asking":
        // Somebody cannot sleep, or does not know what the mark means. The others must not go on without a timer.
        if (nowMs - this.#sinceMs >= config.electionMinMs) this.#wake();
        return;
      case "awake":
        return this.#maybeAsk();
      default:
        return unreachable(this.#state);
    }
  }

  /** A follower has answered. Returns whether that shows that it does not sleep, though it should. */
  isAnswered(message: AppendEntriesResponse | InstallSnapshotResponse): boolean {
    if (message.type === "installSnapshotResponse") return this.isAsleep;
    const { from, round, asleep } = message;
    // It was given up, and is there after all.
    if (this.isAsleep && !this.#asleep.has(from)) return true;
    if (this.isAwake || round < this.#round) return false;
    if (this.isAsleep) return asleep !== true;
    if (asleep === true) this.#asleep.add(from);
    else this.#asleep.delete(from);
    const isMissing = this.#awaited.some(([node]) => !this.#asleep.has(node));
    if (!isMissing && this.#isQuiet) this.#sleep();
    return false;
  }

  #maybeAsk(): void {
    const { nowMs, config } = this.#context;
    if (config.restMs === 0 || this.#followers.size === 0) return;
    if (nowMs - Math.max(this.#wantedMs, this.#sinceMs) < config.restMs) return;
    const isReady = this.#awaited.every(
      ([, { state, inflightMessages, heardMs }]) =>
        state === "replicate" && inflightMessages === 0 && nowMs - heardMs < config.electionMinMs,
    );
    if (!isReady || !this.#isQuiet || !this.#succession.isContent) return;
    this.#become("asking");
    this.#round = this.#reads.passRound();
  }

  /** Whether nothing is under way, and a quorum has all there is. */
  get #isQuiet(): boolean {
    const { config, log, appliedIndex } = this.#context;
    const { configuration } = log;
    const awaited = new Map(this.#awaited);
    const isCounted = (node: NodeId): boolean => node === config.id || awaited.has(node);
    return (
      log.commitIndex === log.last.index &&
      appliedIndex === log.commitIndex &&
      this.#reads.open + this.#reads.waiting === 0 &&
      this.#succession.successor === null &&
      // Somebody's state is wrong, and it has yet to say that it knows.
      !this.#inspection.isDisputed(isCounted) &&
      // A change of members goes on by itself, and must come to its end.
      !isJoint(configuration) &&
      configuration.learners.length === 0 &&
      [...this.#followers.keys()].every((node) => isMember(configuration, node)) &&
      // One whose state is wrong is about to get another.
      [...awaited.values()].every((each) => this.#hasAll(each) && each.diverged === null) &&
      isQuorum(configuration, isCounted)
    );
  }

  #sleep(): void {
    this.#become("asleep");
    // What is held for one that is not waited for would be held for as long as the sleep lasts.
    for (const progress of this.#followers.values()) {
      if (progress.shipment !== null) progress.becomeProbe();
    }
  }

  /** Heartbeats are due at once, and can be told from what was sent before. */
  #wake(): void {
    const { nowMs, config } = this.#context;
    this.#reads.passRound();
    this.#succession.putOff();
    for (const [node, progress] of this.#followers) {
      progress.lastSentMs = nowMs - config.heartbeatMs;
      if (!this.isAsleep) continue;
      progress.active = false;
      // It was silent because it slept.
      if (this.#asleep.has(node)) progress.heardMs = nowMs;
    }
    this.#become("awake");
  }

  #become(state: State): void {
    this.#state = state;
    this.#sinceMs = this.#context.nowMs;
    if (state !== "asleep") this.#asleep.clear();
  }

  /** Who must sleep too: one that has been silent for long keeps nobody awake (tikv/tikv#19070). */
  get #awaited(): [NodeId, Progress][] {
    return [...this.#followers].filter(([, progress]) => this.#isAwaited(progress));
  }

  #isAwaited({ heardMs }: Progress): boolean {
    return this.#context.nowMs - heardMs < this.#context.config.patienceMs;
  }

  #hasAll({ matchIndex }: Progress): boolean {
    return matchIndex === this.#context.log.last.index;
  }
}
