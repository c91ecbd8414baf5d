import type { MachineState } from "../kv/state-machine.ts";
import type { Row } from "../kv/table.ts";
import type { SnapshotExport } from "../raft/io.ts";
import { type LogIndex, asIndex } from "../raft/types.ts";
import { type Turn, packChunk } from "./snapshot-chunk.ts";

/** The data of one chunk, unless a single row has more: what one call between replicas may carry. */
export const chunkBytes = 1024 * 1024;

/** The state of one moment, as storage holds it while writes go on. */
export interface StateView {
  /**
   * Turns of the request window after the one at `appliedIndex`, in order, as many as fit and one at
   * least.
   */
  turns(appliedIndex: number, maxBytes: number): readonly Turn[];
  /** Rows after `key` in the order of keys, no more than fit or one; perhaps none though there are more. */
  rows(key: string, maxBytes: number): RowPage;
  close(): void;
}

export interface RowPage {
  readonly rows: readonly (readonly [key: string, row: Row])[];
  /** The last key that has been looked at; null when there is none after it. */
  readonly end: string | null;
}

/** What the chunks so far have brought: up to this turn, and up to this key. */
interface Cursor {
  readonly turn: number;
  readonly key: string;
}

/** Cuts a view of the state into chunks: the turns first, then the rows. */
export class ChunkedExport implements SnapshotExport {
  readonly index: LogIndex;
  readonly #state: MachineState;
  readonly #view: StateView;
  readonly #maxBytes: number;
  /** Where the chunk read last begins, and where the one after it does. */
  #place = 0;
  #from: Cursor = { turn: 0, key: "" };
  #next = this.#from;

  constructor(state: MachineState, view: StateView, maxBytes: number) {
    this.index = asIndex(state.appliedIndex);
    this.#state = state;
    this.#view = view;
    this.#maxBytes = maxBytes;
  }

  read(place: number): { data: Uint8Array; isLast: boolean } {
    if (place !== this.#place) {
      if (place !== this.#place + 1) throw new Error(`chunk ${place} is not near ${this.#place}`);
      this.#place = place;
      this.#from = this.#next;
    }
    const { turn, key } = this.#from;
    const turns = this.#view.turns(turn, this.#maxBytes);
    const { rows, end } =
      turns.length > 0 ? { rows: [], end: key } : this.#view.rows(key, this.#maxBytes);
    this.#next = { turn: turns.at(-1)?.state.appliedIndex ?? turn, key: end ?? key };
    const state = place === 0 ? this.#state : null;
    return { data: packChunk({ state, turns, rows }), isLast: end === null };
  }

  close(): void {
    this.#view.close();
  }
}

/** How many things of these sizes fit, one at least if there is any. */
export function fitting(sizes: readonly number[], maxBytes: number): number {
  let bytes = 0;
  const end = sizes.findIndex((size, i) => (bytes += size) > maxBytes && i > 0);
  return end === -1 ? sizes.length : end;
}
