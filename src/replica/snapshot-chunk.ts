import type { MachineState } from "../kv/state-machine.ts";
import type { Row } from "../kv/table.ts";
import { MalformedBody, fromBytes, toBytes } from "../protocol/codec.ts";

/** Raised when chunks change so that an older replica could not read them. */
const snapshotFormat = 1;

/** One turn of applying: the counters after it, and the packed records of the requests in it. */
export interface Turn {
  readonly state: MachineState;
  readonly records: Uint8Array;
}

/** A part of a state, as it goes from a leader to a follower. */
export interface SnapshotChunk {
  /** The counters of the whole state; in the first chunk only. */
  readonly state: MachineState | null;
  readonly turns: readonly Turn[];
  readonly rows: readonly (readonly [key: string, row: Row])[];
}

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

/** @throws MalformedBody when the chunk is of another format. */
export function unpackChunk(data: Uint8Array): SnapshotChunk {
  const { format, ...chunk } = fromBytes<SnapshotChunk & { format: number }>(data);
  if (format === snapshotFormat) return chunk;
  throw new MalformedBody(`snapshot format ${format}; this code knows ${snapshotFormat}`);
}
