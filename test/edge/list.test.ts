import { beforeAll, describe, expect, test, vi } from "vitest";
import { Random } from "../../src/raft/random.ts";
import {
  StoreUnderTest,
  jsonIn,
  lineOf,
  onRealStores,
  startMs,
  titled,
} from "./store-under-test.ts";

onRealStores();

interface Listed {
  readonly keys: readonly { readonly name: string; readonly [field: string]: unknown }[];
  readonly prefixes?: readonly string[];
  readonly list_complete: boolean;
  readonly cursor: string | null;
  readonly revision: number;
}

interface Counted {
  readonly count: number;
  readonly count_complete: boolean;
  readonly cursor: string | null;
  readonly revision: number;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

const pathOf = (query: Query): string => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return `/keys?${new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()}`;
};

const list = async (store: StoreUnderTest, query: Query = {}): Promise<Listed> =>
  jsonIn<Listed>(await store.send("GET", pathOf(query)));

const namesOf = ({ keys }: Listed): string[] => keys.map(({ name }) => name);

async function fill(store: StoreUnderTest, keys: readonly string[], value = ""): Promise<void> {
  for (let i = 0; i < keys.length; i += 128) {
    const then = keys.slice(i, i + 128).map((key) => ({ op: "put", key, value }));
    expect(await lineOf(await store.transact({ then }))).toBe("200");
  }
}

async function storeOf(...keys: string[]): Promise<StoreUnderTest> {
  const store = new StoreUnderTest();
  await fill(store, keys);
  return store;
}

const refusalOf = async (store: StoreUnderTest, query: Query): Promise<string> =>
  lineOf(await store.send("GET", pathOf(query)));

describe("a list", () => {
  test("tells all that is known of each key but its value", async () => {
    const store = new StoreUnderTest();
    await store.send("PUT", "/keys/a?ttl=5", {
      body: "old",
      headers: { "Content-Type": "text/plain", "KV-Metadata": '{"n":1}' },
    });
    await store.send("POST", "/leases?ttl=9");
    await store.send("PUT", "/keys/b?lease=2", { body: "x" });
    await store.put("b", "xyz");
    await store.send("PUT", "/keys/c?lease=2");
    const response = await store.send("GET", "/keys");
    expect(response.headers.get("KV-Revision")).toBe("4");
    expect(response.headers.get("KV-Consistency")).toBe("linearizable");
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    const plain = { content_type: null, metadata: null, expires: null, lease: null };
    expect(await jsonIn(response)).toEqual({
      keys: [
        {
          name: "a",
          revision: 1,
          create_revision: 1,
          version: 1,
          size: 3,
          content_type: "text/plain",
          metadata: { n: 1 },
          expires: startMs / 1000 + 5,
          lease: null,
        },
        { ...plain, name: "b", revision: 3, create_revision: 2, version: 2, size: 3 },
        { ...plain, name: "c", revision: 4, create_revision: 4, version: 1, size: 0, lease: "2" },
      ],
      list_complete: true,
      cursor: null,
      revision: 4,
    });
  });

  test("of nothing is empty", async () => {
    const store = new StoreUnderTest();
    const nothing = { keys: [], list_complete: true, cursor: null, revision: 0 };
    expect(await list(store)).toEqual(nothing);
    expect(await list(store, { delimiter: "/" })).toEqual({ ...nothing, prefixes: [] });
    await store.put("a");
    await store.delete("a");
    expect(await list(store)).toEqual({ ...nothing, revision: 2 });
  });

  test("can be asked for without its body", async () => {
    const store = await storeOf("a");
    const head = await store.send("HEAD", "/keys");
    expect([head.status, head.body, head.headers.get("KV-Revision")]).toEqual([200, null, "1"]);
  });

  test("gives values only if they are wanted", async () => {
    const store = new StoreUnderTest();
    await store.put("a", "é");
    await store.put("b", new Uint8Array([0xff, 0]));
    await store.put("c", "");
    for (const values of [undefined, false]) {
      for (const key of (await list(store, { values })).keys) {
        expect(key).not.toHaveProperty("value");
        expect(key).not.toHaveProperty("value_b64");
      }
    }
    for (const values of [true, ""]) {
      const { keys } = await list(store, { values });
      expect(keys).toMatchObject([{ value: "é" }, { value_b64: "/wA=" }, { value: "" }]);
    }
  });

  test("keeps to the order of UTF-8, which is not that of JavaScript", async () => {
    const sorted = [
      "\0",
      "!",
      "A",
      "a",
      "a\0",
      "aa",
      "é",
      "\ud7ff",
      "\ue000",
      "\uffff",
      "😀",
      "\u{10ffff}",
    ];
    const store = await storeOf(...sorted.toReversed());
    expect(namesOf(await list(store))).toEqual(sorted);
    expect(namesOf(await list(store, { reverse: true }))).toEqual(sorted.toReversed());
    expect(namesOf(await list(store, { start: "\ue000", end: "😀" }))).toEqual([
      "\ue000",
      "\uffff",
    ]);
    expect(namesOf(await list(store, { start: "\uffff" }))).toEqual(["\uffff", "😀", "\u{10ffff}"]);
    expect(namesOf(await list(store, { prefix: "\uffff" }))).toEqual(["\uffff"]);
    expect(namesOf(await list(store, { prefix: "\ud7ff" }))).toEqual(["\ud7ff"]);
    expect(namesOf(await list(store, { prefix: "\u{10ffff}" }))).toEqual(["\u{10ffff}"]);
  });
});

describe("the keys of a list", () => {
  const keys = ["a", "a/", "a/1", "a/2", "a/2/x", "a0", "b", "b/1"];

  test.each<[Query, readonly string[]]>([
    [{}, keys],
    [{ prefix: "" }, keys],
    [{ prefix: "a/" }, ["a/", "a/1", "a/2", "a/2/x"]],
    [{ prefix: "a/2" }, ["a/2", "a/2/x"]],
    [{ prefix: "c" }, []],
    [{ prefix: "a/2/x" }, ["a/2/x"]],
    [{ prefix: "a/2/xx" }, []],
    [{ start: "a/2" }, ["a/2", "a/2/x", "a0", "b", "b/1"]],
    [{ start: "a/2\0" }, ["a/2/x", "a0", "b", "b/1"]],
    [{ start: "" }, keys],
    [{ end: "a/2" }, ["a", "a/", "a/1"]],
    [{ end: "a/2\0" }, ["a", "a/", "a/1", "a/2"]],
    [{ end: "" }, []],
    [{ end: "zzz" }, keys],
    [{ start: "a/1", end: "b" }, ["a/1", "a/2", "a/2/x", "a0"]],
    [{ start: "b", end: "a" }, []],
    [{ start: "a", end: "a" }, []],
    [{ prefix: "a/", start: "a/2" }, ["a/2", "a/2/x"]],
    [{ prefix: "a/", end: "a/2" }, ["a/", "a/1"]],
    [{ prefix: "a/", start: "b" }, []],
    [{ prefix: "b", start: "a", end: "c" }, ["b", "b/1"]],
  ])("of %j are %j", async (query, expected) => {
    const store = await storeOf(...keys);
    expect(namesOf(await list(store, query))).toEqual(expected);
    const backwards = await list(store, { ...query, reverse: true });
    expect(namesOf(backwards)).toEqual(expected.toReversed());
    const counted = await jsonIn<Counted>(
      await store.send("GET", pathOf({ ...query, count: true })),
    );
    expect(counted).toEqual({
      count: expected.length,
      count_complete: true,
      cursor: null,
      revision: 1,
    });
  });

  test.each<[Query, readonly string[], readonly string[]]>([
    [{ delimiter: "/" }, ["a", "a0", "b"], ["a/", "b/"]],
    [{ delimiter: "/", prefix: "a" }, ["a", "a0"], ["a/"]],
    [{ delimiter: "/", prefix: "a/" }, ["a/", "a/1", "a/2"], ["a/2/"]],
    [{ delimiter: "/", prefix: "a/2" }, ["a/2"], ["a/2/"]],
    [{ delimiter: "/", prefix: "a/2/" }, ["a/2/x"], []],
    [{ delimiter: "/", start: "a/2" }, ["a0", "b"], ["a/", "b/"]],
    [{ delimiter: "/", end: "a/1" }, ["a"], ["a/"]],
    [{ delimiter: "a" }, ["b", "b/1"], ["a"]],
    [{ delimiter: "/2" }, ["a", "a/", "a/1", "a0", "b", "b/1"], ["a/2"]],
    [{ delimiter: "😀" }, keys, []],
  ])("of %j are %j, and those that go on %j", async (query, expected, prefixes) => {
    const store = await storeOf(...keys);
    const listed = await list(store, query);
    expect([namesOf(listed), listed.prefixes]).toEqual([expected, prefixes]);
    const backwards = await list(store, { ...query, reverse: true });
    const reversed = [expected.toReversed(), prefixes.toReversed()];
    expect([namesOf(backwards), backwards.prefixes]).toEqual(reversed);
  });
});

describe("a parameter of a list", () => {
  test.each(
    titled<readonly [Query, string]>([
      [{ limit: 0 }, "400 bad_parameter"],
      [{ limit: 1 }, "200"],
      [{ limit: 1000 }, "200"],
      [{ limit: 1001 }, "400 bad_parameter"],
      [{ limit: "" }, "400 bad_parameter"],
      [{ limit: "-1" }, "400 bad_parameter"],
      [{ limit: "1.5" }, "400 bad_parameter"],
      [{ limit: "1e2" }, "400 bad_parameter"],
      [{ limit: " 1" }, "400 bad_parameter"],
      [{ limit: "0x1" }, "400 bad_parameter"],
      [{ limit: "000001" }, "200"],
      [{ limit: "all" }, "400 bad_parameter"],
      [{ reverse: "true" }, "200"],
      [{ reverse: "false" }, "200"],
      [{ reverse: "" }, "200"],
      [{ reverse: "1" }, "400 bad_parameter"],
      [{ reverse: "yes" }, "400 bad_parameter"],
      [{ reverse: "True" }, "400 bad_parameter"],
      [{ values: "0" }, "400 bad_parameter"],
      [{ count: "no" }, "400 bad_parameter"],
      [{ count: "false" }, "200"],
      [{ delimiter: "" }, "400 bad_parameter"],
      [{ prefix: "k".repeat(2048) }, "200"],
      [{ prefix: "k".repeat(2049) }, "414 key_too_long"],
      [{ start: "€".repeat(683) }, "414 key_too_long"],
      [{ end: "k".repeat(2049) }, "414 key_too_long"],
      [{ delimiter: "/".repeat(2048) }, "200"],
      [{ delimiter: "/".repeat(2049) }, "414 key_too_long"],
      [{ count: true, limit: 5 }, "400 bad_parameter"],
      [{ count: true, reverse: true }, "400 bad_parameter"],
      [{ count: true, delimiter: "/" }, "400 bad_parameter"],
      [{ count: true, values: true }, "400 bad_parameter"],
      [{ count: true, prefix: "a", start: "a", end: "b" }, "200"],
      [{ cursor: "" }, "400 bad_cursor"],
      [{ key: "a" }, "400 bad_parameter"],
      [{ Prefix: "a" }, "400 bad_parameter"],
      [{ ttl: "5" }, "400 bad_parameter"],
      [{ timeout: "49" }, "400 bad_parameter"],
      [{ timeout: "50" }, "200"],
      [{ consistency: "linearizable" }, "200"],
    ]),
  )("%s is taken or refused", async (_, query, line) => {
    expect(await refusalOf(await storeOf("a"), query)).toBe(line);
  });

  test.each(["prefix", "start", "end", "delimiter"])(
    "%s has to be UTF-8: what is none would be taken for another",
    async (name) => {
      const store = await storeOf("\ufffd", "\ufffd/a");
      for (const raw of ["%ff", "%E2%82", "%ED%A0%80", "%", "%zz"]) {
        const response = await store.send("GET", `/keys?${name}=${raw}`);
        expect(await lineOf(response)).toBe("400 bad_parameter");
      }
      expect((await store.send("GET", `/keys?${name}=%EF%BF%BD`)).status).toBe(200);
      expect((await store.send("GET", `/keys?${name}=a+b%2B`)).status).toBe(200);
    },
  );
});

describe("a page", () => {
  test("has 100 keys unless told otherwise, and up to 1000", async () => {
    const keys = Array.from({ length: 1001 }, (_, i) => `k${String(i).padStart(4, "0")}`);
    const store = await storeOf(...keys);
    for (const [limit, length] of [
      [undefined, 100],
      [1, 1],
      [1000, 1000],
    ] as const) {
      const page = await list(store, { limit });
      expect(namesOf(page)).toEqual(keys.slice(0, length));
      expect(page.list_complete).toBe(false);
      expect(page.cursor).toMatch(/^[\w-]+$/);
    }
    const { cursor } = await list(store, { limit: 1000 });
    const last = await list(store, { limit: 1000, cursor: cursor! });
    expect(namesOf(last)).toEqual(["k1000"]);
    expect([last.list_complete, last.cursor]).toEqual([true, null]);
  });

  test("that has just as many keys as are left is the last", async () => {
    const store = await storeOf("a", "b", "c");
    const page = await list(store, { limit: 3 });
    expect([page.list_complete, page.cursor]).toEqual([true, null]);
    const folded = await list(await storeOf("a/1", "a/2"), { limit: 1, delimiter: "/" });
    expect([folded.prefixes, folded.list_complete]).toEqual([["a/"], true]);
  });

  test("has 1 MiB of values at most, and one value at least", async () => {
    const store = new StoreUnderTest();
    const half = "x".repeat(512 * 1024);
    for (const key of ["a", "b"]) await store.put(key, half);
    await store.put("c", "");
    await store.put("d", "x");
    await store.put("e", "x".repeat(1024 * 1024));
    await store.put("f", "");
    const pages: string[][] = [];
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page: Listed = await list(store, { values: true, cursor });
      pages.push(namesOf(page));
      expect(page.list_complete).toBe(page.cursor === null);
      cursor = page.cursor;
    }
    expect(pages).toEqual([["a", "b", "c"], ["d"], ["e", "f"]]);
    expect(namesOf(await list(store))).toHaveLength(6);
  });

  test("goes on behind the last key, whatever has come and gone", async () => {
    const store = await storeOf("a", "b", "c", "d");
    const { cursor } = await list(store, { limit: 2 });
    await store.delete("b");
    await store.put("a0");
    await store.put("b0");
    expect(namesOf(await list(store, { cursor: cursor! }))).toEqual(["b0", "c", "d"]);
  });

  test("goes on behind a key of all bytes that a key may have", async () => {
    const longest = "k".repeat(2048);
    const store = await storeOf(longest, "l");
    const { cursor } = await list(store, { limit: 1 });
    expect(namesOf(await list(store, { cursor: cursor! }))).toEqual(["l"]);
    const back = await list(store, { limit: 1, reverse: true });
    const rest = await list(store, { reverse: true, cursor: back.cursor! });
    expect(namesOf(rest)).toEqual([longest]);
  });

  test("of a narrower list goes on within that", async () => {
    const store = await storeOf("a", "b/1", "b/2", "b/3", "c");
    const { cursor } = await list(store, { limit: 2 });
    expect(namesOf(await list(store, { cursor: cursor!, prefix: "b/" }))).toEqual(["b/2", "b/3"]);
    expect(namesOf(await list(store, { cursor: cursor!, prefix: "a" }))).toEqual([]);
  });
});

describe("a cursor that was not given out", () => {
  const encode = (text: string): string =>
    btoa(String.fromCharCode(...new TextEncoder().encode(text)))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replaceAll("=", "");

  test.each([
    "",
    "a",
    "*",
    "%",
    "WzEsImEiLG51bGxd.",
    encode("null"),
    encode("7"),
    encode('"text"'),
    encode("{}"),
    encode("[]"),
    encode("[1]"),
    encode('[1,"a"]'),
    encode('[0,"a",null]'),
    encode('[2,"a",null]'),
    encode('["1","a",null]'),
    encode("[1,null,null]"),
    encode("[1,1,null]"),
    encode('[1,"a",1]'),
    encode('[1,"a",false]'),
    encode('[1,"a",null'),
    encode('[1,"\\ud800",null]'),
    encode('[1,"a","\\udc00"]'),
    "W_8",
    "_____w",
  ])("is refused: %s", async (cursor) => {
    const store = await storeOf("a");
    expect(await refusalOf(store, { cursor })).toBe("400 bad_cursor");
    expect(await refusalOf(store, { cursor, count: true })).toBe("400 bad_cursor");
  });

  test("and has only lost its end is refused", async () => {
    const store = await storeOf("a", "b", "c");
    const { cursor } = await list(store, { limit: 1 });
    for (let length = 0; length < cursor!.length; length++) {
      const cut = cursor!.slice(0, length);
      expect(await refusalOf(store, { cursor: cut })).toBe("400 bad_cursor");
    }
  });

  test("names no more than what there is", async () => {
    const store = await storeOf("a", "b");
    expect(namesOf(await list(store, { cursor: encode('[1,"b","a"]') }))).toEqual([]);
    expect(namesOf(await list(store, { cursor: encode('[1,"",null]') }))).toEqual(["a", "b"]);
  });

  test("is no longer than one that was", async () => {
    const store = await storeOf("a");
    for (const [bytes, line] of [
      [2049, "200"],
      [2050, "400 bad_cursor"],
      [100_000, "400 bad_cursor"],
    ] as const) {
      const key = "k".repeat(bytes);
      for (const range of [
        [key, null],
        ["", key],
      ]) {
        const cursor = encode(JSON.stringify([1, ...range]));
        expect(await refusalOf(store, { cursor })).toBe(line);
      }
    }
  });
});

describe("a count", () => {
  test("goes on when there are more than 100,000 keys", async () => {
    const store = new StoreUnderTest();
    await store.put("a");
    store.store.disk.tamper(({ rows }) => {
      const row = rows.get("a")!;
      for (let i = 1; i < 100_000; i++) rows.set(`b${i}`, row);
    });
    const count = async (query: Query): Promise<Counted> =>
      jsonIn<Counted>(await store.send("GET", pathOf({ count: true, ...query })));
    expect(await count({})).toMatchObject({ count: 100_000, count_complete: true, cursor: null });
    await store.put("c");
    const first = await count({});
    expect(first).toMatchObject({ count: 100_000, count_complete: false, revision: 2 });
    expect(await count({ cursor: first.cursor! })).toMatchObject({
      count: 1,
      count_complete: true,
    });
    expect(await count({ prefix: "b" })).toMatchObject({ count: 99_999, count_complete: true });
  });
});

describe("a delete of a prefix", () => {
  interface Deleted {
    readonly deleted: number;
    readonly complete: boolean;
    readonly revision: number;
  }
  const remove = async (store: StoreUnderTest, query: Query): Promise<Deleted> =>
    jsonIn<Deleted>(await store.send("DELETE", pathOf(query)));

  test("takes all keys that begin so, at one revision", async () => {
    const store = await storeOf("a", "a/", "a/1", "a/2/x", "a0", "b");
    const response = await store.send("DELETE", "/keys?prefix=a/");
    expect(response.headers.get("KV-Revision")).toBe("2");
    expect(await jsonIn(response)).toEqual({ deleted: 3, complete: true, revision: 2 });
    expect(namesOf(await list(store))).toEqual(["a", "a0", "b"]);
    expect(await remove(store, { prefix: "a/" })).toEqual({
      deleted: 0,
      complete: true,
      revision: 2,
    });
  });

  test.each<[Query, readonly string[]]>([
    [{ prefix: "" }, []],
    [{ prefix: "a" }, ["b", "c"]],
    [{ prefix: "a", start: "a1" }, ["a", "b", "c"]],
    [{ prefix: "a", end: "a2" }, ["a2", "b", "c"]],
    [{ prefix: "", start: "a2", end: "c" }, ["a", "a1", "c"]],
    [{ prefix: "", limit: 2 }, ["a2", "b", "c"]],
    [{ prefix: "b", start: "c" }, ["a", "a1", "a2", "b", "c"]],
    [{ prefix: "\u{10ffff}" }, ["a", "a1", "a2", "b", "c"]],
  ])("of %j leaves %j", async (query, left) => {
    const store = await storeOf("a", "a1", "a2", "b", "c");
    const { deleted, complete } = await remove(store, query);
    expect([deleted, complete]).toEqual([5 - left.length, query["limit"] === undefined]);
    expect(namesOf(await list(store))).toEqual(left);
  });

  test("takes 1000 keys at a time", async () => {
    const keys = Array.from({ length: 1001 }, (_, i) => `k${i}`);
    const store = await storeOf(...keys);
    expect(await remove(store, { prefix: "k" })).toMatchObject({ deleted: 1000, complete: false });
    expect(await remove(store, { prefix: "k" })).toMatchObject({ deleted: 1, complete: true });
    await fill(store, keys.slice(0, 1000));
    expect(await remove(store, { prefix: "k" })).toMatchObject({ deleted: 1000, complete: true });
  });

  test.each(
    titled<readonly [Query, string]>([
      [{}, "400 bad_parameter"],
      [{ start: "a" }, "400 bad_parameter"],
      [{ prefix: "", limit: 0 }, "400 bad_parameter"],
      [{ prefix: "", limit: 1 }, "200"],
      [{ prefix: "", limit: 1000 }, "200"],
      [{ prefix: "", limit: 1001 }, "400 bad_parameter"],
      [{ prefix: "k".repeat(2048) }, "200"],
      [{ prefix: "k".repeat(2049) }, "414 key_too_long"],
      [{ prefix: "", cursor: "x" }, "400 bad_parameter"],
      [{ prefix: "", delimiter: "/" }, "400 bad_parameter"],
      [{ prefix: "", reverse: true }, "400 bad_parameter"],
      [{ prefix: "", count: true }, "400 bad_parameter"],
    ]),
  )("of %s is taken or refused", async (_, query, line) => {
    const store = await storeOf("a");
    expect(await lineOf(await store.send("DELETE", pathOf(query)))).toBe(line);
  });

  test("of what is no UTF-8 is refused", async () => {
    const store = await storeOf("\ufffd");
    expect(await lineOf(await store.send("DELETE", "/keys?prefix=%ff"))).toBe("400 bad_parameter");
    expect(namesOf(await list(store))).toEqual(["\ufffd"]);
  });

  test.each(["If-Match", "If-None-Match", "KV-Metadata"])("with %s is refused", async (name) => {
    const store = await storeOf("a");
    const headers = { [name]: "*" };
    const response = await store.send("DELETE", "/keys?prefix=", { headers });
    expect(await lineOf(response)).toMatch(/^400 unsupported_/);
    expect(namesOf(await list(store))).toEqual(["a"]);
  });
});

/** What a list says, worked out from all keys by looking at each. */
describe("with keys of all kinds", () => {
  const random = new Random(7);
  const pick = <T>(choices: readonly T[]): T => choices[random.between(0, choices.length - 1)]!;
  const chars = [
    "a",
    "b",
    "/",
    "0",
    "\0",
    "~",
    "é",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "😀",
    "\u{10ffff}",
  ];
  const text = (least: number, most: number): string =>
    Array.from({ length: random.between(least, most) }, () => pick(chars)).join("");
  const keys = [...new Set(Array.from({ length: 400 }, () => text(1, 5)))];
  const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const sorted = keys.toSorted(compare);

  interface Asked {
    readonly prefix?: string | undefined;
    readonly start?: string | undefined;
    readonly end?: string | undefined;
    readonly delimiter?: string | undefined;
    readonly reverse?: boolean;
  }

  /** The items of a list, in order: keys, and prefixes of several. */
  function itemsOf({ prefix = "", start = "", end, delimiter, reverse = false }: Asked) {
    const within = sorted.filter(
      (key) =>
        key.startsWith(prefix) &&
        compare(key, start) >= 0 &&
        (end === undefined || compare(key, end) < 0),
    );
    const items = (reverse ? within.toReversed() : within).map((key) => {
      const at = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
      return at === -1
        ? { key, prefix: null }
        : { key: null, prefix: key.slice(0, at + delimiter!.length) };
    });
    return items.filter((item, i) => item.prefix === null || item.prefix !== items[i - 1]?.prefix);
  }

  let store: StoreUnderTest;
  beforeAll(async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: startMs });
    store = new StoreUnderTest();
    await fill(
      store,
      keys.toSorted(() => random.between(0, 2) - 1),
      "v",
    );
    vi.useRealTimers();
  });

  const questions = Array.from({ length: 250 }, (): Asked & { limit: number } => {
    const maybe = (make: () => string): string | undefined =>
      random.between(0, 1) === 0 ? undefined : make();
    const bound = (): string => (random.between(0, 1) === 0 ? pick(keys) : text(0, 3));
    return {
      prefix: maybe(() => text(0, 2)),
      start: maybe(bound),
      end: maybe(bound),
      delimiter: maybe(() => pick(["/", "a", "é", "😀", "b/", "\uffff"])),
      reverse: random.between(0, 1) === 0,
      limit: pick([1, 2, 3, 7, 50, 100, 1000]),
    };
  });

  test("each page of each list has what it should", async () => {
    for (const { limit, ...asked } of questions) {
      const items = itemsOf(asked);
      // Long lists in small pages would only take long.
      const size = items.length / limit > 40 ? 50 : limit;
      const seen: typeof items = [];
      let cursor: string | null | undefined;
      for (let page = 0; cursor !== null; page++) {
        const query = { ...asked, limit: size, cursor };
        const listed: Listed = await list(store, query);
        const due = items.slice(page * size, (page + 1) * size);
        const what = `page ${page} of ${JSON.stringify(query)}`;
        expect(namesOf(listed), what).toEqual(due.flatMap(({ key }) => key ?? []));
        expect(listed.prefixes ?? [], what).toEqual(due.flatMap(({ prefix }) => prefix ?? []));
        expect("prefixes" in listed, what).toBe(asked.delimiter !== undefined);
        expect(listed.list_complete, what).toBe((page + 1) * size >= items.length);
        expect(listed.cursor === null, what).toBe(listed.list_complete);
        seen.push(...due);
        cursor = listed.cursor;
      }
      expect(seen).toEqual(items);
    }
  });

  test("each count is right", async () => {
    for (const { prefix, start, end } of questions) {
      const { length } = itemsOf({ prefix, start, end });
      const response = await store.send("GET", pathOf({ prefix, start, end, count: true }));
      expect(await jsonIn<Counted>(response)).toMatchObject({
        count: length,
        count_complete: true,
      });
    }
  });

  test("each delete of a prefix leaves what it should", async () => {
    for (const { prefix = "", start, end, limit } of questions.slice(0, 25)) {
      const other = await storeOf(...keys);
      const going = itemsOf({ prefix, start, end }).map(({ key }) => key!);
      const response = await other.send("DELETE", pathOf({ prefix, start, end, limit }));
      expect(await jsonIn(response)).toMatchObject({
        deleted: Math.min(limit, going.length),
        complete: going.length <= limit,
      });
      const gone = new Set(going.slice(0, limit));
      expect(namesOf(await list(other, { limit: 1000 }))).toEqual(
        sorted.filter((key) => !gone.has(key)),
      );
    }
  });
});
