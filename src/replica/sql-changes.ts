import type { RevisionChanges } from "../kv/changes.ts";
import { fromBytes } from "../protocol/codec.ts";
import { fitting } from "./chunked-export.ts";
import type { ChangesAfter } from "./ports.ts";
import { type TurnChanges, gather } from "./turn-changes.ts";

/** Rows of `machine` that are read at a time, and the bytes that they may have together. */
const pageRows = 64;
const pageBytes = 1024 * 1024;

/** What was changed after a revision, as far as the turns that are kept tell. */
export function sqlChangesAfter(sql: SqlStorage, revision: number): ChangesAfter {
  const at = lastTurnAt(sql, revision);
  const known = Math.max(at.revision, revision);
  return gather(turnsAfter(sql, at.appliedIndex), known, () => newestGap(sql));
}

function turnsAfter(sql: SqlStorage, appliedIndex: number): TurnChanges[] {
  const range = "FROM machine WHERE applied_index > ? ORDER BY applied_index LIMIT ?";
  const sizes = sql
    .exec<{ size: number | null }>(
      `SELECT length(changes) AS size ${range}`,
      appliedIndex,
      pageRows,
    )
    .toArray()
    .map(({ size }) => size ?? 0);
  const count = fitting(sizes, pageBytes);
  if (count === 0) return [];
  return sql
    .exec<{ revision: number; changes: ArrayBuffer | null }>(
      `SELECT revision, changes ${range}`,
      appliedIndex,
      count,
    )
    .toArray()
    .map(({ revision: after, changes }) => {
      return { after, changes: changes === null ? null : fromBytes<RevisionChanges[]>(changes) };
    });
}

interface TurnAt {
  readonly appliedIndex: number;
  readonly revision: number;
}

/**
 * The last turn that did not go beyond a revision. Who asks lacks little, mostly, so it is looked for from
 * the newest on, in steps that grow, and then between the last two.
 */
function lastTurnAt(sql: SqlStorage, revision: number): TurnAt {
  let found: TurnAt = { appliedIndex: 0, revision: 0 };
  let low = 0;
  let high = newestTurn(sql);
  for (let step = 0; low <= high; step = 2 * step + 1) {
    const probe = low > 0 ? Math.floor((low + high) / 2) : Math.max(0, high - step);
    const turn = turnUpTo(sql, probe);
    if (turn !== null && turn.revision > revision) {
      high = turn.appliedIndex - 1;
    } else {
      found = turn ?? found;
      low = probe + 1;
    }
  }
  return found;
}

/** The last turn up to an index. */
function turnUpTo(sql: SqlStorage, index: number): TurnAt | null {
  const [row] = sql
    .exec<{ applied_index: number; revision: number }>(
      `SELECT applied_index, revision FROM machine WHERE applied_index <= ?
       ORDER BY applied_index DESC LIMIT 1`,
      index,
    )
    .toArray();
  return row === undefined ? null : { appliedIndex: row.applied_index, revision: row.revision };
}

const newestTurn = (sql: SqlStorage): number =>
  sql.exec<{ last: number | null }>("SELECT max(applied_index) AS last FROM machine").one().last ??
  0;

/** The revision of the newest turn of which it is not known what it changed. */
const newestGap = (sql: SqlStorage): number =>
  sql
    .exec<{ revision: number }>(
      "SELECT revision FROM machine WHERE changes IS NULL ORDER BY applied_index DESC LIMIT 1",
    )
    .one().revision;
