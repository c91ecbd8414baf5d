import type { KvTable, Row } from "../kv/table.ts";
import type { SqlViews } from "./sql-views.ts";

/** A row of `kv` as SQL gives it. */
export type KvRow = {
  key: string;
  value: ArrayBuffer;
  content_type: string | null;
  create_revision: number;
  mod_revision: number;
  version: number;
};

export const rowOf = (row: KvRow): Row => ({
  value: new Uint8Array(row.value),
  contentType: row.content_type,
  createRevision: row.create_revision,
  modRevision: row.mod_revision,
  version: row.version,
});

/** Writes a row into `kv`, or a table that has its columns. */
export function putRow(sql: SqlStorage, table: string, key: string, row: Row): void {
  sql.exec(
    `INSERT OR REPLACE INTO ${table} VALUES (?, ?, ?, ?, ?, ?)`,
    key,
    row.value,
    row.contentType,
    row.createRevision,
    row.modRevision,
    row.version,
  );
}

/** The state machine's keys. */
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
}
