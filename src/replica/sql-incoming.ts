import type { MachineState } from "../kv/state-machine.ts";
import { toBytes } from "../protocol/codec.ts";
import type { EntryId } from "../raft/types.ts";
import { type StateTable, createState, stateTables } from "./schema.ts";
import { type Turn, unpackChunk } from "./snapshot-chunk.ts";
import { turnValues } from "./sql-turns.ts";
import { putOldRow } from "./sql-history.ts";
import { putLease } from "./sql-leases.ts";
import { putOutcome } from "./sql-outcomes.ts";
import { putPart, putUpload } from "./sql-uploads.ts";
import { putRow } from "./sql-table.ts";

const incoming = (table: StateTable): string => `${table}_incoming`;

/**
 * A snapshot on its way to this replica: its chunks fill tables of their own, which then take the place
 * of the real ones, so that to install a state of any size is the work of a moment.
 */
export class SqlIncoming {
  readonly #sql: SqlStorage;
  #state: MachineState | null = null;

  /** Drops what a life before has left half done. */
  constructor(sql: SqlStorage) {
    this.#sql = sql;
    const left = sql.exec("SELECT 1 FROM sqlite_master WHERE name = ?", incoming("kv")).toArray();
    if (left.length > 0) this.#drop();
  }

  /** Takes chunk `place`; the first one begins anew. */
  store(place: number, data: Uint8Array): void {
    const { state, turns, outcomes, leases, uploads, parts, history, rows } = unpackChunk(data);
    if (place === 0) {
      this.#drop();
      createState(this.#sql, incoming);
      this.#state = state;
    }
    for (const turn of turns) this.#putTurn(turn);
    for (const outcome of outcomes) putOutcome(this.#sql, incoming("outcomes"), outcome);
    for (const [lease, terms] of leases) putLease(this.#sql, incoming("leases"), lease, terms);
    for (const [upload, terms] of uploads) {
      putUpload(this.#sql, incoming("uploads"), upload, terms);
    }
    for (const part of parts) putPart(this.#sql, incoming("parts"), part);
    for (const old of history) putOldRow(this.#sql, incoming("history"), old);
    for (const [key, row] of rows) putRow(this.#sql, incoming("kv"), key, row);
  }

  /** Puts all that came in the place of what was there. */
  install(snapshot: EntryId): void {
    const state = this.#state;
    if (state?.appliedIndex !== snapshot.index) {
      throw new Error(`there is no snapshot at ${snapshot.index}, but at ${state?.appliedIndex}`);
    }
    // The newest turn is the state, and the last entries may have had no effect worth a turn.
    this.#putTurn({ state, records: toBytes([]), changes: toBytes([]) });
    for (const table of stateTables) {
      this.#sql.exec(`DROP TABLE ${table}`);
      this.#sql.exec(`ALTER TABLE ${incoming(table)} RENAME TO ${table}`);
    }
    this.#state = null;
  }

  #putTurn({ state, records, changes }: Turn): void {
    this.#sql.exec(
      `INSERT OR IGNORE INTO ${incoming("machine")} VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      ...turnValues(state, records, changes),
    );
  }

  #drop(): void {
    this.#state = null;
    for (const table of stateTables) this.#sql.exec(`DROP TABLE IF EXISTS ${incoming(table)}`);
  }
}
