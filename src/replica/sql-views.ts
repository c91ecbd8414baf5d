import { partBytes } from "../kv/command.ts";
import { type KeyRange, compareKeys, next } from "../kv/key-range.ts";
import type { Outcome } from "../kv/outcomes.ts";
import type { MachineState } from "../kv/state-machine.ts";
import { type RowPage, type RowsView, type StateView, fitting } from "./chunked-export.ts";
import type { Turn } from "./snapshot-chunk.ts";
import { type CountersRow, countersOf, windowStart } from "./sql-turns.ts";
import { oldRowsAfter } from "./sql-history.ts";
import type { SqlLeases } from "./sql-leases.ts";
import { type OutcomeRow, outcomeOf } from "./sql-outcomes.ts";
import { type SqlUploads, partsAfter } from "./sql-uploads.ts";
import { type KvRow, kvColumns, rowOf } from "./sql-table.ts";

/** Rows looked at for one page; what they hold may fit or not. */
const maxPageRows = 1000;

/** What a row takes in a chunk besides its key, its value and its content type, about. */
const rowOverheadBytes = 64;

/** No key is greater than this: it is longer than any, and of the greatest character. */
const afterAll = "\u{10FFFF}".repeat(1024);

const size = `length(CAST(key AS BLOB)) + length(value) + coalesce(length(content_type), 0)
  + coalesce(length(metadata), 0) + ${rowOverheadBytes} AS size`;

/** The rows of one revision within some keys, those that have been replaced since included. */
const visible = (what: string): string =>
  `SELECT key, ${what} FROM kv WHERE key >= ?1 AND key < ?2 AND mod_revision <= ?3
   UNION ALL
   SELECT key, ${what} FROM kv_before
   WHERE key >= ?1 AND key < ?2 AND mod_revision <= ?3 AND until_revision > ?3
   ORDER BY key LIMIT ?4`;

/**
 * Views of the state at a revision. While there are any, rows that are about to be replaced are kept
 * aside in `kv_before`, once each, whatever is written to them after that; and no turns are forgotten.
 * Views live in memory, so a restart ends them all.
 */
export class SqlViews {
  readonly #sql: SqlStorage;
  /** The revisions of the open views. */
  readonly #open = new Map<RowsView, number>();
  readonly #whole = new Set<StateView>();
  /** Whether something may be kept aside that nobody looks at any more. */
  #isLeft = true;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get isAnyOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Whether a snapshot is on its way out, which shows more than rows. */
  get isAnyWhole(): boolean {
    return this.#whole.size > 0;
  }

  /** Opens a view of the rows as they are at a revision. Writes nothing, nor does its end, unless others are open. */
  openRows(revision: number): RowsView {
    const view: RowsView = {
      rows: (range, maxBytes) => this.#rows(range, revision, maxBytes),
      close: () => this.#close(view),
    };
    this.#open.set(view, revision);
    this.#isLeft = true;
    return view;
  }

  /** Opens a view of the state as it is, with these counters. Writes nothing, nor does its end. */
  open(state: MachineState, leases: SqlLeases, uploads: SqlUploads): StateView {
    const first = windowStart(this.#sql, state.sequence);
    const allLeases = leases.all();
    const allUploads = uploads.all();
    const wasThere = uploads.partsOfNow();
    const lastOutcome = this.#sql
      .exec<{ ordinal: number | null }>("SELECT max(ordinal) AS ordinal FROM outcomes")
      .one().ordinal;
    const inner = this.openRows(state.revision);
    const view: StateView = {
      rows: (range, maxBytes) => inner.rows(range, maxBytes),
      turns: (after, maxBytes) => this.#turns(Math.max(after, first), state.appliedIndex, maxBytes),
      outcomes: (after, maxBytes) => this.#outcomes(after, lastOutcome ?? 0, maxBytes),
      leases: (after, maxBytes) => {
        const left = allLeases.filter(([lease]) => lease > after);
        return left.slice(0, Math.ceil(maxBytes / rowOverheadBytes));
      },
      uploads: () => allUploads,
      parts: (upload, part, maxBytes) => {
        const limit = Math.max(1, Math.floor(maxBytes / partBytes));
        let found = partsAfter(this.#sql, upload, part, limit);
        while (found.length > 0 && !found.some(wasThere)) {
          const last = found.at(-1)!;
          found = partsAfter(this.#sql, last.upload, last.part, limit);
        }
        return found.filter(wasThere);
      },
      history: (key, revision, maxBytes) =>
        oldRowsAfter(this.#sql, { key, revision, upTo: state.revision, maxBytes }),
      close: () => {
        this.#whole.delete(view);
        inner.close();
      },
    };
    this.#whole.add(view);
    return view;
  }

  /** What was kept aside for it alone need not wait until nobody looks at anything. */
  #close(view: RowsView): void {
    if (!this.#open.delete(view) || !this.isAnyOpen) return;
    const oldest = Math.min(...this.#open.values());
    this.#sql.exec("DELETE FROM kv_before WHERE until_revision <= ?", oldest);
  }

  /** A key is about to be replaced or deleted: keeps the row it has, if a view shows it. */
  keep(key: string): void {
    if (!this.isAnyOpen) return;
    // No view that is opened later shows the row, and none that is open is newer than this.
    const newest = Math.max(...this.#open.values());
    this.#sql.exec(
      `INSERT OR IGNORE INTO kv_before (${kvColumns}, until_revision)
       SELECT ${kvColumns}, ? FROM kv WHERE key = ? AND mod_revision <= ?`,
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

  #rows({ from, to }: KeyRange, revision: number, maxBytes: number): RowPage {
    const bound = this.#bound(from, to);
    const upTo = bound === null ? (to ?? afterAll) : next(bound);
    const sizes = this.#sql
      .exec<{ key: string; size: number }>(visible(size), from, upTo, revision, 2 * maxPageRows)
      .toArray();
    const count = fitting(
      sizes.map((row) => row.size),
      maxBytes,
    );
    const isAll = count === sizes.length;
    const end = isAll ? bound : sizes[count - 1]!.key;
    if (count === 0) return { rows: [], end };
    const rows = this.#sql.exec<KvRow>(visible(kvColumns), from, upTo, revision, count).toArray();
    return { rows: rows.map((row) => [row.key, rowOf(row)]), end };
  }

  /**
   * The last key to look at for a page, null for all there are: so that a page costs the same however
   * many rows are too new to show.
   */
  #bound(from: string, to: string | null): string | null {
    const bounds = ["kv", "kv_before"].flatMap((table) =>
      this.#sql
        .exec<{ key: string }>(
          `SELECT key FROM ${table} WHERE key >= ? AND key < ?
           ORDER BY key LIMIT 1 OFFSET ${maxPageRows - 1}`,
          from,
          to ?? afterAll,
        )
        .toArray()
        .map(({ key }) => key),
    );
    return bounds.sort(compareKeys)[0] ?? null;
  }

  #outcomes(after: number, upTo: number, maxBytes: number): Outcome[] {
    const range = "FROM outcomes WHERE ordinal > ? AND ordinal <= ? ORDER BY ordinal LIMIT ?";
    const sizes = this.#sql
      .exec<{ size: number }>(
        `SELECT length(result) + length(CAST(name AS BLOB)) + ${2 * rowOverheadBytes} AS size ${range}`,
        after,
        upTo,
        maxPageRows,
      )
      .toArray()
      .map((row) => row.size);
    const count = fitting(sizes, maxBytes);
    if (count === 0) return [];
    return this.#sql
      .exec<OutcomeRow>(`SELECT * ${range}`, after, upTo, count)
      .toArray()
      .map(outcomeOf);
  }

  #turns(after: number, upTo: number, maxBytes: number): Turn[] {
    const range = `FROM machine WHERE applied_index > ? AND applied_index <= ? ORDER BY applied_index LIMIT ?`;
    const sizes = this.#sql
      .exec<{ size: number }>(
        `SELECT length(records) + coalesce(length(changes), 0) + ${rowOverheadBytes} AS size ${range}`,
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
    return this.#sql
      .exec<CountersRow & { records: ArrayBuffer; changes: ArrayBuffer | null }>(
        `SELECT * ${range}`,
        after,
        upTo,
        count,
      )
      .toArray()
      .map(({ records, changes, ...counters }) => ({
        state: countersOf(counters),
        records: new Uint8Array(records),
        changes: changes === null ? null : new Uint8Array(changes),
      }));
  }
}
