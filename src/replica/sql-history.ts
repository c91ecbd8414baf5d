import type { HistoryTable, OldMark, OldRow, TableAt } from "../kv/history.ts";
import { fitting } from "./chunked-export.ts";
import {
  type HeadingRow,
  type KvRow,
  headingColumns,
  headingOf,
  kvColumns,
  rowOf,
  valuesOf,
  within,
} from "./sql-table.ts";

type MarkRow = {
  key: string;
  large_upload: string | null;
  until_revision: number;
  until_ms: number;
};
type OldKvRow = KvRow & { until_revision: number; until_ms: number };

const columns = `${kvColumns}, until_revision, until_ms`;

const oldRowOf = ({
  until_revision: untilRevision,
  until_ms: untilMs,
  ...row
}: OldKvRow): OldRow => ({
  key: row.key,
  row: rowOf(row),
  untilRevision,
  untilMs,
});

/** Writes a row that has been replaced into `history`, or a table that has its columns. */
export function putOldRow(sql: SqlStorage, table: string, { key, row, ...until }: OldRow): void {
  sql.exec(
    `INSERT OR REPLACE INTO ${table} (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...valuesOf(key, row),
    until.untilRevision,
    until.untilMs,
  );
}

/** The rows of one revision: those that are there still, and those that have been replaced since. */
const shownAt = (what: string, where: string): string =>
  `SELECT ${what} FROM kv WHERE ${where} AND mod_revision <= ?1
   UNION ALL SELECT ${what} FROM history
   WHERE ${where} AND mod_revision <= ?1 AND until_revision > ?1`;

/** Rows that have been replaced. */
export class SqlHistory implements HistoryTable {
  readonly #sql: SqlStorage;
  readonly #isHeld: () => boolean;

  /** @param isHeld whether a snapshot on its way out needs all that there is. */
  constructor(sql: SqlStorage, isHeld: () => boolean) {
    this.#sql = sql;
    this.#isHeld = isHeld;
  }

  keep(old: OldRow): void {
    putOldRow(this.#sql, "history", old);
  }

  after(untilRevision: number, limit: number): OldMark[] {
    return this.#sql
      .exec<MarkRow>(
        `SELECT key, large_upload, until_revision, until_ms FROM history WHERE until_revision > ?
         ORDER BY until_revision, key LIMIT ?`,
        untilRevision,
        limit,
      )
      .toArray()
      .map((row) => ({
        key: row.key,
        upload: row.large_upload,
        untilRevision: row.until_revision,
        untilMs: row.until_ms,
      }));
  }

  forget(untilRevision: number): void {
    if (this.#isHeld()) return;
    this.#sql.exec("DELETE FROM history WHERE until_revision <= ?", untilRevision);
  }

  at(revision: number): TableAt {
    const sql = this.#sql;
    return {
      get(key) {
        const [row] = sql.exec<KvRow>(shownAt(kvColumns, "key = ?2"), revision, key).toArray();
        return row === undefined ? null : rowOf(row);
      },
      scan(range, order, limit) {
        const { where, bounds } = within(range, 2);
        const direction = order === "ascending" ? "" : "DESC";
        const what = `${headingColumns}, coalesce(large_size, length(value)) AS size`;
        return sql
          .exec<HeadingRow & { size: number }>(
            `${shownAt(what, where)} ORDER BY key ${direction} LIMIT ?${bounds.length + 2}`,
            revision,
            ...bounds,
            limit,
          )
          .toArray()
          .map((row) => [row.key, { ...headingOf(row), size: row.size }] as const);
      },
      count(range, limit) {
        const { where, bounds } = within(range, 2);
        return sql
          .exec<{ keys: number }>(
            `SELECT count(*) AS keys FROM (${shownAt("1", where)} LIMIT ?${bounds.length + 2})`,
            revision,
            ...bounds,
            limit,
          )
          .one().keys;
      },
      keyAt(range, offset) {
        const { where, bounds } = within(range, 2);
        const [row] = sql
          .exec<{ key: string }>(
            `${shownAt("key", where)} ORDER BY key LIMIT 1 OFFSET ?${bounds.length + 2}`,
            revision,
            ...bounds,
            offset,
          )
          .toArray();
        return row?.key ?? null;
      },
    };
  }
}

/** Rows of a page; what they hold may fit or not. */
const pageRows = 256;

/** Rows that had been replaced by a revision, after that of a key at another, as many as fit and one at least. */
export function oldRowsAfter(
  sql: SqlStorage,
  { key, revision, upTo, maxBytes }: OldRowsRequest,
): readonly OldRow[] {
  const range = `FROM history WHERE (key, mod_revision) > (?, ?) AND until_revision <= ?
    ORDER BY key, mod_revision LIMIT ?`;
  const sizes = sql
    .exec<{ size: number }>(
      `SELECT length(value) + length(CAST(key AS BLOB)) + 64 AS size ${range}`,
      key,
      revision,
      upTo,
      pageRows,
    )
    .toArray()
    .map((row) => row.size);
  const count = fitting(sizes, maxBytes);
  if (count === 0) return [];
  return sql
    .exec<OldKvRow>(`SELECT ${columns} ${range}`, key, revision, upTo, count)
    .toArray()
    .map(oldRowOf);
}

interface OldRowsRequest {
  readonly key: string;
  readonly revision: number;
  readonly upTo: number;
  readonly maxBytes: number;
}
