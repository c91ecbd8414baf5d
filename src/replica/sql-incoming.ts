import type { MachineState } from "../kv/state-machine.ts";
import { toBytes } from "../protocol/codec.ts";
import type { EntryId } from "../raft/types.ts";
import { createKv, createMachine } from "./schema.ts";
import { type Turn, unpackChunk } from "./snapshot-chunk.ts";
import { putRow } from "./sql-table.ts";

const kv = "kv_incoming";
const machine = "machine_incoming";

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
    const left = sql.exec("SELECT 1 FROM sqlite_master WHERE name = ?", kv).toArray().length > 0;
    if (left) this.#drop();
  }

  /** Takes chunk `place`; the first one begins anew. */
  store(place: number, data: Uint8Array): void {
    const { state, turns, rows } = unpackChunk(data);
    if (place === 0) {
      this.#drop();
      this.#sql.exec(createKv(kv));
      this.#sql.exec(createMachine(machine));
      this.#state = state;
    }
    for (const turn of turns) this.#putTurn(turn);
    for (const [key, row] of rows) putRow(this.#sql, kv, key, row);
  }

  /** Puts all that came in the place of what was there. */
  install(snapshot: EntryId): void {
    const state = this.#state;
    if (state?.appliedIndex !== snapshot.index) {
      throw new Error(`there is no snapshot at ${snapshot.index}, but at ${state?.appliedIndex}`);
    }
    // The newest turn is the state, and the last entries may have had no effect worth a turn.
    this.#putTurn({ state, records: toBytes([]) });
    for (const [table, incoming] of [
      ["kv", kv],
      ["machine", machine],
    ]) {
      this.#sql.exec(`DROP TABLE ${table}`);
      this.#sql.exec(`ALTER TABLE ${incoming} RENAME TO ${table}`);
    }
    this.#state = null;
  }

  #putTurn({ state: { appliedIndex, revision, sequence, hash }, records }: Turn): void {
    this.#sql.exec(
      `INSERT OR IGNORE INTO ${machine} VALUES (?, ?, ?, ?, ?)`,
      appliedIndex,
      revision,
      sequence,
      hash,
      records,
    );
  }

  #drop(): void {
    this.#state = null;
    for (const table of [kv, machine]) this.#sql.exec(`DROP TABLE IF EXISTS ${table}`);
  }
}
