import type {
  ClientCommand,
  DeleteCommand,
  Expiry,
  LockCommand,
  NewValue,
  Operation,
  PutCommand,
  TransactionCommand,
  UnlockCommand,
} from "../../src/kv/command.ts";
import type { Condition } from "../../src/kv/condition.ts";
import type { DirectResult, OperationResult, Refusal, Refused } from "../../src/kv/result.ts";
import type { Lease, Row } from "../../src/kv/table.ts";
import { type Holdings, foundIn, keysOfLease } from "./holdings.ts";
import { inOrder, isIn } from "./order.ts";
import { isSameBytes } from "./same.ts";

/** What a store has counted before a command. */
interface Counters {
  readonly revision: number;
  readonly sequence: number;
  readonly nowMs: number;
}

/** More keys than these no operation deletes. */
const maxRangeKeys = 1000;

export const isRefused = (result: DirectResult): result is Refused => result.type === "refused";

/** A command at work on a copy of what a store holds, which is to be dropped if it is refused. */
export class Attempt implements Holdings {
  readonly rows: Map<string, Row>;
  readonly leases: Map<string, Lease>;
  readonly #before: Holdings;
  readonly #counters: Counters;

  constructor(before: Holdings, counters: Counters) {
    this.#before = before;
    this.#counters = counters;
    this.rows = new Map(before.rows);
    this.leases = new Map(before.leases);
  }

  carryOut(command: ClientCommand): DirectResult {
    const result = this.#carryOut(command);
    return "revision" in result ? { ...result, revision: this.#revision } : result;
  }

  /** That of the changes, if there are any. */
  get #revision(): number {
    const { rows } = this.#before;
    const isChanged =
      rows.size !== this.rows.size || [...this.rows].some(([key, row]) => rows.get(key) !== row);
    return this.#counters.revision + (isChanged ? 1 : 0);
  }

  /** The revision in what it returns is yet to be told. */
  #carryOut(command: ClientCommand): DirectResult {
    const { nowMs } = this.#counters;
    const revision = 0;
    switch (command.type) {
      case "put": {
        const refusal = this.#mismatch(command) ?? this.#objection(command.expiry);
        return refusal ?? { type: "put", created: this.#put(command.key, command), revision };
      }
      case "delete": {
        const mismatch = this.#mismatch(command);
        if (mismatch !== null) return mismatch;
        return { type: "deleted", deleted: this.rows.delete(command.key), revision };
      }
      case "deleteRange": {
        const keys = inOrder(this.rows.keys()).filter((key) => isIn(key, command.range));
        const going = keys.slice(0, command.limit);
        for (const key of going) this.rows.delete(key);
        const isMore = keys.length > going.length;
        return { type: "rangeDeleted", deleted: going.length, isMore, revision };
      }
      case "transaction":
        return this.#transact(command);
      case "grant":
        return this.#grant(this.#newLease, command.ttlMs);
      case "keepAlive": {
        const terms = this.#alive(command.lease);
        if (terms === null) return refused("no_lease");
        return this.#grant(command.lease, terms.ttlMs);
      }
      case "revoke": {
        if (this.#alive(command.lease) === null) return refused("no_lease");
        return { type: "revoked", deleted: this.#end(command.lease), revision };
      }
      case "lock":
        return this.#lock(command, nowMs);
      case "unlock":
        return this.#unlock(command);
      default:
        throw new Error(`the model knows no ${command.type}`);
    }
  }

  #transact(command: TransactionCommand): DirectResult {
    const failed = command.if.flatMap(({ key, condition }, place) =>
      isTrue(condition, this.rows.get(key)) ? [] : [place],
    );
    const succeeded = failed.length === 0;
    const results: OperationResult[] = [];
    for (const [at, operation] of (succeeded ? command.then : command.else).entries()) {
      const result = this.#operate(operation);
      if (result.type === "refused") return { ...result, at };
      results.push(result);
    }
    return { type: "transaction", succeeded, failed, results, revision: 0 };
  }

  #operate(operation: Operation): OperationResult | Refused {
    switch (operation.type) {
      case "get": {
        const row = this.rows.get(operation.key);
        return { type: "get", found: row === undefined ? null : foundIn(row) };
      }
      case "put": {
        const objection = this.#objection(operation.expiry);
        return objection ?? { type: "put", created: this.#put(operation.key, operation) };
      }
      case "delete":
        return { type: "deleted", deleted: this.rows.delete(operation.key) ? 1 : 0 };
      case "deleteRange": {
        const keys = [...this.rows.keys()].filter((key) => isIn(key, operation.range));
        if (keys.length > maxRangeKeys) return refused("too_many_keys");
        for (const key of keys) this.rows.delete(key);
        return { type: "deleted", deleted: keys.length };
      }
      case "increment":
        return this.#increment(operation.key, operation.by);
    }
  }

  #increment(key: string, by: number): OperationResult | Refused {
    const row = this.rows.get(key);
    const text = row === undefined ? "0" : Buffer.from(row.value).toString("latin1");
    if (!/^-?\d{1,16}$/.test(text)) return refused("not_a_number");
    const value = Number(text) + by;
    const isExact = Number.isSafeInteger(Number(text)) && Number.isSafeInteger(value);
    if (!isExact) return refused("out_of_range");
    const { contentType = null, metadata = null, expiresMs = null, lease = null } = row ?? {};
    const kept = { contentType, metadata, expiresMs, lease, large: null };
    this.#set(key, { ...kept, value: Buffer.from(String(value)) });
    return { type: "incremented", value };
  }

  #lock({ key, value, contentType, ttlMs }: LockCommand, nowMs: number): DirectResult {
    const row = this.rows.get(key);
    if (row !== undefined) return { type: "mismatch", current: row.modRevision, revision: 0 };
    const lease = this.#newLease;
    this.#grant(lease, ttlMs);
    this.#put(key, { value, contentType, expiry: { type: "lease", lease } });
    return { type: "locked", lease, ttlMs, expiresMs: nowMs + ttlMs, revision: 0 };
  }

  /** With a lock goes its lease, and whatever else is kept by that. */
  #unlock({ key, token }: UnlockCommand): DirectResult {
    const row = this.rows.get(key);
    if (row?.createRevision !== token) {
      return { type: "mismatch", current: row?.modRevision ?? null, revision: 0 };
    }
    if (row.lease !== null && this.#alive(row.lease) !== null) this.#end(row.lease);
    this.rows.delete(key);
    return { type: "deleted", deleted: true, revision: 0 };
  }

  #mismatch({ key, condition }: PutCommand | DeleteCommand): DirectResult | null {
    const row = this.rows.get(key);
    if (condition === undefined || isTrue(condition, row)) return null;
    return { type: "mismatch", current: row?.modRevision ?? null, revision: 0 };
  }

  /** A value can only go with a lease that there is, and whose time is not over. */
  #objection(expiry: Expiry | undefined): Refused | null {
    const isLost = expiry?.type === "lease" && this.#alive(expiry.lease) === null;
    return isLost ? refused("no_lease") : null;
  }

  /** Returns whether the key had no value. */
  #put(key: string, wanted: NewValue): boolean {
    const { value, contentType, metadata = null, expiry } = wanted;
    const isNew = !this.rows.has(key);
    const lease = expiry?.type === "lease" ? expiry.lease : null;
    const expiresMs = this.#endOf(expiry);
    this.#set(key, { value, contentType, metadata, expiresMs, lease, large: null });
    return isNew;
  }

  #endOf(expiry: Expiry | undefined): number | null {
    if (expiry?.type === "ttl") return this.#counters.nowMs + expiry.ttlMs;
    return expiry?.type === "at" ? expiry.expiresMs : null;
  }

  /** However often a command puts a key, it has put it once. */
  #set(key: string, kept: Omit<Row, "createRevision" | "modRevision" | "version">): void {
    const row = this.rows.get(key);
    const modRevision = this.#counters.revision + 1;
    const isAgain = row?.modRevision === modRevision;
    this.rows.set(key, {
      ...kept,
      createRevision: row?.createRevision ?? modRevision,
      modRevision,
      version: (row?.version ?? 0) + (isAgain ? 0 : 1),
    });
  }

  /** Leases have the number of the command that they came with. */
  get #newLease(): string {
    return String(this.#counters.sequence + 1);
  }

  #grant(lease: string, ttlMs: number): DirectResult {
    const expiresMs = this.#counters.nowMs + ttlMs;
    this.leases.set(lease, { ttlMs, expiresMs });
    return { type: "lease", lease, ttlMs, expiresMs };
  }

  /** Ends a lease, and its keys with it. Returns how many. (No lease has more than one command may end.) */
  #end(lease: string): number {
    const keys = keysOfLease(this.rows, lease);
    for (const key of keys) this.rows.delete(key);
    this.leases.delete(lease);
    return keys.length;
  }

  /** A lease whose time is over has ended, though its keys may be there still. */
  #alive(lease: string): Lease | null {
    const terms = this.leases.get(lease);
    return terms !== undefined && terms.expiresMs > this.#counters.nowMs ? terms : null;
  }
}

export function isTrue(condition: Condition, row: Row | undefined): boolean {
  switch (condition.type) {
    case "revision":
      return row?.modRevision === condition.revision;
    case "created":
      return row?.createRevision === condition.revision;
    case "exists":
      return row !== undefined;
    case "absent":
      return row === undefined;
    case "value":
      return row !== undefined && isSameBytes(row.value, condition.value);
  }
}

const refused = (reason: Refusal): Refused => ({ type: "refused", reason, at: null });
