import type { Outcome, OutcomeMark, OutcomeTable } from "../kv/outcomes.ts";
import type { DirectResult } from "../kv/result.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";

type MarkRow = { ordinal: number; bytes_before: number; bytes: number; expires_ms: number };
export type OutcomeRow = MarkRow & { name: string; fingerprint: string; result: ArrayBuffer };

const markColumns = "ordinal, bytes_before, bytes, expires_ms";

const markOf = (row: MarkRow): OutcomeMark => ({
  ordinal: row.ordinal,
  bytesBefore: row.bytes_before,
  bytes: row.bytes,
  expiresMs: row.expires_ms,
});

export const outcomeOf = (row: OutcomeRow): Outcome => ({
  ...markOf(row),
  name: row.name,
  fingerprint: row.fingerprint,
  result: fromBytes<DirectResult>(row.result),
});

/** Writes an outcome into `outcomes`, or a table that has its columns. */
export function putOutcome(sql: SqlStorage, table: string, outcome: Outcome): void {
  sql.exec(
    `INSERT INTO ${table} (${markColumns}, name, fingerprint, result) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    outcome.ordinal,
    outcome.bytesBefore,
    outcome.bytes,
    outcome.expiresMs,
    outcome.name,
    outcome.fingerprint,
    toBytes(outcome.result),
  );
}

/** What became of requests that clients gave a name. */
export class SqlOutcomes implements OutcomeTable {
  readonly #sql: SqlStorage;
  readonly #isHeld: () => boolean;

  /** @param isHeld whether a snapshot on its way out needs all that there is. */
  constructor(sql: SqlStorage, isHeld: () => boolean) {
    this.#sql = sql;
    this.#isHeld = isHeld;
  }

  find(name: string): Outcome | null {
    const [row] = this.#sql
      .exec<OutcomeRow>("SELECT * FROM outcomes WHERE name = ? ORDER BY ordinal DESC LIMIT 1", name)
      .toArray();
    return row === undefined ? null : outcomeOf(row);
  }

  newest(): OutcomeMark | null {
    return this.#marks("ORDER BY ordinal DESC LIMIT ?", 1)[0] ?? null;
  }

  oldest(limit: number): OutcomeMark[] {
    return this.#marks("ORDER BY ordinal LIMIT ?", limit);
  }

  add(outcome: Outcome): void {
    putOutcome(this.#sql, "outcomes", outcome);
  }

  forget(upTo: number): void {
    if (this.#isHeld()) return;
    this.#sql.exec("DELETE FROM outcomes WHERE ordinal <= ?", upTo);
  }

  #marks(which: string, limit: number): OutcomeMark[] {
    return this.#sql
      .exec<MarkRow>(`SELECT ${markColumns} FROM outcomes ${which}`, limit)
      .toArray()
      .map(markOf);
  }
}
