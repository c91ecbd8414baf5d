import type { Lease, LeaseTable } from "../kv/table.ts";

type LeaseRow = { lease: string; ttl_ms: number; expires_ms: number };

/** The state machine's leases. */
export class SqlLeases implements LeaseTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get(lease: string): Lease | null {
    const [row] = this.#sql.exec<LeaseRow>("SELECT * FROM leases WHERE lease = ?", lease).toArray();
    return row === undefined ? null : { ttlMs: row.ttl_ms, expiresMs: row.expires_ms };
  }

  put(lease: string, terms: Lease): void {
    putLease(this.#sql, "leases", lease, terms);
  }

  delete(lease: string): void {
    this.#sql.exec("DELETE FROM leases WHERE lease = ?", lease);
  }

  count(): number {
    return this.#sql.exec<{ all: number }>(`SELECT count(*) AS "all" FROM leases`).one().all;
  }

  due(nowMs: number, limit: number): string[] {
    return this.#sql
      .exec<{ lease: string }>(
        "SELECT lease FROM leases WHERE expires_ms <= ? ORDER BY expires_ms, lease LIMIT ?",
        nowMs,
        limit,
      )
      .toArray()
      .map(({ lease }) => lease);
  }

  nextDueMs(): number | null {
    return this.#sql.exec<{ ms: number | null }>("SELECT min(expires_ms) AS ms FROM leases").one()
      .ms;
  }

  /** All of them, as they are. They are few: see maxLeases. */
  all(): (readonly [string, Lease])[] {
    return this.#sql
      .exec<LeaseRow>("SELECT * FROM leases ORDER BY lease")
      .toArray()
      .map((row) => [row.lease, { ttlMs: row.ttl_ms, expiresMs: row.expires_ms }]);
  }
}

/** Writes a lease into `leases`, or a table that has its columns. */
export function putLease(sql: SqlStorage, table: string, lease: string, terms: Lease): void {
  sql.exec(`INSERT OR REPLACE INTO ${table} VALUES (?, ?, ?)`, lease, terms.ttlMs, terms.expiresMs);
}
