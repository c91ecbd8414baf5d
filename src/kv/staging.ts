import type { NewValue } from "./command.ts";
import { type KeyRange, compareKeys, isWithin } from "./key-range.ts";
import type { KvTable, Row } from "./table.ts";

/** What a command makes of a key. */
export interface Change {
  readonly key: string;
  /** The row that was there; null when there was none. */
  readonly before: Row | null;
  readonly after: Row | null;
}

/** When a value goes, as a row says it. */
export type RowExpiry = Pick<Row, "expiresMs" | "lease">;

export const never: RowExpiry = { expiresMs: null, lease: null };

/**
 * What a command changes, before any of it is written: so that it happens wholly or not at all, and what
 * comes later in it sees what came before. All of it gets one revision.
 */
export class Staging {
  readonly #table: KvTable;
  readonly #revision: number;
  readonly #changes = new Map<string, Change>();

  /** @param revision what the changes get. */
  constructor(table: KvTable, revision: number) {
    this.#table = table;
    this.#revision = revision;
  }

  get(key: string): Row | null {
    const change = this.#changes.get(key);
    return change === undefined ? this.#table.get(key) : change.after;
  }

  /** Returns whether the key had no value. */
  put(key: string, wanted: NewValue, expiry: RowExpiry): boolean {
    const row = this.get(key);
    const { value, contentType, metadata = null, large = null } = wanted;
    this.#set(key, { ...this.#next(row), value, large, contentType, metadata, ...expiry });
    return row === null;
  }

  /** Another value, and all else as it is. */
  replace(key: string, value: Uint8Array): void {
    const row = this.get(key);
    const { contentType = null, metadata = null, expiresMs, lease } = row ?? {};
    const kept = { contentType, metadata, expiresMs: expiresMs ?? null, lease: lease ?? null };
    this.#set(key, { ...this.#next(row), value, large: null, ...kept });
  }

  /** Returns whether the key had a value. */
  delete(key: string): boolean {
    if (this.get(key) === null) return false;
    this.#set(key, null);
    return true;
  }

  /** The first keys of a range that have values now. */
  keys(range: KeyRange, limit: number): string[] {
    const staged = [...this.#changes.values()].filter(({ key }) => isWithin(key, range));
    const stored = this.#table
      .scan(range, "ascending", limit + staged.length)
      .map(([key]) => key)
      .filter((key) => !this.#changes.has(key));
    const put = staged.filter(({ after }) => after !== null).map(({ key }) => key);
    return [...stored, ...put].sort(compareKeys).slice(0, limit);
  }

  /** What is different in the end. */
  get changes(): Change[] {
    return [...this.#changes.values()].filter(
      ({ before, after }) => before !== null || after !== null,
    );
  }

  /** Writes it. */
  commit(): void {
    for (const { key, after } of this.changes) {
      if (after === null) this.#table.delete(key);
      else this.#table.put(key, after);
    }
  }

  #next(row: Row | null): Pick<Row, "createRevision" | "modRevision" | "version"> {
    const modRevision = this.#revision;
    if (row === null) return { createRevision: modRevision, modRevision, version: 1 };
    const { createRevision, version } = row;
    // However often it is put at one revision, it is put once.
    const isAgain = row.modRevision === modRevision;
    return { createRevision, modRevision, version: isAgain ? version : version + 1 };
  }

  #set(key: string, after: Row | null): void {
    const before = this.#changes.get(key)?.before ?? this.#table.get(key);
    this.#changes.set(key, { key, before, after });
  }
}
