import type { KeyRange } from "../kv/key-range.ts";
import { afterPrefix, next } from "../kv/key-range.ts";
import type { Found, TransactionResult } from "../kv/result.ts";
import { holds } from "../kv/condition.ts";
import { type TableAt, readableFrom } from "../kv/history.ts";
import type { MachineState } from "../kv/state-machine.ts";
import type { Heading } from "../kv/table.ts";
import { foundIn, maxFoundBytes } from "../kv/transaction.ts";
import type {
  CountResult,
  Dated,
  ListItem,
  ListRequest,
  ListResult,
  QueryRequest,
  OpenViewRequest,
  PieceRequest,
  ReadIndexRequest,
  ReadRequest,
  Reading,
} from "../protocol/client.ts";
import { maxCountedKeys, maxLeaseKeys, maxListBytes } from "../protocol/limits.ts";
import type { Storage } from "./ports.ts";

/** Reads that are answered from the state as it is. */
export type LookUp = Exclude<ReadRequest, OpenViewRequest | PieceRequest | ReadIndexRequest>;

/** What the state has to say to a read, at a revision. Costs what it answers, not what there is. */
export function lookUp(
  request: LookUp,
  { table: present, leases, history }: Pick<Storage, "table" | "leases" | "history">,
  state: Pick<MachineState, "revision" | "retention">,
): Reading {
  const { at } = request as Dated;
  const from = readableFrom(state.retention);
  const revision = at ?? state.revision;
  if (revision > state.revision) return { type: "future", revision: state.revision };
  const isPresent = revision === state.revision;
  if (!isPresent && (from === null || revision < from)) {
    return { type: "forgotten", from, revision: state.revision };
  }
  const table = isPresent ? present : history.at(revision);
  switch (request.type) {
    case "get": {
      const maxBytes = request.metadataOnly ? -1 : Number.POSITIVE_INFINITY;
      const found = foundIn(table.get(request.key), maxBytes);
      return found === null ? { type: "absent", revision } : { type: "value", ...found };
    }
    case "list":
      return { ...list(request, table), revision, isKept: from !== null };
    case "count":
      return { ...count(request.range, table), revision };
    case "query":
      return { ...query(request, table), revision };
    case "lease": {
      const { lease } = request;
      const terms = leases.get(lease);
      if (terms === null) return { type: "noLease", revision };
      return {
        type: "leaseFound",
        lease,
        ...terms,
        keys: present.ofLease(lease, maxLeaseKeys),
        revision,
      };
    }
    case "retention":
      return { type: "retention", keepMs: state.retention?.keepMs ?? null, from, revision };
  }
}

/** The keys of which a read tells, where these are few. */
export function keysOf(request: ReadRequest): readonly string[] {
  switch (request.type) {
    case "get":
      return [request.key];
    case "query":
      return [...request.if, ...request.then, ...request.else].flatMap((each) =>
        "key" in each ? [each.key] : [],
      );
    case "list":
    case "count":
    case "lease":
    case "retention":
    case "openView":
    case "page":
    case "part":
      return [];
    case "readIndex":
      return request.keys;
  }
}

/** Rows that are read from the table at a time: few where those behind them may be passed over. */
const maxPageRows = 128;
const minPageRows = 2;

function list(request: ListRequest, table: TableAt): Omit<ListResult, "revision" | "isKept"> {
  const { limit, order } = request;
  const items: ListItem[] = [];
  let bytes = 0;
  let range: KeyRange | null = request.range;
  let pageRows = request.fold === null ? maxPageRows : minPageRows;
  while (range !== null) {
    const page = Math.min(pageRows, limit - items.length + 1);
    const rows: readonly (readonly [string, Heading])[] = table.scan(range, order, page);
    if (rows.length === 0) return { type: "listed", items, rest: null };
    pageRows = Math.min(2 * pageRows, maxPageRows);
    for (const [key, heading] of rows) {
      const size = request.values && heading.large === null ? heading.size : 0;
      const isFull = items.length > 0 && bytes + size > maxListBytes;
      if (items.length === limit || isFull) return { type: "listed", items, rest: range };
      const prefix = foldedPrefix(key, request.fold);
      if (prefix !== null) {
        items.push({ type: "prefix", prefix });
        range = beyond(range!, order, prefix, afterPrefix(prefix));
        // What else begins so is passed over, however much it is.
        pageRows = minPageRows;
        break;
      }
      bytes += size;
      items.push({ type: "key", key, found: foundOf(key, heading, request.values, table) });
      range = beyond(range!, order, key, next(key));
    }
  }
  return { type: "listed", items, rest: null };
}

/** What is left of a range behind a key, or behind those that begin with a prefix. */
function beyond(
  { from, to }: KeyRange,
  order: ListRequest["order"],
  first: string,
  after: string | null,
): KeyRange | null {
  if (order === "descending") return { from, to: first };
  return after === null ? null : { from: after, to };
}

function foldedPrefix(key: string, fold: ListRequest["fold"]): string | null {
  if (fold === null) return null;
  const at = key.indexOf(fold.delimiter, fold.length);
  return at === -1 ? null : key.slice(0, at + fold.delimiter.length);
}

function foundOf(key: string, heading: Heading, isWanted: boolean, table: TableAt): Found {
  return isWanted
    ? foundIn(table.get(key), Number.POSITIVE_INFINITY)!
    : { ...heading, value: null };
}

function count(range: KeyRange, table: TableAt): Omit<CountResult, "revision"> {
  const found = table.count(range, maxCountedKeys);
  const from = found < maxCountedKeys ? null : table.keyAt(range, found);
  return { type: "counted", count: found, rest: from === null ? null : { from, to: range.to } };
}

function query(
  { if: conditions, then, else: otherwise }: QueryRequest,
  table: TableAt,
): Omit<TransactionResult, "revision"> {
  const failed = conditions.flatMap(({ key, condition }, place) =>
    holds(condition, table.get(key)) ? [] : [place],
  );
  const succeeded = failed.length === 0;
  let bytes = 0;
  const results = (succeeded ? then : otherwise).map((operation) => {
    if (operation.type !== "get") throw new Error(`a query does not ${operation.type}`);
    const found = foundIn(table.get(operation.key), maxFoundBytes - bytes);
    bytes += found?.value?.byteLength ?? 0;
    return { type: "get" as const, found };
  });
  return { type: "transaction", succeeded, failed, results };
}
