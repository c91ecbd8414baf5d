import type { Part, Upload, UploadTable } from "../kv/uploads.ts";

type UploadRow = {
  upload: string;
  state: Upload["state"];
  parts: number;
  bytes: number;
  due_ms: number | null;
};

const uploadOf = ({ state, parts, bytes, due_ms: dueMs }: UploadRow): Upload => ({
  state,
  parts,
  bytes,
  dueMs,
});

/** Large values in their parts. */
export class SqlUploads implements UploadTable {
  readonly #sql: SqlStorage;
  readonly #isHeld: () => boolean;
  /** Whether there may be parts of uploads that are gone. */
  #isLeft = true;

  /** @param isHeld whether a snapshot on its way out needs all parts that there are. */
  constructor(sql: SqlStorage, isHeld: () => boolean) {
    this.#sql = sql;
    this.#isHeld = isHeld;
  }

  get(upload: string): Upload | null {
    const [row] = this.#sql
      .exec<UploadRow>("SELECT * FROM uploads WHERE upload = ?", upload)
      .toArray();
    return row === undefined ? null : uploadOf(row);
  }

  put(upload: string, terms: Upload): void {
    putUpload(this.#sql, "uploads", upload, terms);
  }

  delete(upload: string): void {
    this.#sql.exec("DELETE FROM uploads WHERE upload = ?", upload);
    if (this.#isHeld()) this.#isLeft = true;
    else this.#sql.exec("DELETE FROM parts WHERE upload = ?", upload);
  }

  part(upload: string, part: number): Uint8Array | null {
    const [row] = this.#sql
      .exec<{ data: ArrayBuffer }>(
        "SELECT data FROM parts WHERE upload = ? AND part = ?",
        upload,
        part,
      )
      .toArray();
    return row === undefined ? null : new Uint8Array(row.data);
  }

  putPart(upload: string, part: number, data: Uint8Array): void {
    putPart(this.#sql, "parts", { upload, part, data });
  }

  due(nowMs: number, limit: number): string[] {
    return this.#sql
      .exec<{ upload: string }>(
        "SELECT upload FROM uploads WHERE due_ms <= ? ORDER BY due_ms, upload LIMIT ?",
        nowMs,
        limit,
      )
      .toArray()
      .map(({ upload }) => upload);
  }

  nextDueMs(): number | null {
    return this.#sql
      .exec<{ ms: number | null }>("SELECT min(due_ms) AS ms FROM uploads WHERE due_ms IS NOT NULL")
      .one().ms;
  }

  staging(): { count: number; bytes: number } {
    return this.#sql
      .exec<{ count: number; bytes: number }>(
        `SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes
         FROM uploads WHERE due_ms IS NOT NULL AND state = 'staging'`,
      )
      .one();
  }

  /** All of them, as they are. */
  all(): (readonly [string, Upload])[] {
    return this.#sql
      .exec<UploadRow>("SELECT * FROM uploads ORDER BY upload")
      .toArray()
      .map((row) => [row.upload, uploadOf(row)]);
  }

  /**
   * Tells those parts that there are now from those that come later: one that came with a snapshot, and again
   * with its entry, would count for nothing.
   */
  partsOfNow(): (part: Pick<Part, "upload" | "part">) => boolean {
    const states = new Map(this.all().map(([upload, { state }]) => [upload, state]));
    const nameOf = ({ upload, part }: Pick<Part, "upload" | "part">): string => `${upload}/${part}`;
    const staged = this.#sql
      .exec<{ upload: string; part: number }>(
        `SELECT upload, part FROM parts
         WHERE upload IN (SELECT upload FROM uploads WHERE due_ms IS NOT NULL AND state = 'staging')`,
      )
      .toArray();
    const names = new Set(staged.map(nameOf));
    return (part) => {
      const state = states.get(part.upload);
      return state === "staging" ? names.has(nameOf(part)) : state !== undefined;
    };
  }

  /** Another state has been installed, perhaps with parts that came after it. */
  installed(): void {
    this.#isLeft = true;
  }

  /** Lets go of parts that were held when their upload went. */
  sweep(): void {
    if (!this.#isLeft || this.#isHeld()) return;
    this.#sql.exec("DELETE FROM parts WHERE upload NOT IN (SELECT upload FROM uploads)");
    this.#isLeft = false;
  }
}

/** Writes an upload into `uploads`, or a table that has its columns. */
export function putUpload(sql: SqlStorage, table: string, upload: string, terms: Upload): void {
  sql.exec(
    `INSERT OR REPLACE INTO ${table} VALUES (?, ?, ?, ?, ?)`,
    upload,
    terms.state,
    terms.parts,
    terms.bytes,
    terms.dueMs,
  );
}

/** Writes a part into `parts`, or a table that has its columns. */
export function putPart(sql: SqlStorage, table: string, { upload, part, data }: Part): void {
  sql.exec(`INSERT OR REPLACE INTO ${table} VALUES (?, ?, ?)`, upload, part, data);
}

/** Parts after one, in the order of their uploads and places. */
export function partsAfter(
  sql: SqlStorage,
  upload: string,
  part: number,
  limit: number,
): readonly Part[] {
  return sql
    .exec<{ upload: string; part: number; data: ArrayBuffer }>(
      "SELECT * FROM parts WHERE (upload, part) > (?, ?) ORDER BY upload, part LIMIT ?",
      upload,
      part,
      limit,
    )
    .toArray()
    .map((row) => ({ upload: row.upload, part: row.part, data: new Uint8Array(row.data) }));
}
