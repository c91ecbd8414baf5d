import type { KeyRange } from "../kv/key-range.ts";
import type { Heading, KvTable, Order, Row } from "../kv/table.ts";
import type { SqlViews } from "./sql-views.ts";

/** A row of `kv` as SQL gives it. */
export type KvRow = HeadingRow & { value: ArrayBuffer };

export type HeadingRow = {
  key: string;
  content_type: string | null;
  metadata: string | null;
  expires_ms: number | null;
  lease: string | null;
  large_upload: string | null;
  large_size: number | null;
  create_revision: number;
  mod_revision: number;
  version: number;
};

export const headingColumns =
  "key, content_type, create_revision, mod_revision, version, metadata, expires_ms, lease, large_upload, large_size";

/** The columns of a row of `kv`, in the order of `putRow`. */
export const kvColumns =
  "key, value, content_type, create_revision, mod_revision, version, metadata, expires_ms, lease, large_upload, large_size";

export const rowOf = (row: KvRow): Row => ({ value: new Uint8Array(row.value), ...headingOf(row) });

export const headingOf = (row: HeadingRow): Omit<Row, "value"> => ({
  contentType: row.content_type,
  metadata: row.metadata,
  expiresMs: row.expires_ms,
  lease: row.lease,
  large: row.large_upload === null ? null : { upload: row.large_upload, size: row.large_size ?? 0 },
  createRevision: row.create_revision,
  modRevision: row.mod_revision,
  version: row.version,
});

/** A row's values, in the order of `kvColumns`. */
export const valuesOf = (key: string, row: Row): SqlStorageValue[] => [
  key,
  row.value as never,
  row.contentType,
  row.createRevision,
  row.modRevision,
  row.version,
  row.metadata,
  row.expiresMs,
  row.lease,
  row.large?.upload ?? null,
  row.large?.size ?? null,
];

/** Writes a row into `kv`, or a table that has its columns. */
export function putRow(sql: SqlStorage, table: string, key: string, row: Row): void {
  sql.exec(
    `INSERT OR REPLACE INTO ${table} (${kvColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ...valuesOf(key, row),
  );
}

/** The state machine's keys. SQLite compares texts by their UTF-8, as the order of keys is. */
export class SqlTable implements KvTable {
  readonly #sql: SqlStorage;
  readonly #views: SqlViews;

  constructor(sql: SqlStorage, views: SqlViews) {
    this.#sql = sql;
    this.#views = views;
  }

  get(key: string): Row | null {
    const [row] = this.#sql.exec<KvRow>("SELECT * FROM kv WHERE key = ?", key).toArray();
    return row === undefined ? null : rowOf(row);
  }

  put(key: string, row: Row): void {
    this.#views.keep(key);
    putRow(this.#sql, "kv", key, row);
  }

  delete(key: string): void {
    this.#views.keep(key);
    this.#sql.exec("DELETE FROM kv WHERE key = ?", key);
  }

  scan(range: KeyRange, order: Order, limit: number): (readonly [string, Heading])[] {
    const { where, bounds } = within(range);
    const direction = order === "ascending" ? "" : "DESC";
    return this.#sql
      .exec<HeadingRow & { size: number }>(
        `SELECT ${headingColumns}, coalesce(large_size, length(value)) AS size FROM kv
         WHERE ${where} ORDER BY key ${direction} LIMIT ?${bounds.length + 1}`,
        ...bounds,
        limit,
      )
      .toArray()
      .map((row) => [row.key, { ...headingOf(row), size: row.size }]);
  }

  count(range: KeyRange, limit: number): number {
    const { where, bounds } = within(range);
    return this.#sql
      .exec<{ keys: number }>(
        `SELECT count(*) AS keys FROM (SELECT 1 FROM kv WHERE ${where} LIMIT ?${bounds.length + 1})`,
        ...bounds,
        limit,
      )
      .one().keys;
  }

  keyAt(range: KeyRange, offset: number): string | null {
    const { where, bounds } = within(range);
    return (
      this.#keys(
        `${where} ORDER BY key LIMIT 1 OFFSET ?${bounds.length + 1}`,
        ...bounds,
        offset,
      )[0] ?? null
    );
  }

  due(nowMs: number, limit: number): string[] {
    return this.#keys("expires_ms <= ? ORDER BY expires_ms, key LIMIT ?", nowMs, limit);
  }

  nextDueMs(): number | null {
    return this.#sql
      .exec<{ ms: number | null }>(
        "SELECT min(expires_ms) AS ms FROM kv WHERE expires_ms IS NOT NULL",
      )
      .one().ms;
  }

  ofLease(lease: string, limit: number): string[] {
    return this.#keys("lease = ? ORDER BY key LIMIT ?", lease, limit);
  }

  #keys(which: string, ...values: (string | number)[]): string[] {
    return this.#sql
      .exec<{ key: string }>(`SELECT key FROM kv WHERE ${which}`, ...values)
      .toArray()
      .map(({ key }) => key);
  }
}

/** @param first the number of the first parameter of the statement that is free. */
export function within(
  { from, to }: KeyRange,
  first = 1,
): { readonly where: string; readonly bounds: string[] } {
  if (to === null) return { where: `key >= ?${first}`, bounds: [from] };
  return { where: `key >= ?${first} AND key < ?${first + 1}`, bounds: [from, to] };
}
