import { type KeyRange, next } from "../kv/key-range.ts";
import type { OldRow } from "../kv/history.ts";
import type { Outcome } from "../kv/outcomes.ts";
import type { MachineState } from "../kv/state-machine.ts";
import type { Lease, Row } from "../kv/table.ts";
import type { Part, Upload } from "../kv/uploads.ts";
import type { SnapshotExport } from "../raft/io.ts";
import { type LogIndex, asIndex } from "../raft/types.ts";
import { type SnapshotChunk, type Turn, emptyChunk, packChunk } from "./snapshot-chunk.ts";

/** The data of one chunk, unless a single row has more: what one call between replicas may carry. */
export const chunkBytes = 1024 * 1024;

/** The rows of one moment, as storage holds them while writes go on. */
export interface RowsView {
  /** Rows of a range, in order, no more than fit or one; perhaps none though there are more. */
  rows(range: KeyRange, maxBytes: number): RowPage;
  close(): void;
}

/** The same with all else that belongs to a state. */
export interface StateView extends RowsView {
  /**
   * Turns of the request window after the one at `appliedIndex`, in order, as many as fit and one at
   * least.
   */
  turns(appliedIndex: number, maxBytes: number): readonly Turn[];
  /** Outcomes after a number, likewise. */
  outcomes(ordinal: number, maxBytes: number): readonly Outcome[];
  /** Leases after one, likewise, in the order of their ids. */
  leases(lease: string, maxBytes: number): readonly (readonly [lease: string, terms: Lease])[];
  /** All large values that there are, or were a while ago, and on their way in. */
  uploads(): readonly (readonly [upload: string, terms: Upload])[];
  /** Their parts after one, one at least. */
  parts(upload: string, part: number, maxBytes: number): readonly Part[];
  /** Rows that have been replaced and are kept, after that of a key at a revision, likewise. */
  history(key: string, revision: number, maxBytes: number): readonly OldRow[];
}

export interface RowPage {
  readonly rows: readonly (readonly [key: string, row: Row])[];
  /** The last key that has been looked at; null when the range has none after it. */
  readonly end: string | null;
}

/** What the chunks so far have brought: up to this turn, and so on. */
interface Cursor {
  readonly turn: number;
  readonly ordinal: number;
  readonly lease: string;
  readonly upload: string;
  readonly part: number;
  readonly old: Pick<OldRow, "key"> & { readonly revision: number };
  readonly key: string;
}

type Content = Partial<Omit<SnapshotChunk, "state" | "uploads">>;

const oldest = { key: "", revision: 0 };

/** Cuts a view of the state into chunks: the turns first, then all else, and the rows at the end. */
export class ChunkedExport implements SnapshotExport {
  readonly index: LogIndex;
  readonly #state: MachineState;
  readonly #view: StateView;
  readonly #maxBytes: number;
  /** Where the chunk read last begins, and where the one after it does. */
  #place = 0;
  #from: Cursor = { turn: 0, ordinal: 0, lease: "", upload: "", part: -1, old: oldest, key: "" };
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
    const { part, then } = this.#partAt(this.#from);
    this.#next = then ?? this.#from;
    const state = place === 0 ? this.#state : null;
    const uploads = place === 0 ? this.#view.uploads() : [];
    const chunk = { ...emptyChunk, state, uploads, ...part };
    return { data: packChunk(chunk), isLast: then === null };
  }

  /** What a chunk brings, and where the one after it begins; null when it is the last. */
  #partAt(from: Cursor): { readonly part: Content; readonly then: Cursor | null } {
    const turns = this.#view.turns(from.turn, this.#maxBytes);
    const lastTurn = turns.at(-1);
    if (lastTurn !== undefined) {
      return { part: { turns }, then: { ...from, turn: lastTurn.state.appliedIndex } };
    }
    const outcomes = this.#view.outcomes(from.ordinal, this.#maxBytes);
    const lastOutcome = outcomes.at(-1);
    if (lastOutcome !== undefined) {
      return { part: { outcomes }, then: { ...from, ordinal: lastOutcome.ordinal } };
    }
    const leases = this.#view.leases(from.lease, this.#maxBytes);
    const lastLease = leases.at(-1);
    if (lastLease !== undefined)
      return { part: { leases }, then: { ...from, lease: lastLease[0] } };
    const parts = this.#view.parts(from.upload, from.part, this.#maxBytes);
    const last = parts.at(-1);
    if (last !== undefined) {
      return { part: { parts }, then: { ...from, upload: last.upload, part: last.part } };
    }
    const history = this.#view.history(from.old.key, from.old.revision, this.#maxBytes);
    const lastOld = history.at(-1);
    if (lastOld !== undefined) {
      const old = { key: lastOld.key, revision: lastOld.row.modRevision };
      return { part: { history }, then: { ...from, old } };
    }
    const { rows, end } = this.#view.rows({ from: next(from.key), to: null }, this.#maxBytes);
    return { part: { rows }, then: end === null ? null : { ...from, key: end } };
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
