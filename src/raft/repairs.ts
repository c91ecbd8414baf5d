import type { Context } from "./context.ts";
import { isMember } from "./membership.ts";
import type { Progress } from "./progress.ts";
import type { Shipment } from "./shipment.ts";
import type { Shipments } from "./shipments.ts";
import type { LogIndex, NodeId } from "./types.ts";

/**
 * A leader's snapshots for followers whose logs are well and whose states have diverged. They go beside
 * the entries, since such a follower's acknowledgements count as ever.
 */
export class Repairs {
  readonly #context: Context;
  readonly #followers: ReadonlyMap<NodeId, Progress>;
  readonly #all: Shipments;
  readonly #shipments = new Map<NodeId, Shipment>();

  /** @param all what the leader sends, repairs or not. */
  constructor(context: Context, followers: ReadonlyMap<NodeId, Progress>, all: Shipments) {
    this.#context = context;
    this.#followers = followers;
    this.#all = all;
  }

  of(node: NodeId): Shipment | undefined {
    return this.#shipments.get(node);
  }

  /** A follower says whether it has diverged, and where. */
  reported(node: NodeId, diverged: LogIndex | null): void {
    this.#followers.get(node)!.diverged = diverged;
    if (diverged === null) return this.end(node);
    const { nowMs, config } = this.#context;
    const shipment = this.of(node);
    if (shipment === undefined) this.#maybeBegin(node, diverged);
    // It is there, but perhaps what was sent to it is not.
    else if (shipment.isDue(nowMs, config.electionMaxMs)) this.#all.send(node, shipment);
  }

  /** The follower does not know the beginning of its snapshot. */
  restart(node: NodeId): void {
    const { diverged } = this.#followers.get(node)!;
    this.end(node);
    if (diverged !== null) this.#maybeBegin(node, diverged);
  }

  /** Gives up those that do not get on. */
  time(): void {
    const { nowMs, config } = this.#context;
    for (const [node, shipment] of this.#shipments) {
      if (shipment.stuckMs(nowMs) >= config.patienceMs) this.end(node);
    }
  }

  end(node: NodeId): void {
    this.of(node)?.close();
    this.#shipments.delete(node);
  }

  endAll(): void {
    for (const node of this.#shipments.keys()) this.end(node);
  }

  #maybeBegin(node: NodeId, diverged: LogIndex): void {
    const { audit, log, term } = this.#context;
    // A state that nobody has vouched for since might be as wrong, and would be the same in two places.
    if (audit.verifiedIndex < diverged) return;
    // Before that, the state may be older than what the follower can go on from.
    const isCurrent = log.termAt(log.commitIndex) === term;
    // One that has left needs no state.
    if (!isMember(log.configuration, node)) return;
    if (!isCurrent || this.#followers.get(node)!.shipment !== null) return;
    const shipment = this.#all.open();
    this.#shipments.set(node, shipment);
    this.#all.send(node, shipment);
  }
}
