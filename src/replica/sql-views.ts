import type { Row } from "../kv/table.ts";
import { type Page, type StateView, fitting } from "./chunked-export.ts";
import type { Turn } from "./snapshot-chunk.ts";
import { type KvRow, rowOf } from "./sql-table.ts";

/** Rows looked at for one page; what they hold may fit or not. */
const maxPageRows = 1000;

/** What a row takes in a chunk besides its key and its value, about. */
const rowOverheadBytes = 64;

/** The rows of one revision, those that have been replaced since included: (key, revision) twice. */
const visible = (columns: string): string =>
  `SELECT ${columns} FROM kv WHERE key > ? AND mod_revision <= ?
   UNION ALL
   SELECT ${columns} FROM kv_before WHERE key > ? AND mod_revision <= ? AND until_revision > ?
   ORDER BY key LIMIT ?`;

/**
 * Views of the state at a revision. While there are any, rows that are about to be replaced are kept
 * aside in `kv_before`, once each, whatever is written to them after that; and no turns are forgotten.
 * Views live in memory, so a restart ends them all.
 */
export class SqlViews {
  readonly #sql: SqlStorage;
  /** The revisions of the open views. */
  readonly #open = new Map<StateView, number>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#clear();
  }

  get isAnyOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Opens a view of the state as it is, with these counters. */
  open(revision: number, appliedIndex: number): StateView {
    const view: StateView = {
      turns: (after, maxBytes) => this.#turns(after, appliedIndex, maxBytes),
      rows: (after, maxBytes) => this.#rows(after, revision, maxBytes),
      close: () => {
        if (this.#open.delete(view) && !this.isAnyOpen) this.#clear();
      },
    };
    this.#open.set(view, revision);
    return view;
  }

  /** A key is about to be replaced or deleted: keeps the row it has, if a view shows it. */
  keep(key: string): void {
    if (!this.isAnyOpen) return;
    // No view that is opened later shows the row, and none that is open is newer than this.
    const newest = Math.max(...this.#open.values());
    this.#sql.exec(
      `INSERT OR IGNORE INTO kv_before
       SELECT key, value, content_type, create_revision, mod_revision, version, ?
       FROM kv WHERE key = ? AND mod_revision <= ?`,
      newest + 1,
      key,
      newest,
    );
  }

  #rows(after: string, revision: number, maxBytes: number): Page<readonly [string, Row]> {
    const bounds = [after, revision, after, revision, revision];
    const sizes = this.#sql
      .exec<{ size: number }>(
        visible(`key, length(key) + length(value) + ${rowOverheadBytes} AS size`),
        ...bounds,
        maxPageRows,
      )
      .toArray();
    const count = fitting(
      sizes.map(({ size }) => size),
      maxBytes,
    );
    const isLast = count === sizes.length && count < maxPageRows;
    if (count === 0) return { items: [], isLast };
    const rows = this.#sql
      .exec<KvRow>(
        visible("key, value, content_type, create_revision, mod_revision, version"),
        ...bounds,
        count,
      )
      .toArray();
    return { items: rows.map((row) => [row.key, rowOf(row)]), isLast };
  }

  #turns(after: number, upTo: number, maxBytes: number): Page<Turn> {
    const range = `FROM machine WHERE applied_index > ? AND applied_index <= ? ORDER BY applied_index LIMIT ?`;
    const sizes = this.#sql
      .exec<{ size: number }>(
        `SELECT length(records) + ${rowOverheadBytes} AS size ${range}`,
        after,
        upTo,
        maxPageRows,
      )
      .toArray();
    const count = fitting(
      sizes.map(({ size }) => size),
      maxBytes,
    );
    const isLast = count === sizes.length && count < maxPageRows;
    if (count === 0) return { items: [], isLast };
    const turns = this.#sql
      .exec<{
        applied_index: number;
        revision: number;
        sequence: number;
        hash: string;
        records: ArrayBuffer;
      }>(`SELECT * ${range}`, after, upTo, count)
      .toArray();
    const items = turns.map(({ applied_index: appliedIndex, records, ...counters }) => {
      return { state: { appliedIndex, ...counters }, records: new Uint8Array(records) };
    });
    return { items, isLast };
  }

  /** Nobody looks at what was kept aside. */
  #clear(): void {
    const [any] = this.#sql.exec("SELECT 1 FROM kv_before LIMIT 1").toArray();
    if (any !== undefined) this.#sql.exec("DELETE FROM kv_before");
  }
}
