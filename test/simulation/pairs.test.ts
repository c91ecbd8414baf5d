import { expect, test } from "vitest";
import type { Command, Expiry, Operation } from "../../src/kv/command.ts";
import type { Condition } from "../../src/kv/condition.ts";
import { allKeys, withPrefix } from "../../src/kv/key-range.ts";
import { utf8 } from "../support/machine-bench.ts";
import { Pair } from "./pair.ts";

/** A command as it is asked for, without its id and its floor. */
type Wish = { readonly type: Command["type"] } & Readonly<Record<string, unknown>>;

/** What every pair finds: keys with and without an end, leases, and a lock. */
const before: readonly Wish[] = [
  { type: "tick", nowMs: 1000 },
  { type: "put", key: "a", value: utf8("1"), contentType: "text/plain", metadata: "{}" },
  { type: "put", key: "a/b", value: utf8("x"), contentType: null },
  {
    type: "put",
    key: "brief",
    value: utf8("7"),
    contentType: null,
    expiry: { type: "at", expiresMs: 2000 },
  },
  { type: "grant", ttlMs: 1500 },
  {
    type: "put",
    key: "leased",
    value: utf8("2"),
    contentType: null,
    expiry: { type: "lease", lease: "4" },
  },
  { type: "lock", key: "lock", value: utf8("me"), contentType: null, ttlMs: 900 },
];

const put = (key: string, value: string, more: object = {}): Wish => ({
  type: "put",
  key,
  value: utf8(value),
  contentType: null,
  ...more,
});

const putOf = (expiry: Expiry): Wish => put("a", "9", { expiry });

const transaction = (then: readonly Operation[], more: object = {}): Wish => ({
  type: "transaction",
  if: [],
  then,
  else: [],
  ...more,
});

const conditions: readonly Condition[] = [
  { type: "revision", revision: 1 },
  { type: "created", revision: 1 },
  { type: "exists" },
  { type: "absent" },
  { type: "value", value: utf8("1") },
];

const named = (name: string, fingerprint: string) => ({ idempotency: { name, fingerprint } });

/** One of each, and of each again what may come out otherwise. */
const wishes: readonly Wish[] = [
  put("a", "2"),
  put("new", "3"),
  put("a", "4", named("n", "f")),
  put("a", "4", named("n", "g")),
  ...conditions.map((condition) => put("a", "5", { condition })),
  ...conditions.map((condition) => ({ type: "delete", key: "a", condition }) as const),
  putOf({ type: "ttl", ttlMs: 500 }),
  putOf({ type: "at", expiresMs: 900 }),
  putOf({ type: "lease", lease: "4" }),
  putOf({ type: "lease", lease: "77" }),
  { type: "delete", key: "a" },
  { type: "delete", key: "leased" },
  { type: "delete", key: "none" },
  { type: "deleteRange", range: allKeys, limit: 2 },
  { type: "deleteRange", range: withPrefix("a"), limit: 1000 },
  transaction([
    { type: "get", key: "a" },
    { type: "increment", key: "a", by: 3 },
  ]),
  transaction([{ type: "increment", key: "a/b", by: 1 }]),
  transaction([
    { type: "delete", key: "a" },
    { type: "increment", key: "a/b", by: 1 },
  ]),
  transaction([{ type: "increment", key: "a", by: Number.MAX_SAFE_INTEGER }]),
  transaction([{ type: "deleteRange", range: withPrefix("a") }], named("n", "f")),
  transaction([{ type: "put", key: "leased", value: utf8("3"), contentType: null }], {
    if: [{ key: "a", condition: { type: "exists" } }],
    else: [{ type: "get", key: "brief" }],
  }),
  { type: "grant", ttlMs: 700 },
  { type: "keepAlive", lease: "4" },
  { type: "keepAlive", lease: "6" },
  { type: "revoke", lease: "4" },
  { type: "revoke", lease: "6" },
  { type: "lock", key: "lock", value: utf8("you"), contentType: null, ttlMs: 600 },
  { type: "lock", key: "a", value: utf8("you"), contentType: null, ttlMs: 600 },
  { type: "lock", key: "free", value: utf8("you"), contentType: null, ttlMs: 600 },
  { type: "unlock", key: "lock", token: 5 },
  { type: "unlock", key: "lock", token: 6 },
  { type: "unlock", key: "a", token: 1 },
  { type: "tick", nowMs: 1500 },
  { type: "tick", nowMs: 2500 },
  { type: "tick", nowMs: 1500, keys: ["a", "brief", "leased"] },
  { type: "advance", revision: 50 },
];

/** Gives commands of clients ids. */
function asker(): (wish: Wish) => Command {
  let count = 0;
  return (wish) => {
    const isOfClient = wish.type !== "tick" && wish.type !== "advance";
    const command = isOfClient ? { ...wish, requestId: `r${++count}`, floor: 0 } : wish;
    return command as unknown as Command;
  };
}

/** What comes of two commands, in one entry or in one each; then both are asked for once more, and it gets late. */
function run(first: Wish, second: Wish, isOneEntry: boolean): void {
  const pair = new Pair();
  const ask = asker();
  pair.apply(before.map(ask));
  const both = [first, second].map(ask);
  const entries = isOneEntry ? [both] : both.map((command) => [command]);
  for (const entry of entries) pair.apply(entry);
  pair.apply(both);
  pair.apply([{ type: "tick", nowMs: 10_000 }]);
}

test.each([
  ["in one entry", true],
  ["in an entry each", false],
])("Every command after every other, %s, does what the model says", (_, isOneEntry) => {
  for (const first of wishes) for (const second of wishes) run(first, second, isOneEntry);
});

test("What every pair finds is what it is said to be", () => {
  const pair = new Pair();
  const results = pair.apply(before.map(asker()));
  expect(results.map(({ type }) => type)).toEqual(["put", "put", "put", "lease", "put", "locked"]);
  expect([...pair.model.holdings.leases.keys()]).toEqual(["4", "6"]);
});
