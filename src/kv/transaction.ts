import { type Operation, type TransactionCommand, maxRangeKeys } from "./command.ts";
import { holds } from "./condition.ts";
import type { Leases } from "./leases.ts";
import {
  type Found,
  type OperationResult,
  type Refused,
  type TransactionResult,
  refused,
} from "./result.ts";
import type { Staging } from "./staging.ts";
import type { Row } from "./table.ts";

/**
 * Values that the operations of one transaction, or a get of many keys, may give back, in bytes. Others are
 * left out, to be asked for alone.
 */
export const maxFoundBytes = 1024 * 1024;

export type Branch = Pick<TransactionCommand, "if" | "then" | "else">;

/**
 * Carries a transaction out, as far as to what is staged.
 *
 * @returns what came of it, whose revision is still to be told; or why it cannot be.
 */
export function transact(
  branch: Branch,
  staging: Staging,
  leases: Leases,
  nowMs: number,
): Omit<TransactionResult, "revision"> | Refused {
  const failed = branch.if.flatMap(({ key, condition }, place) =>
    holds(condition, staging.get(key)) ? [] : [place],
  );
  const succeeded = failed.length === 0;
  const results: OperationResult[] = [];
  let bytes = 0;
  let deletedOfRanges = 0;
  for (const [at, operation] of (succeeded ? branch.then : branch.else).entries()) {
    const room = { bytes: maxFoundBytes - bytes, rangeKeys: maxRangeKeys - deletedOfRanges };
    const result = operate(operation, staging, leases, nowMs, room);
    if (result.type === "refused") return { ...result, at };
    if (result.type === "deleted" && operation.type === "deleteRange") {
      deletedOfRanges += result.deleted;
    }
    if (result.type === "get") bytes += result.found?.value?.byteLength ?? 0;
    results.push(result);
  }
  return { type: "transaction", succeeded, failed, results };
}

/** What a transaction may still give back of values, and delete of ranges. */
interface Room {
  readonly bytes: number;
  readonly rangeKeys: number;
}

function operate(
  operation: Operation,
  staging: Staging,
  leases: Leases,
  nowMs: number,
  room: Room,
): OperationResult | Refused {
  switch (operation.type) {
    case "get":
      return { type: "get", found: foundIn(staging.get(operation.key), room.bytes) };
    case "put": {
      const expiry = leases.expiryOf(operation.expiry, nowMs);
      if ("reason" in expiry) return expiry;
      return { type: "put", created: staging.put(operation.key, operation, expiry) };
    }
    case "delete":
      return { type: "deleted", deleted: Number(staging.delete(operation.key)) };
    case "deleteRange": {
      const keys = staging.keys(operation.range, room.rangeKeys + 1);
      if (keys.length > room.rangeKeys) return refused("too_many_keys");
      for (const key of keys) staging.delete(key);
      return { type: "deleted", deleted: keys.length };
    }
    case "increment":
      return increment(operation.key, operation.by, staging);
  }
}

function increment(key: string, by: number, staging: Staging): OperationResult | Refused {
  const row = staging.get(key);
  const text = row === null ? "0" : textOf(row.value);
  if (!/^-?[0-9]{1,16}$/.test(text)) return refused("not_a_number");
  const value = Number(text) + by;
  if (!Number.isSafeInteger(Number(text)) || !Number.isSafeInteger(value)) {
    return refused("out_of_range");
  }
  staging.replace(key, bytesOf(String(value)));
  return { type: "incremented", value };
}

/** What a row says to whoever asks; its value only if it has no more bytes. */
export function foundIn(row: Row | null, maxBytes: number): Found | null {
  if (row === null) return null;
  const { value, ...rest } = row;
  const size = row.large?.size ?? value.byteLength;
  return { ...rest, size, value: size > maxBytes || row.large !== null ? null : value };
}

/** Digits and signs, which are all that is looked for, are one byte each. */
const textOf = (bytes: Uint8Array): string =>
  bytes.byteLength > 20 ? "" : String.fromCharCode(...bytes);

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
