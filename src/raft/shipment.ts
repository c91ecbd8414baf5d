import type { Snapshot, SnapshotExport } from "./io.ts";

/** The way of one snapshot to one follower, a chunk at a time, each sent until it is answered. */
export class Shipment {
  readonly number: number;
  /** The last entry that the snapshot stands for. */
  readonly snapshot: Snapshot;
  readonly #export: SnapshotExport;
  #place = 0;
  /** When the chunk under way was sent; null when it is known to be lost. */
  #sentMs: number | null = null;
  /** When this place was reached. */
  #sinceMs: number;

  /** @param snapshot the id of the export's last entry. */
  constructor(number: number, snapshot: Snapshot, snapshotExport: SnapshotExport, nowMs: number) {
    this.number = number;
    this.snapshot = snapshot;
    this.#export = snapshotExport;
    this.#sinceMs = nowMs;
  }

  /** The chunk to send, which is then under way. */
  send(nowMs: number): { chunk: number; data: Uint8Array; isLast: boolean } {
    this.#sentMs = nowMs;
    return { chunk: this.#place, ...this.#export.read(this.#place) };
  }

  /** Whether these name the chunk under way: answers come late and doubled. */
  awaits({ shipment, chunk }: { readonly shipment: number; readonly chunk: number }): boolean {
    return shipment === this.number && chunk === this.#place;
  }

  /** The chunk under way has arrived. */
  advance(nowMs: number): void {
    this.#place++;
    this.#sinceMs = nowMs;
  }

  /** The chunk under way, or its answer, is lost. */
  lost(): void {
    this.#sentMs = null;
  }

  /** Whether to send the chunk again: it was lost, or nothing was heard of it for so long. */
  isDue(nowMs: number, afterMs: number): boolean {
    return this.#sentMs === null || nowMs - this.#sentMs >= afterMs;
  }

  /** For how long the chunk under way has not arrived, in ms. */
  stuckMs(nowMs: number): number {
    return nowMs - this.#sinceMs;
  }

  close(): void {
    this.#export.close();
  }
}
