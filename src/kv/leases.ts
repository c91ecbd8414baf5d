import type { Expiry } from "./command.ts";
import { type DirectResult, type Refused, refused } from "./result.ts";
import { type RowExpiry, type Staging, never } from "./staging.ts";
import type { KvTable, LeaseTable, Row } from "./table.ts";
import type { Uploads } from "./uploads.ts";

/** Leases that a namespace may have at a time. */
export const maxLeases = 10_000;

/** What goes by itself at a time, so that no entry takes long to apply; the rest goes right after. */
export const sweepLimit = 256;

/**
 * Lets values go when their time is over: those that have one of their own, and those that live as long as
 * a lease. They go when a command says that it is late enough, for good, and not when a clock does.
 */
export class Leases {
  readonly #table: KvTable;
  readonly #leases: LeaseTable;
  readonly #uploads: Uploads;
  /** When the first thing is due; undefined while that is not known. */
  #dueMs: number | null | undefined;

  constructor(table: KvTable, leases: LeaseTable, uploads: Uploads) {
    this.#table = table;
    this.#leases = leases;
    this.#uploads = uploads;
  }

  /** When the first value, lease or upload is due; null when none is. */
  get dueMs(): number | null {
    if (this.#dueMs === undefined) {
      const dueMs = earlier(this.#table.nextDueMs(), this.#leases.nextDueMs());
      this.#dueMs = earlier(dueMs, this.#uploads.dueMs);
    }
    return this.#dueMs;
  }

  /** What is stored has been changed. */
  forget(): void {
    this.#dueMs = undefined;
  }

  /** What a wish comes to; refused when it names a lease that there is not. */
  expiryOf(expiry: Expiry | undefined, nowMs: number): RowExpiry | Refused {
    switch (expiry?.type) {
      case undefined:
        return never;
      case "ttl":
        return { expiresMs: nowMs + expiry.ttlMs, lease: null };
      case "at":
        return { expiresMs: expiry.expiresMs, lease: null };
      case "lease":
        if (!this.#isAlive(expiry.lease, nowMs)) return refused("no_lease");
        return { expiresMs: null, lease: expiry.lease };
    }
  }

  grant(lease: string, ttlMs: number, nowMs: number): DirectResult {
    if (this.#leases.count() >= maxLeases) return refused("too_many_leases");
    return this.#prolong(lease, ttlMs, nowMs);
  }

  keepAlive(lease: string, nowMs: number): DirectResult {
    const terms = this.#leases.get(lease);
    // One that is due has ended, though not all of its keys may be gone yet.
    if (terms === null || terms.expiresMs <= nowMs) return refused("no_lease");
    return this.#prolong(lease, terms.ttlMs, nowMs);
  }

  /** Ends a lease. Of its keys that are left, if they are many, more go with each sweep. */
  revoke(lease: string, nowMs: number, staging: Staging): DirectResult {
    if (!this.#isAlive(lease, nowMs)) return refused("no_lease");
    const { ttlMs } = this.#leases.get(lease)!;
    this.#leases.put(lease, { ttlMs, expiresMs: nowMs });
    const deleted = this.#end(lease, sweepLimit, staging);
    this.forget();
    return { type: "revoked", deleted, revision: 0 };
  }

  /** Lets go of what is due, as much as is allowed at a time, and of these keys first. */
  sweep(nowMs: number, wanted: readonly string[], staging: Staging): void {
    if (this.dueMs === null || this.dueMs > nowMs) return;
    for (const key of wanted) if (this.isDue(staging.get(key), nowMs)) staging.delete(key);
    const keys = this.#table.due(nowMs, sweepLimit);
    for (const key of keys) staging.delete(key);
    let room = sweepLimit - keys.length;
    this.#uploads.sweep(nowMs);
    for (const lease of room > 0 ? this.#leases.due(nowMs, sweepLimit) : []) {
      room -= this.#end(lease, room, staging);
      if (room === 0) break;
    }
    this.forget();
  }

  /** Whether a value's time is over by then. */
  isDue(row: Row | null, nowMs: number): boolean {
    if (row === null) return false;
    const { expiresMs, lease } = row;
    if (lease !== null) return !this.#isAlive(lease, nowMs);
    return expiresMs !== null && expiresMs <= nowMs;
  }

  /** Deletes keys of a lease, and the lease with the last of them. Returns how many. */
  #end(lease: string, limit: number, staging: Staging): number {
    const keys = this.#table.ofLease(lease, limit + 1);
    const going = keys.slice(0, limit);
    for (const key of going) staging.delete(key);
    if (keys.length <= limit) this.#leases.delete(lease);
    return going.length;
  }

  #prolong(lease: string, ttlMs: number, nowMs: number): DirectResult {
    const expiresMs = nowMs + ttlMs;
    this.#leases.put(lease, { ttlMs, expiresMs });
    this.forget();
    return { type: "lease", lease, ttlMs, expiresMs };
  }

  #isAlive(lease: string, nowMs: number): boolean {
    const terms = this.#leases.get(lease);
    return terms !== null && terms.expiresMs > nowMs;
  }
}

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
