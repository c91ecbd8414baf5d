import { windowSize } from "../kv/request-window.ts";
import type { Retention } from "../kv/history.ts";
import type { MachineState } from "../kv/state-machine.ts";

/** A row of `machine`, or of a table that has its columns. */
export const turnValues = (
  { appliedIndex, revision, sequence, hash, nowMs, retention }: MachineState,
  records: Uint8Array,
  changes: Uint8Array | null,
): SqlStorageValue[] => [
  appliedIndex,
  revision,
  sequence,
  hash,
  records as never,
  nowMs,
  changes as never,
  retention === null ? null : JSON.stringify(retention),
];

/** The counters in a row of `machine`. */
export type CountersRow = {
  applied_index: number;
  revision: number;
  sequence: number;
  hash: string;
  now_ms: number;
  retention: string | null;
};

export const countersOf = (row: CountersRow): MachineState => ({
  appliedIndex: row.applied_index,
  revision: row.revision,
  sequence: row.sequence,
  hash: row.hash,
  nowMs: row.now_ms,
  retention: row.retention === null ? null : (JSON.parse(row.retention) as Retention),
});

/**
 * The last turn whose records have all left the request window, when so many commands are on record; 0
 * when there is none.
 */
export function windowStart(sql: SqlStorage, sequence: number): number {
  if (sequence <= windowSize) return 0;
  const [last] = sql
    .exec<{ applied_index: number }>(
      "SELECT applied_index FROM machine WHERE sequence <= ? ORDER BY applied_index DESC LIMIT 1",
      sequence - windowSize,
    )
    .toArray();
  return last?.applied_index ?? 0;
}

/** Turns forgotten at once when there are more than usual to forget. */
const maxForgotten = 64;

/**
 * Forgets turns that the request window has left behind: usually as many as are made, and some more when
 * many are left, as after a long snapshot. So the work of a turn is bounded, and yet gains.
 */
export function forgetTurns(sql: SqlStorage, sequence: number): void {
  const bound = sequence - windowSize;
  if (bound <= 0) return;
  const oldest = (count: number) =>
    sql
      .exec<{ applied_index: number; sequence: number }>(
        "SELECT applied_index, sequence FROM machine ORDER BY applied_index LIMIT ?",
        count,
      )
      .toArray()
      .filter((row) => row.sequence <= bound);
  const few = oldest(2);
  const gone = (few.length < 2 ? few : oldest(maxForgotten)).at(-1);
  if (gone === undefined) return;
  sql.exec("DELETE FROM machine WHERE applied_index <= ?", gone.applied_index);
}
