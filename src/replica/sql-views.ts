import type { MachineState } from "../kv/state-machine.ts";
import { type RowPage, type StateView, fitting } from "./chunked-export.ts";
import type { Turn } from "./snapshot-chunk.ts";
import { windowStart } from "./sql-turns.ts";
import { type KvRow, rowOf } from "./sql-table.ts";

/** Rows looked at for one page; what they hold may fit or not. */
const maxPageRows = 1000;

/** What a row takes in a chunk besides its key, its value and its content type, about. */
const rowOverheadBytes = 64;

const columns = "key, value, content_type, create_revision, mod_revision, version";
const size = `length(CAST(key AS BLOB)) + length(value) + coalesce(length(content_type), 0)
  + ${rowOverheadBytes} AS size`;

/** The rows of one revision within some keys, those that have been replaced since included. */
const visible = (what: string): string =>
  `SELECT key, ${what} FROM kv WHERE key > ?1 AND key <= ?2 AND mod_revision <= ?3
   UNION ALL
   SELECT key, ${what} FROM kv_before
   WHERE key > ?1 AND key <= ?2 AND mod_revision <= ?3 AND until_revision > ?3
   ORDER BY key LIMIT ?4`;

/**
 * Views of the state at a revision. While there are any, rows that are about to be replaced are kept
 * aside in `kv_before`, once each, whatever is written to them after that; and no turns are forgotten.
 * Views live in memory, so a restart ends them all.
 */
export class SqlViews {
  readonly #sql: SqlStorage;
  /** The revisions of the open views. */
  readonly #open = new Map<StateView, number>();
  /** Whether something may be kept aside that nobody looks at any more. */
  #isLeft = true;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get isAnyOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Opens a view of the state as it is, with these counters. Writes nothing, nor does its end. */
  open(state: MachineState): StateView {
    const first = windowStart(this.#sql, state.sequence);
    const view: StateView = {
      turns: (after, maxBytes) => this.#turns(Math.max(after, first), state.appliedIndex, maxBytes),
      rows: (after, maxBytes) => this.#rows(after, state.revision, maxBytes),
      close: () => void this.#open.delete(view),
    };
    this.#open.set(view, state.revision);
    this.#isLeft = true;
    return view;
  }

  /** A key is about to be replaced or deleted: keeps the row it has, if a view shows it. */
  keep(key: string): void {
    if (!this.isAnyOpen) return;
    // No view that is opened later shows the row, and none that is open is newer than this.
    const newest = Math.max(...this.#open.values());
    this.#sql.exec(
      `INSERT OR IGNORE INTO kv_before SELECT ${columns}, ? FROM kv WHERE key = ? AND mod_revision <= ?`,
      newest + 1,
      key,
      newest,
    );
  }

  /** Lets go of what was kept aside for views that are gone, also those of a life before. */
  sweep(): void {
    if (!this.#isLeft || this.isAnyOpen) return;
    const [any] = this.#sql.exec("SELECT 1 FROM kv_before LIMIT 1").toArray();
    if (any !== undefined) this.#sql.exec("DELETE FROM kv_before");
    this.#isLeft = false;
  }

  #rows(after: string, revision: number, maxBytes: number): RowPage {
    const bound = this.#bound(after);
    // No key is greater than this: it is longer than any, and of the greatest character.
    const upTo = bound ?? "\u{10FFFF}".repeat(1024);
    const sizes = this.#sql
      .exec<{ key: string; size: number }>(visible(size), after, upTo, revision, 2 * maxPageRows)
      .toArray();
    const count = fitting(
      sizes.map((row) => row.size),
      maxBytes,
    );
    const isAll = count === sizes.length;
    const end = isAll ? bound : sizes[count - 1]!.key;
    if (count === 0) return { rows: [], end };
    const rows = this.#sql.exec<KvRow>(visible(columns), after, upTo, revision, count).toArray();
    return { rows: rows.map((row) => [row.key, rowOf(row)]), end };
  }

  /**
   * The last key to look at for a page, null for all there are: so that a page costs the same however
   * many rows are too new to show.
   */
  #bound(after: string): string | null {
    const bounds = ["kv", "kv_before"].flatMap((table) =>
      this.#sql
        .exec<{ key: string }>(
          `SELECT key FROM ${table} WHERE key > ? ORDER BY key LIMIT 1 OFFSET ${maxPageRows - 1}`,
          after,
        )
        .toArray()
        .map(({ key }) => key),
    );
    if (bounds.length < 2) return bounds[0] ?? null;
    // By the order that the table has, which is not that of JavaScript.
    return this.#sql.exec<{ key: string }>("SELECT min(?, ?) AS key", ...bounds).one().key;
  }

  #turns(after: number, upTo: number, maxBytes: number): Turn[] {
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
      sizes.map((row) => row.size),
      maxBytes,
    );
    if (count === 0) return [];
    const turns = this.#sql
      .exec<{
        applied_index: number;
        revision: number;
        sequence: number;
        hash: string;
        records: ArrayBuffer;
      }>(`SELECT * ${range}`, after, upTo, count)
      .toArray();
    return turns.map(({ applied_index: appliedIndex, records, ...counters }) => {
      return { state: { appliedIndex, ...counters }, records: new Uint8Array(records) };
    });
  }
}
