import { describe, expect, test } from "vitest";
import { problemIn } from "./edge-under-test.ts";
import { StoreUnderTest, jsonIn, lineOf, onRealStores, titled } from "./store-under-test.ts";

onRealStores();

const maxBodyBytes = 1024 * 1024;

interface Answer {
  readonly succeeded: boolean;
  readonly revision: number;
  readonly results: readonly Readonly<Record<string, unknown>>[];
}

/** `a` is "old" of revision 1, `n` is 41 of revision 2, and p/1 and p/2 are empty, of 3 and 4. */
async function storeAt4(): Promise<StoreUnderTest> {
  const store = new StoreUnderTest();
  await store.put("a", "old", { "Content-Type": "text/plain", "KV-Metadata": '{"n":1}' });
  await store.put("n", "41");
  await store.put("p/1", "");
  await store.put("p/2", "");
  return store;
}

const answerTo = async (store: StoreUnderTest, body: object): Promise<Answer> =>
  jsonIn<Answer>(await store.transact(body));

/** All there is, by key. */
async function everything(store: StoreUnderTest): Promise<object[]> {
  const response = await store.send("GET", "/keys?values&limit=1000");
  return (await jsonIn<{ keys: object[] }>(response)).keys;
}

/** As many operations on keys of their own. */
const many = <T>(count: number, one: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => one(i));

async function fill(store: StoreUnderTest, keys: readonly string[], value = ""): Promise<void> {
  for (let i = 0; i < keys.length; i += 128) {
    const then = keys.slice(i, i + 128).map((key) => ({ op: "put", key, value }));
    expect(await lineOf(await store.transact({ then }))).toBe("200");
  }
}

describe("an operation", () => {
  const found = {
    found: true,
    revision: 1,
    create_revision: 1,
    version: 1,
    size: 3,
    content_type: "text/plain",
    metadata: { n: 1 },
    expires: null,
    lease: null,
    value: "old",
  };

  /** An operation, its result, and the revision that comes of it. */
  const operations: readonly [object, object, number][] = [
    [{ op: "get", key: "a" }, { op: "get", key: "a", ...found }, 4],
    [{ op: "get", key: "z" }, { op: "get", key: "z", found: false }, 4],
    [{ op: "put", key: "z", value: "x" }, { op: "put", key: "z", created: true }, 5],
    [{ op: "put", key: "a", value: "" }, { op: "put", key: "a", created: false }, 5],
    [{ op: "put", key: "a", value_b64: "" }, { op: "put", key: "a", created: false }, 5],
    [{ op: "put", key: "z", value_b64: "/w==" }, { op: "put", key: "z", created: true }, 5],
    [{ op: "put", key: "😀/é", value: "\0" }, { op: "put", key: "😀/é", created: true }, 5],
    [{ op: "delete", key: "a" }, { op: "delete", key: "a", deleted: 1 }, 5],
    [{ op: "delete", key: "z" }, { op: "delete", key: "z", deleted: 0 }, 4],
    [{ op: "delete_prefix", prefix: "p/" }, { op: "delete_prefix", prefix: "p/", deleted: 2 }, 5],
    [{ op: "delete_prefix", prefix: "" }, { op: "delete_prefix", prefix: "", deleted: 4 }, 5],
    [{ op: "delete_prefix", prefix: "q" }, { op: "delete_prefix", prefix: "q", deleted: 0 }, 4],
    [{ op: "increment", key: "n" }, { op: "increment", key: "n", value: 42 }, 5],
    [{ op: "increment", key: "n", by: -41 }, { op: "increment", key: "n", value: 0 }, 5],
    [{ op: "increment", key: "z", by: 0 }, { op: "increment", key: "z", value: 0 }, 5],
  ];

  test.each(operations)(
    "%o has the result %o, at revision %d",
    async (operation, result, after) => {
      const store = await storeAt4();
      const response = await store.transact({ then: [operation] });
      expect(response.headers.get("KV-Revision")).toBe(String(after));
      const answer = await jsonIn<Answer>(response);
      expect(answer).toEqual({ succeeded: true, revision: after, results: [result] });
      expect(await store.revision()).toBe(after);
    },
  );

  test("is done as else when a condition does not hold", async () => {
    for (const [operation, result, after] of operations) {
      const store = await storeAt4();
      const answer = await answerTo(store, {
        if: [{ key: "z", exists: true }],
        then: [{ op: "delete_prefix", prefix: "" }],
        else: [operation],
      });
      expect(answer).toEqual({ succeeded: false, revision: after, results: [result] });
    }
  });

  test("puts what a put puts", async () => {
    const store = new StoreUnderTest();
    const put = { op: "put", key: "a", content_type: "a/b", metadata: [1], ttl: "1h" };
    await answerTo(store, { then: [{ ...put, value: "é" }] });
    const { headers } = await store.get("a");
    expect(headers.get("Content-Type")).toBe("a/b");
    expect(headers.get("KV-Metadata")).toBe("[1]");
    expect(headers.get("Content-Length")).toBe("2");
    await answerTo(store, { then: [{ op: "put", key: "a", value: "" }] });
    const after = (await store.get("a")).headers;
    for (const name of ["Content-Type", "KV-Metadata", "KV-Expires"]) {
      expect(after.get(name)).toBeNull();
    }
  });

  test("of no content type and of an empty one put the same", async () => {
    const store = new StoreUnderTest();
    const put = { op: "put", key: "a", value: "", content_type: "" };
    await answerTo(store, { then: [put] });
    expect((await store.get("a")).headers.get("Content-Type")).toBeNull();
    expect(await everything(store)).toMatchObject([{ content_type: null }]);
  });

  test.each([
    ["", "text"],
    ["\u{feff}a", "text with a mark of bytes' order"],
    ["é😀\0\r\n", "text of all kinds"],
  ])("takes %j as it is: %s", async (value) => {
    const store = new StoreUnderTest();
    const then = [
      { op: "put", key: "a", value },
      { op: "get", key: "a" },
    ];
    expect((await answerTo(store, { then })).results[1]).toMatchObject({ value });
    const body = new Uint8Array(await (await store.get("a")).arrayBuffer());
    expect(body).toEqual(new TextEncoder().encode(value));
  });

  test("gives what is no text in base64", async () => {
    const store = new StoreUnderTest();
    const all = Uint8Array.from({ length: 20_000 }, (_, i) => i);
    const value_b64 = btoa(String.fromCharCode(...all));
    const then = [
      { op: "put", key: "a", value_b64 },
      { op: "get", key: "a" },
    ];
    const { results } = await answerTo(store, { then });
    expect(results[1]).toMatchObject({ value_b64, size: 20_000 });
    expect(results[1]).not.toHaveProperty("value");
    expect(new Uint8Array(await (await store.get("a")).arrayBuffer())).toEqual(all);
  });
});

describe("a condition", () => {
  const conditions: readonly [object, boolean][] = [
    [{ key: "a", revision: 1 }, true],
    [{ key: "a", revision: 2 }, false],
    [{ key: "a", revision: 0 }, false],
    [{ key: "a", revision: -1 }, false],
    [{ key: "a", revision: Number.MAX_SAFE_INTEGER }, false],
    [{ key: "a", exists: true }, true],
    [{ key: "a", exists: false }, false],
    [{ key: "a", value: "old" }, true],
    [{ key: "a", value: "ol" }, false],
    [{ key: "a", value: "older" }, false],
    [{ key: "a", value: "Old" }, false],
    [{ key: "a", value: "" }, false],
    [{ key: "a", value_b64: "b2xk" }, true],
    [{ key: "a", value_b64: "b2xl" }, false],
    [{ key: "p/1", value: "" }, true],
    [{ key: "p/1", value_b64: "" }, true],
    [{ key: "z", revision: 0 }, true],
    [{ key: "z", revision: -0 }, true],
    [{ key: "z", revision: 1 }, false],
    [{ key: "z", exists: false }, true],
    [{ key: "z", exists: true }, false],
    [{ key: "z", value: "" }, false],
    [{ key: "z", value_b64: "" }, false],
  ];

  test.each(conditions)(
    "%o: %s, for what writes and for what only reads",
    async (condition, holds) => {
      for (const then of [[], [{ op: "put", key: "new", value: "" }]]) {
        const store = await storeAt4();
        const response = await store.transact({ if: [condition], then, else: [] });
        const changed = holds && then.length > 0 ? 5 : 4;
        const answer = await jsonIn<Answer>(response);
        expect([answer.succeeded, answer.revision]).toEqual([holds, changed]);
      }
    },
  );

  test.each(conditions)(
    "%o: %s, and nothing is said for when it does not hold",
    async (condition, holds) => {
      for (const then of [[], [{ op: "put", key: "new", value: "" }]]) {
        const store = await storeAt4();
        const response = await store.transact({ if: [condition], then });
        expect(await lineOf(response)).toBe(holds ? "200" : "412 precondition_failed");
        expect(await store.valueOf("new")).toBe(holds && then.length > 0 ? "" : null);
      }
    },
  );

  test("that does not hold is told by its place, with others of its kind", async () => {
    const store = await storeAt4();
    const yes = { key: "a", exists: true };
    const no = { key: "a", exists: false };
    const response = await store.transact({
      if: [yes, no, yes, no, no],
      then: [{ op: "delete", key: "a" }],
    });
    expect(response.headers.get("KV-Revision")).toBe("4");
    expect(await problemIn(response)).toMatchObject({
      status: 412,
      outcome: "not_applied",
      failed: [1, 3, 4],
    });
    expect(await store.revision()).toBe(4);
  });

  test("sees what was before the transaction", async () => {
    const store = await storeAt4();
    const then = [{ op: "put", key: "z", value: "" }];
    const body = {
      if: [
        { key: "z", exists: false },
        { key: "z", revision: 0 },
      ],
      then,
    };
    expect((await answerTo(store, body)).succeeded).toBe(true);
    expect(await lineOf(await store.transact(body))).toBe("412 precondition_failed");
  });

  test("may be left out", async () => {
    const store = await storeAt4();
    for (const body of [{ then: [] }, { if: [], then: [] }, { if: [], then: [], else: [] }]) {
      expect(await answerTo(store, body)).toEqual({ succeeded: true, revision: 4, results: [] });
    }
  });
});

describe("a transaction", () => {
  test("happens at one revision, and each operation sees those before it", async () => {
    const store = await storeAt4();
    const { results, revision } = await answerTo(store, {
      then: [
        { op: "put", key: "b", value: "1" },
        { op: "increment", key: "b" },
        { op: "get", key: "b" },
        { op: "put", key: "p/3", value: "" },
        { op: "delete_prefix", prefix: "p/" },
        { op: "get", key: "p/3" },
        { op: "put", key: "p/1", value: "again" },
        { op: "get", key: "p/1" },
        { op: "put", key: "a", value: "x" },
        { op: "put", key: "a", value: "y" },
        { op: "get", key: "a" },
        { op: "delete", key: "n" },
        { op: "delete", key: "n" },
        { op: "increment", key: "n" },
      ],
    });
    expect(revision).toBe(5);
    expect(results).toMatchObject([
      { created: true },
      { value: 2 },
      { value: "2", revision: 5, create_revision: 5, version: 1 },
      { created: true },
      { deleted: 3 },
      { found: false },
      { created: true },
      { value: "again", revision: 5, create_revision: 5, version: 1 },
      { created: false },
      { created: false },
      { value: "y", revision: 5, create_revision: 1, version: 2 },
      { deleted: 1 },
      { deleted: 0 },
      { value: 1 },
    ]);
    expect(await everything(store)).toMatchObject([
      { name: "a", value: "y", revision: 5, version: 2 },
      { name: "b", value: "2", revision: 5, version: 1 },
      { name: "n", value: "1", revision: 5, create_revision: 5, version: 1 },
      { name: "p/1", value: "again", revision: 5, version: 1 },
    ]);
  });

  test("that leaves all as it was makes no revision", async () => {
    const store = await storeAt4();
    const then = [
      { op: "put", key: "z", value: "x" },
      { op: "delete", key: "z" },
      { op: "delete_prefix", prefix: "zz" },
    ];
    expect((await answerTo(store, { then })).revision).toBe(4);
  });

  test("that only reads says that it is linearizable, and is not kept as a write", async () => {
    const store = await storeAt4();
    const { sequence } = store.store.driver.machine.state;
    const read = await store.transact({ then: [{ op: "get", key: "a" }] });
    expect(read.headers.get("KV-Consistency")).toBe("linearizable");
    expect(store.store.driver.machine.state.sequence).toBe(sequence);
    const written = await store.transact({ then: [{ op: "delete", key: "z" }] });
    expect(written.headers.get("KV-Consistency")).toBeNull();
    expect(store.store.driver.machine.state.sequence).toBe(sequence + 1);
  });

  test.each(["If-Match", "If-None-Match", "If-Modified-Since", "Content-Encoding"])(
    "with %s is refused: its conditions are in the body",
    async (name) => {
      const response = await new StoreUnderTest().transact({ then: [] }, { [name]: "*" });
      expect(response.status).toBe(400);
      expect((await problemIn(response)).code).toMatch(/^unsupported_(?:condition|header)$/);
    },
  );

  test("has no parameters but those of all requests", async () => {
    const store = new StoreUnderTest();
    const body = '{"then":[]}';
    for (const query of ["timeout=1s", "consistency=linearizable"]) {
      expect((await store.send("POST", `/txn?${query}`, { body })).status).toBe(200);
    }
    for (const query of ["ttl=5", "key=a", "timeout=9s", "consistency=other"]) {
      const response = await store.send("POST", `/txn?${query}`, { body });
      expect(await lineOf(response)).toBe("400 bad_parameter");
    }
  });
});

describe("a transaction that cannot be carried out", () => {
  /** An operation that is refused, and why. */
  const refusals: readonly [object, string][] = [
    [{ op: "increment", key: "a" }, "409 not_a_number"],
    [{ op: "increment", key: "n", by: Number.MAX_SAFE_INTEGER }, "409 out_of_range"],
    [{ op: "put", key: "b", value: "", lease: "99" }, "404 lease_not_found"],
    [{ op: "delete_prefix", prefix: "k" }, "409 too_many_keys"],
  ];

  test.each(refusals)(
    "because of %o changes nothing, and tells which operation it was",
    async (operation, line) => {
      const store = await storeAt4();
      await fill(
        store,
        many(1001, (i) => `k${i}`),
      );
      const before = await everything(store);
      const { sequence } = store.store.driver.machine.state;
      const others = [
        { op: "put", key: "a", value: "new" },
        { op: "put", key: "c", value: "new" },
        { op: "delete", key: "p/1" },
        { op: "increment", key: "n" },
      ];
      for (const place of [0, 2, 4]) {
        const operations = [...others.slice(0, place), operation, ...others.slice(place)];
        for (const body of [
          { then: operations },
          { if: [{ key: "z", exists: true }], then: [], else: operations },
        ]) {
          const response = await store.transact(body);
          const problem = await problemIn(response);
          expect(`${problem.status} ${problem.code}`).toBe(line);
          expect(problem).toMatchObject({ outcome: "not_applied", operation: place });
        }
      }
      expect(await everything(store)).toEqual(before);
      // They are on record, so that a retry gets the same answer.
      expect(store.store.driver.machine.state.sequence).toBe(sequence + 6);
    },
  );
});

describe("an increment", () => {
  const max = Number.MAX_SAFE_INTEGER;

  test.each<[string, number | undefined, number]>([
    ["0", undefined, 1],
    ["41", 1, 42],
    ["0041", 1, 42],
    ["-1", 1, 0],
    ["-0", 0, 0],
    ["0", -0, 0],
    ["5", -10, -5],
    [String(max), 0, max],
    [String(max), -1, max - 1],
    [String(max - 1), 1, max],
    [String(-max), 0, -max],
    [String(1 - max), -1, -max],
    ["0", max, max],
    ["0", -max, -max],
    [String(max), -max, 0],
    ["0000000000000001", 1, 2],
  ])("of %s by %d makes %d", async (value, by, after) => {
    const store = new StoreUnderTest();
    await store.put("n", value, { "Content-Type": "a/b", "KV-Metadata": "[]" });
    const operation = { op: "increment", key: "n", ...(by === undefined ? {} : { by }) };
    const { results } = await answerTo(store, { then: [operation] });
    expect(results).toEqual([{ op: "increment", key: "n", value: after }]);
    const response = await store.get("n");
    expect(await response.text()).toBe(String(after));
    const { headers } = response;
    expect(headers.get("Content-Type")).toBe("a/b");
    expect(headers.get("KV-Metadata")).toBe("[]");
    expect(headers.get("KV-Version")).toBe("2");
  });

  test.each(
    titled<readonly [string, number, string]>([
      [String(max), 1, "out_of_range"],
      [String(-max), -1, "out_of_range"],
      ["1", max, "out_of_range"],
      ["-1", -max, "out_of_range"],
      [String(max), max, "out_of_range"],
      ["9007199254740992", -1, "out_of_range"],
      ["9007199254740993", 0, "out_of_range"],
      ["-9007199254740992", 1, "out_of_range"],
      ["9999999999999999", -9, "out_of_range"],
      ["10000000000000000", 0, "not_a_number"],
      ["00000000000000001", 0, "not_a_number"],
      ["", 1, "not_a_number"],
      ["-", 1, "not_a_number"],
      ["--1", 1, "not_a_number"],
      ["+1", 1, "not_a_number"],
      [" 1", 1, "not_a_number"],
      ["1\n", 1, "not_a_number"],
      ["1.0", 1, "not_a_number"],
      ["1e3", 1, "not_a_number"],
      ["0x1", 1, "not_a_number"],
      ["１", 1, "not_a_number"],
      ["NaN", 1, "not_a_number"],
      ["abc", 1, "not_a_number"],
      ["1".repeat(100_000), 1, "not_a_number"],
    ]),
  )("of %s is refused", async (_, value, by, code) => {
    const store = new StoreUnderTest();
    await store.put("n", value);
    const response = await store.transact({ then: [{ op: "increment", key: "n", by }] });
    expect(await lineOf(response)).toBe(`409 ${code}`);
    expect(await store.valueOf("n")).toBe(value);
  });

  test("of bytes that are no text is refused", async () => {
    const store = new StoreUnderTest();
    await store.put("n", new Uint8Array([0x31, 0xff]));
    const response = await store.transact({ then: [{ op: "increment", key: "n" }] });
    expect(await lineOf(response)).toBe("409 not_a_number");
  });

  test("of nothing begins at 0, as a value of no type", async () => {
    const store = new StoreUnderTest();
    const then = [{ op: "increment", key: "n", by: -5 }];
    expect((await answerTo(store, { then })).results[0]).toMatchObject({ value: -5 });
    const { headers } = await store.get("n");
    expect([headers.get("Content-Type"), headers.get("KV-Version")]).toEqual([null, "1"]);
  });

  test("beyond the range in between is refused, though it would come back", async () => {
    const store = new StoreUnderTest();
    const then = [max, 1, -1].map((by) => ({ op: "increment", key: "n", by }));
    const problem = await problemIn(await store.transact({ then }));
    expect(problem).toMatchObject({ code: "out_of_range", operation: 1 });
    expect(await store.valueOf("n")).toBeNull();
  });
});

describe("a delete of a prefix", () => {
  test("takes 1000 keys and no more", async () => {
    const store = new StoreUnderTest();
    await fill(store, ["j", ...many(1000, (i) => `k${i}`), "l"]);
    const before = await store.revision();
    const then = [{ op: "delete_prefix", prefix: "k" }];
    await store.put("k", "");
    const problem = await problemIn(await store.transact({ then }));
    expect(problem).toMatchObject({ status: 409, code: "too_many_keys", operation: 0 });
    await store.delete("k");
    const { results, revision } = await answerTo(store, { then });
    expect(results).toEqual([{ op: "delete_prefix", prefix: "k", deleted: 1000 }]);
    expect(revision).toBe(before + 3);
    expect(await everything(store)).toMatchObject([{ name: "j" }, { name: "l" }]);
  });

  test("counts what the same transaction has put and deleted", async () => {
    const store = new StoreUnderTest();
    await fill(
      store,
      many(1000, (i) => `k${i}`),
    );
    const remove = { op: "delete_prefix", prefix: "k" };
    const tooMany = await store.transact({ then: [{ op: "put", key: "k", value: "" }, remove] });
    expect(await lineOf(tooMany)).toBe("409 too_many_keys");
    const { results } = await answerTo(store, {
      then: [{ op: "put", key: "k", value: "" }, { op: "delete", key: "k7" }, remove],
    });
    expect(results[2]).toMatchObject({ deleted: 1000 });
    expect(await everything(store)).toEqual([]);
  });

  test.each(
    titled([
      ["k".repeat(2048), "200"],
      ["k".repeat(2049), "414 key_too_long"],
      [`${"€".repeat(682)}kk`, "200"],
      [`${"€".repeat(682)}kkk`, "414 key_too_long"],
      ["k".repeat(70_000), "414 key_too_long"],
      ["k".repeat(1_000_000), "414 key_too_long"],
      ["../", "200"],
      ["\u{10ffff}\u{10ffff}", "200"],
      ["\ud7ff", "200"],
    ]),
  )("of %s is taken or refused by its bytes", async (_, prefix, line) => {
    const store = await storeAt4();
    const response = await store.transact({ then: [{ op: "delete_prefix", prefix }] });
    expect(await lineOf(response)).toBe(line);
    expect(await store.revision()).toBe(4);
  });
});

describe("the body of a transaction", () => {
  const op = (operation: unknown): object => ({ then: [operation] });
  const condition = (fields: object): object => ({ if: [{ key: "a", ...fields }], then: [] });

  /** A body that is refused, and the words that its refusal begins with. */
  const refused: readonly [unknown, string][] = [
    [null, "the body: must be of the type object"],
    [[], "the body: must be of the type object"],
    ["then", "the body: must be of the type object"],
    [{}, "then: must be of the type array"],
    [{ then: null }, "then: "],
    [{ then: {} }, "then: "],
    [{ then: [], if: null }, "if: "],
    [{ then: [], else: {} }, "else: "],
    [{ then: [], otherwise: [] }, "the body: there is no otherwise here"],
    [{ then: [], If: [], THEN: [] }, "the body: there is no If, THEN here"],
    [op(null), "then.0: "],
    [op("get"), "then.0: "],
    [op([]), "then.0"],
    [op({}), "then.0.op: must be one of get, put, delete, delete_prefix, increment"],
    [op({ op: "GET", key: "a" }), "then.0.op: must be one of "],
    [op({ op: "move", key: "a" }), "then.0.op: "],
    [op({ op: "__proto__", key: "a" }), "then.0.op: "],
    [op({ op: "get" }), "then.0.key: must be of the type string"],
    [op({ op: "get", key: 1 }), "then.0.key: "],
    [op({ op: "get", key: null }), "then.0.key: "],
    [op({ op: "get", key: "a", value: "x" }), "then.0: there is no value here"],
    [op({ op: "get", key: "a", prefix: "x" }), "then.0: there is no prefix here"],
    [op({ op: "delete", key: "a", revision: 1 }), "then.0: there is no revision here"],
    [op({ op: "delete", prefix: "a" }), "then.0"],
    [op({ op: "delete_prefix", key: "a" }), "then.0"],
    [op({ op: "delete_prefix", prefix: "a", limit: 1 }), "then.0: there is no limit here"],
    [op({ op: "put", key: "a" }), 'the put of "a" must have one of value and value_b64'],
    [op({ op: "put", key: "a", value: "", value_b64: "" }), 'the put of "a" must have one of '],
    [op({ op: "put", key: "a", value: 1 }), "then.0.value: "],
    [op({ op: "put", key: "a", value: null }), "then.0.value: "],
    [op({ op: "put", key: "a", value: {} }), "then.0.value: "],
    [op({ op: "put", key: "a", value_b64: "*" }), "then.0.value_b64: must be base64"],
    [op({ op: "put", key: "a", value_b64: "AA" }), "then.0.value_b64: "],
    [op({ op: "put", key: "a", value_b64: "_w==" }), "then.0.value_b64: "],
    [op({ op: "put", key: "a", value_b64: "AA==\n" }), "then.0.value_b64: "],
    [op({ op: "put", key: "a", value: "", content_type: "é" }), "then.0.content_type: "],
    [op({ op: "put", key: "a", value: "", content_type: "a\nb" }), "then.0.content_type: "],
    [
      op({ op: "put", key: "a", value: "", content_type: "a".repeat(257) }),
      "then.0.content_type: ",
    ],
    [op({ op: "put", key: "a", value: "", content_type: null }), "then.0.content_type: "],
    [op({ op: "put", key: "a", value: "", contentType: "" }), "then.0: there is no contentType"],
    [op({ op: "put", key: "a", value: "", ttl_s: 1 }), "then.0: there is no ttl_s here"],
    [op({ op: "increment", key: "a", by: 1.5 }), "then.0.by: must be of the type int"],
    [op({ op: "increment", key: "a", by: "1" }), "then.0.by: "],
    [op({ op: "increment", key: "a", by: 2 ** 53 }), "then.0.by: "],
    [op({ op: "increment", key: "a", by: null }), "then.0.by: "],
    [op({ op: "increment", key: "a", value: "1" }), "then.0: there is no value here"],
    [condition({}), 'the condition on "a" must have one of revision, '],
    [condition({ revision: 1, exists: true }), 'the condition on "a" must have one of '],
    [condition({ value: "", value_b64: "" }), 'the condition on "a" must have one of '],
    [condition({ revision: "1" }), "if.0.revision: "],
    [condition({ revision: 1.5 }), "if.0.revision: "],
    [condition({ revision: 2 ** 53 }), "if.0.revision: "],
    [condition({ exists: "true" }), "if.0.exists: "],
    [condition({ exists: null }), "if.0.exists: "],
    [condition({ value: 1 }), "if.0.value: "],
    [condition({ version: 1 }), "if.0: there is no version here"],
    [{ if: [{ exists: true }], then: [] }, "if.0.key: "],
    [{ then: [], else: [{ op: "get", key: "a" }, { op: "x" }] }, "else.1.op: "],
    // Texts that are no Unicode.
    [op({ op: "get", key: "\ud800" }), "then.0.key: is no Unicode text"],
    [op({ op: "get", key: "a\udc00b" }), "then.0.key: is no Unicode text"],
    [op({ op: "put", key: "a", value: "\udfff\ud800" }), "then.0.value: is no Unicode text"],
    [op({ op: "delete_prefix", prefix: "\udbff" }), "then.0.prefix: is no Unicode text"],
    [op({ op: "put", key: "a", value: "", lease: "\ud800" }), "then.0.lease: is no Unicode text"],
    [{ if: [{ key: "\ud800", exists: true }], then: [] }, "if.0.key: is no Unicode text"],
    [condition({ value: "\ud800" }), "if.0.value: is no Unicode text"],
  ];

  test.each(titled(refused))("%s is refused", async (_, body, words) => {
    const store = await storeAt4();
    const problem = await problemIn(await store.transact(body));
    expect(problem).toMatchObject({ status: 400, code: "bad_body", outcome: "not_applied" });
    expect(problem.detail.slice(0, words.length)).toBe(words);
    expect(await store.revision()).toBe(4);
  });

  test.each<[string, string | Uint8Array]>([
    ["nothing", ""],
    ["no JSON", "then"],
    ["half of JSON", '{"then":['],
    ["JSON and more", '{"then":[]}}'],
    ["a trailing comma", '{"then":[],}'],
    ["a comment", '{"then":[]} // all'],
    ["UTF-16", new Uint8Array([0xff, 0xfe, 0x7b, 0, 0x7d, 0])],
    ["a byte that is no UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
    ["a surrogate in UTF-8", new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["brackets without end", "[".repeat(500_000)],
    ["brackets in brackets", `{"then":${"[".repeat(400_000)}${"]".repeat(400_000)}}`],
    ["a name of all objects", '{"then":[],"__proto__":{}}'],
    ["the same in an operation", '{"then":[{"op":"get","key":"a","__proto__":{}}]}'],
    ["a number beyond all", '{"then":[{"op":"increment","key":"a","by":1e999}]}'],
  ])("of %s is refused", async (_, body) => {
    const store = new StoreUnderTest();
    expect(await lineOf(await store.send("POST", "/txn", { body }))).toBe("400 bad_body");
    expect(await lineOf(await store.send("POST", "/get", { body }))).toBe("400 bad_body");
  });

  test("may begin with a mark of bytes' order, and be of any content type", async () => {
    const store = new StoreUnderTest();
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const body = '\u{feff}\n{ "then" : [ ] }\n';
    expect((await store.send("POST", "/txn", { body, headers })).status).toBe(200);
  });

  test.each(
    titled([
      ["", "400 bad_key"],
      [".", "400 bad_key"],
      ["a/../b", "400 bad_key"],
      ["k".repeat(2049), "414 key_too_long"],
      ["€".repeat(683), "414 key_too_long"],
      ["k".repeat(100_000), "414 key_too_long"],
      ["k".repeat(2048), "200"],
      [`${"€".repeat(682)}kk`, "200"],
      ["...", "200"],
      ["\0", "200"],
    ]),
  )("may name the key %s, or not", async (_, key, line) => {
    const store = new StoreUnderTest();
    for (const body of [
      op({ op: "get", key }),
      op({ op: "put", key, value: "" }),
      op({ op: "delete", key }),
      op({ op: "increment", key }),
      { if: [{ key, exists: false }], then: [], else: [] },
      { then: [], else: [{ op: "get", key }] },
    ]) {
      expect(await lineOf(await store.transact(body))).toBe(line);
    }
    const body = JSON.stringify({ keys: [key] });
    expect(await lineOf(await store.send("POST", "/get", { body }))).toBe(line);
  });

  test.each([
    [128, "200"],
    [129, "400 bad_body"],
    [100_000, "400 bad_body"],
  ])("may have lists of %d: %s", async (count, line) => {
    const store = new StoreUnderTest();
    const gets = many(count, () => ({ op: "get", key: "a" }));
    const conditions = many(count, () => ({ key: "a", exists: false }));
    for (const body of [
      { then: gets },
      { then: [], else: gets },
      { if: conditions, then: [] },
      { then: many(count, (i) => ({ op: "put", key: `k${i}`, value: "" })) },
    ]) {
      // Longer ones reach another limit first.
      if (JSON.stringify(body).length > maxBodyBytes) continue;
      expect(await lineOf(await store.transact(body))).toBe(line);
    }
    const body = JSON.stringify({ keys: many(count, () => "a") });
    expect(await lineOf(await store.send("POST", "/get", { body }))).toBe(line);
  });

  test("may have all of all lists", async () => {
    const store = new StoreUnderTest();
    const answer = await answerTo(store, {
      if: many(128, (i) => ({ key: `k${i}`, revision: 0 })),
      then: many(128, (i) => ({ op: "put", key: `k${i}`, value: "x" })),
      else: many(128, (i) => ({ op: "delete", key: `k${i}` })),
    });
    expect(answer.revision).toBe(1);
    expect(await everything(store)).toHaveLength(128);
  });

  test("may have 1 MiB, and not a byte more", async () => {
    const store = new StoreUnderTest();
    for (const [path, body] of [
      ["/txn", '{"then":[{"op":"get","key":"a"}]}'],
      ["/get", '{"keys":["a"]}'],
    ] as const) {
      const full = body.padEnd(maxBodyBytes);
      expect(await lineOf(await store.send("POST", path, { body: full }))).toBe("200");
      const response = await store.send("POST", path, { body: `${full} ` });
      expect(await lineOf(response)).toBe("413 body_too_large");
    }
  });

  test.each([
    ["text", "value", '{"then":[{"op":"put","key":"a","value":""}]}', "x"],
    ["base64", "value_b64", '{"then":[{"op":"put","key":"a","value_b64":""}]}', "A"],
  ])("may be one value, as %s", async (_, name, body, char) => {
    const store = new StoreUnderTest();
    const length = maxBodyBytes - body.length;
    const value = char.repeat(name === "value" ? length : length - (length % 4));
    const response = await store.transact({ then: [{ op: "put", key: "a", [name]: value }] });
    expect(await lineOf(response)).toBe("200");
    const size = name === "value" ? value.length : (value.length / 4) * 3;
    expect((await store.get("a")).headers.get("Content-Length")).toBe(String(size));
  });

  test("may be keys and conditions to the brim: what it becomes still fits into a row", async () => {
    const store = new StoreUnderTest();
    const key = (i: number): string => `${String(i).padStart(3, "0")}${"k".repeat(2045)}`;
    const body = {
      if: many(128, (i) => ({ key: key(i), exists: false })),
      then: many(128, (i) => ({ op: "put", key: key(i), value: "", metadata: "m".repeat(1022) })),
      else: many(128, (i) => ({ op: "delete_prefix", prefix: key(i) })),
    };
    expect(JSON.stringify(body).length).toBeLessThan(maxBodyBytes);
    expect(await lineOf(await store.transact(body))).toBe("200");
  });
});

describe("what a transaction reads", () => {
  const half = 512 * 1024;

  test.each([
    ["just fits into 1 MiB", half, half, [true, true]],
    ["is a byte more", half, half + 1, [true, false]],
  ])("and %s", async (_, first, second, given) => {
    const store = new StoreUnderTest();
    await store.put("a", "x".repeat(first));
    await store.put("b", "y".repeat(second));
    await store.put("c", "");
    const gets = ["a", "b", "c"].map((key) => ({ op: "get", key }));
    const written = await answerTo(store, { then: [...gets, { op: "put", key: "z", value: "" }] });
    const read = await answerTo(store, { then: gets });
    const body = JSON.stringify({ keys: ["a", "b", "c"] });
    const { keys } = await jsonIn<{ keys: Answer["results"] }>(
      await store.send("POST", "/get", { body }),
    );
    for (const results of [written.results, read.results, keys]) {
      const has = results.slice(0, 2).map((result) => result["value"] !== undefined);
      expect(has).toEqual(given);
      const omitted = results.map((result) => result["omitted"]);
      expect(omitted.slice(0, 3)).toEqual([undefined, given[1] ? undefined : true, undefined]);
      expect(results[1]).toMatchObject({ found: true, size: second });
      // What fits later is still given.
      expect(results[2]).toMatchObject({ found: true, value: "" });
    }
  });
});

describe("a get of many", () => {
  test("answers in the order of the keys, as of one revision", async () => {
    const store = await storeAt4();
    const body = JSON.stringify({ keys: ["n", "z", "a", "n"] });
    const response = await store.send("POST", "/get", { body });
    expect(response.headers.get("KV-Revision")).toBe("4");
    expect(response.headers.get("KV-Consistency")).toBe("linearizable");
    expect(await jsonIn(response)).toMatchObject({
      revision: 4,
      keys: [
        { name: "n", found: true, value: "41", revision: 2 },
        { name: "z", found: false },
        { name: "a", found: true, value: "old", revision: 1, metadata: { n: 1 } },
        { name: "n", found: true, value: "41" },
      ],
    });
  });

  test("of none is fine", async () => {
    const response = await new StoreUnderTest().send("POST", "/get", { body: '{"keys":[]}' });
    expect(await jsonIn(response)).toEqual({ keys: [], revision: 0 });
  });

  test.each([
    ["{}", "keys: "],
    ['{"keys":null}', "keys: "],
    ['{"keys":"a"}', "keys: "],
    ['{"keys":[1]}', "keys.0: "],
    ['{"keys":["a",null]}', "keys.1: "],
    ['{"keys":["\\ud800"]}', "keys.0: is no Unicode text"],
    ['{"keys":[],"values":true}', "the body: there is no values here"],
    ["[]", "the body: "],
  ])("of %s is refused", async (body, words) => {
    const problem = await problemIn(await new StoreUnderTest().send("POST", "/get", { body }));
    expect(problem).toMatchObject({ status: 400, code: "bad_body" });
    expect(problem.detail.slice(0, words.length)).toBe(words);
  });
});
