import type { OldRow } from "../kv/history.ts";
import type { Outcome } from "../kv/outcomes.ts";
import type { MachineState } from "../kv/state-machine.ts";
import type { Lease, Row } from "../kv/table.ts";
import type { Part, Upload } from "../kv/uploads.ts";
import { MalformedBody, fromBytes, toBytes } from "../protocol/codec.ts";
import type { PackedRecord } from "./packed-record.ts";

/** Raised when chunks change so that an older replica could not read them. */
const snapshotFormat = 2;

/**
 * One turn of applying: the counters after it, and, packed, the records of the requests in it and what it
 * changed; null when that is not known.
 */
export interface Turn {
  readonly state: MachineState;
  readonly records: Uint8Array;
  readonly changes: Uint8Array | null;
}

/** A part of a state, as it goes from a leader to a follower. */
export interface SnapshotChunk {
  /** The counters of the whole state; in the first chunk only. */
  readonly state: MachineState | null;
  readonly turns: readonly Turn[];
  readonly outcomes: readonly Outcome[];
  readonly leases: readonly (readonly [lease: string, terms: Lease])[];
  readonly uploads: readonly (readonly [upload: string, terms: Upload])[];
  readonly parts: readonly Part[];
  readonly history: readonly OldRow[];
  readonly rows: readonly (readonly [key: string, row: Row])[];
}

export const emptyChunk: SnapshotChunk = {
  state: null,
  turns: [],
  outcomes: [],
  leases: [],
  uploads: [],
  parts: [],
  history: [],
  rows: [],
};

/** What a chunk of format 1 holds: states knew no time then. */
interface ChunkIn1 {
  readonly state: CountersIn1 | null;
  readonly turns: readonly {
    readonly state: CountersIn1;
    readonly records: Uint8Array;
  }[];
  readonly rows: readonly (readonly [key: string, row: RowIn1])[];
}

type CountersIn1 = Omit<MachineState, "nowMs" | "retention">;
type RowIn1 = Omit<Row, "metadata" | "expiresMs" | "lease" | "large">;

export const packChunk = (chunk: SnapshotChunk): Uint8Array =>
  toBytes({ format: snapshotFormat, ...chunk });

/** How chunks of this format begin: after the size of the map, the first of its fields. */
const beginning = toBytes({ format: snapshotFormat }).subarray(1);

/**
 * Looks at nothing but the format, since a chunk is long. A replica that took one it cannot read would
 * have to start again, each time the chunk comes.
 *
 * @throws MalformedBody when the chunk is of another format.
 */
export function checkChunk(data: Uint8Array): void {
  if (beginning.every((byte, i) => data[i + 1] === byte)) return;
  unpackChunk(data);
}

/** @throws MalformedBody when the chunk is of a format that is not known. */
export function unpackChunk(data: Uint8Array): SnapshotChunk {
  const { format, ...chunk } = fromBytes<(SnapshotChunk | ChunkIn1) & { format: number }>(data);
  if (format === snapshotFormat) return chunk as SnapshotChunk;
  if (format === 1) return from1(chunk);
  throw new MalformedBody(`snapshot format ${format}; this code knows 1, ${snapshotFormat}`);
}

function from1({ state, turns, rows }: ChunkIn1): SnapshotChunk {
  return {
    ...emptyChunk,
    state: state === null ? null : { ...state, ...timeless },
    turns: turns.map(({ state: after, records }) => {
      return { state: { ...after, ...timeless }, records, changes: null };
    }),
    rows: rows.map(([key, row]) => [key, { ...row, ...nothingElse }]),
  };
}

const timeless = { nowMs: 0, retention: null };
const nothingElse = { metadata: null, expiresMs: null, lease: null, large: null };

/** A chunk in format 1; null when it holds what that has no room for. */
export function asFormat1(data: Uint8Array): Uint8Array | null {
  const { state, turns, outcomes, leases, uploads, parts, history, rows } = unpackChunk(data);
  const isTimeless = [state, ...turns.map((turn) => turn.state)].every(
    (each) => each === null || (each.nowMs === 0 && each.retention === null),
  );
  const isPlain = rows.every(
    ([, row]) =>
      row.metadata === null && row.expiresMs === null && row.lease === null && row.large === null,
  );
  if (!isTimeless || !isPlain) return null;
  if (outcomes.length + leases.length + uploads.length + parts.length + history.length > 0)
    return null;
  const isOf1 = (record: PackedRecord): boolean => record.length === 5;
  if (!turns.every(({ records }) => fromBytes<PackedRecord[]>(records).every(isOf1))) return null;
  const chunk: ChunkIn1 = {
    state: state === null ? null : countersIn1(state),
    turns: turns.map(({ state: after, records }) => ({ state: countersIn1(after), records })),
    rows: rows.map(([key, row]) => [key, rowIn1(row)]),
  };
  return toBytes({ format: 1, ...chunk });
}

/** The fields that it had, in the order that it had them. */
const countersIn1 = ({ appliedIndex, revision, sequence, hash }: MachineState): CountersIn1 => ({
  appliedIndex,
  revision,
  sequence,
  hash,
});

const rowIn1 = ({ value, contentType, createRevision, modRevision, version }: Row): RowIn1 => ({
  value,
  contentType,
  createRevision,
  modRevision,
  version,
});
