import type { KeyRange } from "./key-range.ts";

/** A key's value and its history in brief. Revisions are the store's: see state-machine.ts. */
export interface Row {
  /** Empty where it is large. */
  readonly value: Uint8Array;
  /** Where a value is that is too large for a row; null when it is not. */
  readonly large: LargeValue | null;
  /** The content type it was put with; null when none was given. */
  readonly contentType: string | null;
  /** JSON text, of ASCII characters; null when none was given. */
  readonly metadata: string | null;
  /** When it goes, in ms since 1970; null when that depends on nothing or on a lease. */
  readonly expiresMs: number | null;
  /** The lease that it goes with. */
  readonly lease: string | null;
  /**
   * The revision of the put that created the key, of the last put to it, and how many puts it has
   * had since creation.
   */
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

/** A value in parts: see uploads.ts. */
export interface LargeValue {
  readonly upload: string;
  readonly size: number;
}

/** All of a row but its value, of which only the size is told. */
export interface Heading extends Omit<Row, "value"> {
  readonly size: number;
}

/**
 * Where the state machine keeps its keys. Synchronous; what is written in one apply becomes durable
 * together. Keys come in the order of their UTF-8.
 */
export interface KvTable {
  get(key: string): Row | null;
  put(key: string, row: Row): void;
  delete(key: string): void;
  /** The first rows of a range, or the last, without their values. */
  scan(range: KeyRange, order: Order, limit: number): readonly (readonly [string, Heading])[];
  /** How many keys a range has; no more are counted than `limit`. */
  count(range: KeyRange, limit: number): number;
  /** The key after so many of a range; null if it has no more. */
  keyAt(range: KeyRange, offset: number): string | null;
  /** The keys that go by then, by when and then by key. */
  due(nowMs: number, limit: number): readonly string[];
  /** When the first goes; null when none does. */
  nextDueMs(): number | null;
  /** The keys that go with a lease. */
  ofLease(lease: string, limit: number): readonly string[];
}

export type Order = "ascending" | "descending";

/** How long its keys live, unless it is kept alive. */
export interface Lease {
  readonly ttlMs: number;
  readonly expiresMs: number;
}

/** Where the state machine keeps its leases. */
export interface LeaseTable {
  get(lease: string): Lease | null;
  put(lease: string, terms: Lease): void;
  delete(lease: string): void;
  count(): number;
  /** Those that end by then, by when and then by id. */
  due(nowMs: number, limit: number): readonly string[];
  nextDueMs(): number | null;
}
