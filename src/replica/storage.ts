import type { MachineState } from "../kv/state-machine.ts";
import { initialState } from "../kv/state-machine.ts";
import type { RequestRecord } from "../kv/request-window.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";
import { type AuditRecord, emptyAudit } from "../raft/audit.ts";
import type { Persist, SnapshotExport } from "../raft/io.ts";
import { type HardState, asTerm } from "../raft/types.ts";
import type { Storage } from "./ports.ts";
import { ChunkedExport, chunkBytes } from "./chunked-export.ts";
import { migrate } from "./schema.ts";
import { SqlIncoming } from "./sql-incoming.ts";
import { SqlLog } from "./sql-log.ts";
import { SqlTable } from "./sql-table.ts";
import { forgetTurns, windowStart } from "./sql-turns.ts";
import { SqlViews } from "./sql-views.ts";
import { type PackedRecord, packRecord, unpackRecord } from "./packed-record.ts";

/**
 * A replica's durable state in its object's SQLite. Statements are synchronous; each turn's writes
 * are one transaction.
 */
export class DurableStorage implements Storage {
  readonly log: SqlLog;
  readonly table: SqlTable;
  readonly #views: SqlViews;
  readonly #incoming: SqlIncoming;
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    migrate(this.#sql);
    this.log = new SqlLog(this.#sql);
    this.#views = new SqlViews(this.#sql);
    this.#incoming = new SqlIncoming(this.#sql);
    this.table = new SqlTable(this.#sql, this.#views);
  }

  get hardState(): HardState {
    const row = this.#sql
      .exec<{ term: number; vote: string | null }>("SELECT term, vote FROM raft")
      .one();
    return { term: asTerm(row.term), vote: row.vote };
  }

  /** A row of `meta`, since it is written seldom and as a whole. */
  get audit(): AuditRecord {
    const [row] = this.#sql
      .exec<{ value: string }>("SELECT value FROM meta WHERE name = 'audit'")
      .toArray();
    return row === undefined ? emptyAudit : (JSON.parse(row.value) as AuditRecord);
  }

  persist(persist: Persist): void {
    const { hardState, chunk, install, repair, audit, compactTo, truncateFrom, entries } = persist;
    if (hardState !== null) {
      this.#sql.exec("UPDATE raft SET term = ?, vote = ?", hardState.term, hardState.vote);
    }
    if (chunk !== null) this.#incoming.store(chunk.place, chunk.data);
    if (install !== null) {
      this.#incoming.install(install);
      this.log.reset(install);
    }
    if (repair !== null) this.#incoming.install(repair);
    // Revisions may go back where a state was wrong, and what was kept aside at a revision would come back with them.
    if (install !== null || repair !== null) this.#views.sweep();
    if (audit !== null) {
      this.#sql.exec("INSERT OR REPLACE INTO meta VALUES ('audit', ?)", JSON.stringify(audit));
    }
    if (compactTo !== null) this.log.compactTo(compactTo);
    if (truncateFrom !== null) this.log.truncateFrom(truncateFrom);
    if (entries.length > 0) this.log.append(entries);
  }

  openExport(state: MachineState): SnapshotExport {
    return new ChunkedExport(state, this.#views.open(state), chunkBytes);
  }

  get machineState(): MachineState {
    const [row] = this.#sql
      .exec<{ applied_index: number; revision: number; sequence: number; hash: string }>(
        `SELECT applied_index, revision, sequence, hash FROM machine
         ORDER BY applied_index DESC LIMIT 1`,
      )
      .toArray();
    if (row === undefined) return initialState;
    const { applied_index: appliedIndex, revision, sequence, hash } = row;
    return { appliedIndex, revision, sequence, hash };
  }

  *requestRecords(): Iterable<RequestRecord> {
    // Only those of the window: after a long snapshot there may be many more.
    const rows = this.#sql
      .exec<{ records: ArrayBuffer }>(
        "SELECT records FROM machine WHERE applied_index > ? ORDER BY applied_index",
        windowStart(this.#sql, this.machineState.sequence),
      )
      .toArray();
    for (const { records } of rows) {
      for (const packed of fromBytes<PackedRecord[]>(records)) yield unpackRecord(packed);
    }
  }

  saveMachine(state: MachineState, records: readonly RequestRecord[]): void {
    this.#sql.exec(
      "INSERT INTO machine VALUES (?, ?, ?, ?, ?)",
      state.appliedIndex,
      state.revision,
      state.sequence,
      state.hash,
      toBytes(records.map(packRecord)),
    );
    // A snapshot on its way out needs all that were there when it began.
    if (!this.#views.isAnyOpen) forgetTurns(this.#sql, state.sequence);
    this.#views.sweep();
  }

  /** Lets go of all but the hard state and what is known of the group. */
  clear(): void {
    for (const table of ["log", "kv", "kv_before", "machine"])
      this.#sql.exec(`DELETE FROM ${table}`);
  }

  durable(): Promise<void> {
    return this.#storage.sync();
  }
}
