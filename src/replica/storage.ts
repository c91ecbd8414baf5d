import type { RevisionChanges } from "../kv/changes.ts";
import type { MachineState } from "../kv/state-machine.ts";
import { initialState } from "../kv/state-machine.ts";
import type { RequestRecord } from "../kv/request-window.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";
import { type AuditRecord, emptyAudit } from "../raft/audit.ts";
import type { Persist, SnapshotExport } from "../raft/io.ts";
import { type HardState, asTerm } from "../raft/types.ts";
import type { ChangesAfter, Storage } from "./ports.ts";
import { sqlChangesAfter } from "./sql-changes.ts";
import { packChanges } from "./turn-changes.ts";
import { ChunkedExport, type RowsView, chunkBytes } from "./chunked-export.ts";
import { migrate, stateTables } from "./schema.ts";
import { SqlIncoming } from "./sql-incoming.ts";
import { SqlLog } from "./sql-log.ts";
import { SqlHistory } from "./sql-history.ts";
import { SqlLeases } from "./sql-leases.ts";
import { SqlOutcomes } from "./sql-outcomes.ts";
import { SqlUploads } from "./sql-uploads.ts";
import { SqlTable } from "./sql-table.ts";
import { type CountersRow, countersOf, forgetTurns, turnValues, windowStart } from "./sql-turns.ts";
import { SqlViews } from "./sql-views.ts";
import { type PackedRecord, packRecord, unpackRecord } from "./packed-record.ts";

/**
 * A replica's durable state in its object's SQLite. Statements are synchronous; each turn's writes
 * are one transaction.
 */
export class DurableStorage implements Storage {
  readonly log: SqlLog;
  readonly table: SqlTable;
  readonly leases: SqlLeases;
  readonly uploads: SqlUploads;
  readonly history: SqlHistory;
  readonly outcomes: SqlOutcomes;
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
    this.leases = new SqlLeases(this.#sql);
    const isHeld = (): boolean => this.#views.isAnyWhole;
    this.uploads = new SqlUploads(this.#sql, isHeld);
    this.history = new SqlHistory(this.#sql, isHeld);
    this.outcomes = new SqlOutcomes(this.#sql, isHeld);
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
    if (install !== null || repair !== null) {
      this.#views.sweep();
      this.uploads.installed();
    }
    if (audit !== null) {
      this.#sql.exec("INSERT OR REPLACE INTO meta VALUES ('audit', ?)", JSON.stringify(audit));
    }
    if (compactTo !== null) this.log.compactTo(compactTo);
    if (truncateFrom !== null) this.log.truncateFrom(truncateFrom);
    if (entries.length > 0) this.log.append(entries);
  }

  openExport(state: MachineState): SnapshotExport {
    return new ChunkedExport(state, this.#views.open(state, this.leases, this.uploads), chunkBytes);
  }

  openView({ revision }: MachineState): RowsView {
    return this.#views.openRows(revision);
  }

  get machineState(): MachineState {
    const [row] = this.#sql
      .exec<CountersRow>(
        `SELECT applied_index, revision, sequence, hash, now_ms, retention FROM machine
         ORDER BY applied_index DESC LIMIT 1`,
      )
      .toArray();
    return row === undefined ? initialState : countersOf(row);
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

  saveMachine(
    state: MachineState,
    records: readonly RequestRecord[],
    changes: readonly RevisionChanges[],
  ): void {
    this.#sql.exec(
      "INSERT INTO machine VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      ...turnValues(state, toBytes(records.map(packRecord)), packChanges(changes)),
    );
    // A snapshot on its way out needs all that were there when it began.
    if (!this.#views.isAnyWhole) forgetTurns(this.#sql, state.sequence);
    this.#views.sweep();
    this.uploads.sweep();
  }

  changesAfter(revision: number): ChangesAfter {
    return sqlChangesAfter(this.#sql, revision);
  }

  /** Lets go of all but the hard state and what is known of the group. */
  clear(): void {
    for (const table of ["log", "kv_before", ...stateTables])
      this.#sql.exec(`DELETE FROM ${table}`);
  }

  durable(): Promise<void> {
    return this.#storage.sync();
  }
}
