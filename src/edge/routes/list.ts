import type { Context } from "hono";
import { maxRangeKeys } from "../../kv/command.ts";
import { type KeyRange, intersection, withPrefix } from "../../kv/key-range.ts";
import type { ListItem, ListRequest } from "../../protocol/client.ts";
import { defaultListKeys, maxListKeys } from "../../protocol/limits.ts";
import { cursorOf, readCursor } from "../cursor.ts";
import { defined } from "../defined.ts";
import type { EdgeEnv } from "../env.ts";
import { parseFlag, parseRevision } from "../query.ts";
import { readIdempotency } from "../idempotency.ts";
import { describeFound } from "../item-json.ts";
import { ndjson, streamRange } from "../stream-range.ts";
import { type Destination, answerInJson, readTarget } from "../json-answer.ts";
import { checkPart } from "../key-path.ts";
import { Problem } from "../problem.ts";
import { checkWriteHeaders } from "../write-headers.ts";

const rangeNames = ["prefix", "start", "end"] as const;
const listNames = [
  "delimiter",
  "reverse",
  "limit",
  "cursor",
  "values",
  "count",
  "revision",
] as const;

type Query = Partial<Record<(typeof rangeNames)[number] | (typeof listNames)[number], string>>;

/** `GET …/keys`: the keys of a range, in the order of their UTF-8, page by page, or how many they are. */
export async function getKeys(c: Context<EdgeEnv>): Promise<Response> {
  const { destination, query } = readTarget(c, [...rangeNames, ...listNames]);
  const isStream = c.req.method === "GET" && c.req.header("Accept")?.includes(ndjson) === true;
  if (isStream) return streamKeys(c, destination, query);
  if (parseFlag("count", query.count)) return countKeys(c, destination, query);
  const request = listOf(query);
  return answerInJson(c, destination, request, {
    listed: ({ items, rest, revision, isKept }) => ({
      keys: items.flatMap(describeKey),
      ...(request.fold === null ? {} : { prefixes: items.flatMap(prefixOf) }),
      list_complete: rest === null,
      cursor: rest === null ? null : cursorOf({ range: rest, at: isKept ? revision : null }),
      revision,
    }),
  });
}

/** `DELETE …/keys?prefix=`: the first keys of a range go, at one revision. */
export async function deleteKeys(c: Context<EdgeEnv>): Promise<Response> {
  const { raw } = c.req;
  const { destination, query } = readTarget(c, [...rangeNames, "limit"]);
  checkWriteHeaders(raw.headers, ["Idempotency-Key"]);
  if (query.prefix === undefined) {
    const detail =
      "prefix says what is to be deleted; an empty one, prefix=, stands for all there is";
    throw new Problem("bad_parameter", detail);
  }
  const limit = parseLimit(query.limit, maxRangeKeys, maxRangeKeys);
  const idempotency = await readIdempotency(raw);
  const draft = {
    type: "deleteRange",
    range: rangeOf(query),
    limit,
    ...defined({ idempotency }),
  } as const;
  return answerInJson(c, destination, draft, {
    rangeDeleted: ({ deleted, isMore, revision }) => ({ deleted, complete: !isMore, revision }),
  });
}

/** With `Accept: application/x-ndjson`: a whole range, however large it is, at one revision. */
function streamKeys(
  c: Context<EdgeEnv>,
  destination: Destination,
  query: Query,
): Promise<Response> {
  checkOnly(query, ["values"], "in a stream, which has all of a range");
  return streamRange(c, destination, {
    range: rangeOf(query),
    values: parseFlag("values", query.values),
    describe: (item) => describeKey(item)[0]!,
  });
}

function checkOnly(query: Query, names: readonly string[], where: string): void {
  const stranger = listNames.find((name) => !names.includes(name) && name in query);
  if (stranger === undefined) return;
  throw new Problem("bad_parameter", `${stranger} has no meaning ${where}: leave it out`);
}

function countKeys(c: Context<EdgeEnv>, destination: Destination, query: Query): Promise<Response> {
  checkOnly(query, ["count", "cursor", "revision"], "with count");
  return answerInJson(
    c,
    destination,
    { type: "count", range: rangeOf(query), ...atOf(query) },
    {
      counted: ({ count, rest, revision }) => ({
        count,
        count_complete: rest === null,
        cursor: rest === null ? null : cursorOf({ range: rest, at: null }),
        revision,
      }),
    },
  );
}

function listOf(query: Query): ListRequest {
  const { prefix = "", delimiter } = query;
  if (delimiter === "") throw new Problem("bad_parameter", "delimiter is empty: leave it out");
  return {
    type: "list",
    range: rangeOf(query),
    order: parseFlag("reverse", query.reverse) ? "descending" : "ascending",
    fold:
      delimiter === undefined ? null : { length: prefix.length, delimiter: checkPart(delimiter) },
    limit: parseLimit(query.limit, defaultListKeys, maxListKeys),
    values: parseFlag("values", query.values),
    ...atOf(query),
  };
}

/** The revision that is wanted: as it was asked for, or as a cursor has it. */
function atOf({ revision, cursor }: Query): { readonly at?: number } {
  const pinned = cursor === undefined ? null : readCursor(cursor).at;
  return defined({ at: pinned ?? parseRevision(revision) });
}

/** The keys that were asked for, as far as a cursor says that they are still wanted. */
function rangeOf({ prefix = "", start = "", end, cursor }: Query): KeyRange {
  const bounds = { from: checkPart(start), to: end === undefined ? null : checkPart(end) };
  const range = intersection(withPrefix(checkPart(prefix)), bounds);
  return cursor === undefined ? range : intersection(range, readCursor(cursor).range);
}

function parseLimit(text: string | undefined, usual: number, most: number): number {
  if (text === undefined) return usual;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= most) return limit;
  throw new Problem("bad_parameter", `limit "${text}" must be from 1 to ${most}`);
}

const describeKey = (item: ListItem): object[] =>
  item.type === "key" ? [{ name: item.key, ...describeFound(item.found) }] : [];

const prefixOf = (item: ListItem): string[] => (item.type === "prefix" ? [item.prefix] : []);
