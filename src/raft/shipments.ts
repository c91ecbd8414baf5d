import type { Context } from "./context.ts";
import { Shipment } from "./shipment.ts";
import type { NodeId } from "./types.ts";

/** The snapshots that a leader sends, each with a number of its own. */
export class Shipments {
  readonly #context: Context;
  #count = 0;

  constructor(context: Context) {
    this.#context = context;
  }

  /** A shipment of the state as it is. */
  open(): Shipment {
    const { log, snapshots, nowMs } = this.#context;
    const source = snapshots.open();
    const configuration = log.configurationAt(source.index);
    const snapshot = { ...log.idAt(source.index), configuration };
    return new Shipment(++this.#count, snapshot, source, nowMs);
  }

  /** Sends the chunk that comes next, or the same again. */
  send(to: NodeId, shipment: Shipment): void {
    const { config, term, effects, nowMs } = this.#context;
    const { configuration, ...snapshot } = shipment.snapshot;
    effects.sendNow({
      type: "installSnapshotRequest",
      from: config.id,
      to,
      term,
      snapshot,
      configuration,
      shipment: shipment.number,
      ...shipment.send(nowMs),
    });
  }
}
