import type { InstallSnapshotRequest, SnapshotResult } from "./messages.ts";
import { type LogIndex, type Term, asTerm } from "./types.ts";

/**
 * Which snapshot is on its way to this replica, and how far it has come. The chunks are with the host;
 * a restart forgets this, and so asks for a new shipment.
 */
export class Incoming {
  #term: Term = asTerm(0);
  #shipment = 0;
  /** The chunk that comes next. */
  #next = 0;
  /** The last entry that it stands for. */
  #index: LogIndex | null = null;

  /** What the log must go on from when the snapshot is there; null when none is on its way. */
  get index(): LogIndex | null {
    return this.#index;
  }

  /** The snapshot is there. */
  end(): void {
    this.#index = null;
  }

  /**
   * Takes a chunk in its turn. Returns whether it is new, to be laid aside, or what to answer when it
   * is not. Shipments of a newer term, or newer ones of the same leader, take the place of the one
   * under way; an old one that comes late does not.
   */
  take({
    term,
    shipment,
    chunk,
    snapshot,
  }: InstallSnapshotRequest): Extract<SnapshotResult, { type: "stored" | "restart" }> | "new" {
    const isNewer = term > this.#term || shipment > this.#shipment;
    if (isNewer && chunk === 0) {
      this.#term = term;
      this.#shipment = shipment;
      this.#next = 0;
      this.#index = snapshot.index;
    }
    const isKnown = term === this.#term && shipment === this.#shipment && chunk <= this.#next;
    if (!isKnown) return { type: "restart" };
    if (chunk < this.#next) return { type: "stored" };
    this.#next++;
    return "new";
  }
}
