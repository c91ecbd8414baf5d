import { describe, expect, test } from "vitest";
import { problemIn } from "./edge-under-test.ts";
import {
  type Sent,
  StoreUnderTest,
  jsonIn,
  lineOf,
  onRealStores,
  titled,
} from "./store-under-test.ts";

onRealStores();

const dayMs = 24 * 60 * 60 * 1000;

/** All that an answer says, but for up to where its replica has come. */
async function wordsOf(response: Response) {
  const {
    "idempotency-replayed": replayed = null,
    "kv-bookmark": _,
    ...headers
  } = Object.fromEntries(response.headers);
  return { answer: { status: response.status, headers, body: await response.text() }, replayed };
}

/** Puts with a key, of another body each time: so whether it is the same key shows. */
async function putWith(store: StoreUnderTest, name: string, body = "x"): Promise<string> {
  const response = await store.put("a", body, { "Idempotency-Key": name });
  const line = await lineOf(response);
  return response.headers.has("Idempotency-Replayed") ? `${line} again` : line;
}

describe("an idempotency key", () => {
  test.each(
    titled([
      ["abc", '"abc"'],
      ["a b", '"a b"'],
      ['a"b', '"a\\"b"'],
      ["a\\b", '"a\\\\b"'],
      ['\\"', '"\\\\\\""'],
      ['"', '"\\""'],
      ["8e03978e-40d5-43dd-bc93-6894a57f9324", '"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
      ["!~", '"!~"'],
      ["k".repeat(255), `"${"k".repeat(255)}"`],
      ['"'.repeat(255), `"${'\\"'.repeat(255)}"`],
      ["abc", " abc\t"],
    ]),
  )("%s is the same in quotes", async (_, bare, quoted) => {
    const store = new StoreUnderTest();
    expect(await putWith(store, bare)).toBe("201");
    expect(await putWith(store, quoted)).toBe("201 again");
    expect(await store.revision()).toBe(1);
  });

  test.each([
    ["abc", "abd"],
    ["abc", "ABC"],
    ["abc", "abcd"],
    ["a b", "a  b"],
    ["abc", "'abc'"],
    ["abc", '"abc'],
    ["abc", 'abc"'],
    ["abc", '"abc"; p=1'],
    ["a\\x", '"a\\x"'],
    ["abc", '"a"b"c"'],
  ])("%s is another than %s", async (one, other) => {
    const store = new StoreUnderTest();
    expect(await putWith(store, one)).toBe("201");
    expect(await putWith(store, other)).toBe("200");
  });

  test.each([
    ["nothing", ""],
    ["nothing in quotes", '""'],
    ["256 characters", "k".repeat(256)],
    ["256 characters in quotes", `"${"k".repeat(256)}"`],
    ["254 characters and a quote on one side", `"${"k".repeat(255)}`],
    ["characters beyond ASCII", "é"],
    ["bytes beyond ASCII", "a\x80"],
    ["a tab", "a\tb"],
    ["a DEL", "a\x7f"],
  ])("of %s is refused by every write", async (_, name) => {
    const store = new StoreUnderTest();
    const headers = { "Idempotency-Key": name };
    const answers = [
      await store.put("a", "x", headers),
      await store.delete("a", headers),
      await store.send("DELETE", "/keys?prefix=", { headers }),
      await store.transact({ then: [] }, headers),
      await store.send("POST", "/leases?ttl=5", { headers }),
      await store.send("PUT", "/leases/1", { headers }),
      await store.send("DELETE", "/leases/1", { headers }),
    ];
    const lines = await Promise.all(answers.map(lineOf));
    expect(new Set(lines)).toEqual(new Set(["400 bad_idempotency_key"]));
    expect(await store.revision()).toBe(0);
  });

  test.each(["", "é", "k"])("is no matter to a read: %j", async (name) => {
    const store = new StoreUnderTest();
    await store.put("a");
    const headers = { "Idempotency-Key": name };
    const body = JSON.stringify({ keys: ["a"] });
    for (const answer of [
      await store.get("a", headers),
      await store.send("GET", "/keys", { headers }),
      await store.send("POST", "/get", { headers, body }),
    ]) {
      expect([answer.status, answer.headers.has("Idempotency-Replayed")]).toEqual([200, false]);
    }
  });
});

interface Write extends Sent {
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

const transaction = (body: object): Pick<Write, "method" | "path" | "body"> => ({
  method: "POST",
  path: "/txn",
  body: JSON.stringify(body),
});

/** Writes to a store where `a` is at revision 2 and lives on lease 1, and `n` is a number. */
const writes: Readonly<Record<string, Write>> = {
  "a put that creates": { method: "PUT", path: "/keys/b", body: "x", status: 201 },
  "a put that replaces": { method: "PUT", path: "/keys/a", body: "x", status: 200 },
  "a put with all there is": {
    method: "PUT",
    path: "/keys/b?ttl=1h",
    body: "x",
    headers: { "Content-Type": "text/plain", "KV-Metadata": "1", "If-None-Match": "*" },
    status: 201,
  },
  "a put on a condition that holds": {
    method: "PUT",
    path: "/keys/a",
    headers: { "If-Match": '"2"' },
    status: 200,
  },
  "a put on a condition that does not": {
    method: "PUT",
    path: "/keys/a",
    headers: { "If-Match": '"7"' },
    status: 412,
  },
  "a put on a value that there is not": {
    method: "PUT",
    path: "/keys/b",
    headers: { "If-Match": "*" },
    status: 412,
  },
  "a put with a lease that there is not": { method: "PUT", path: "/keys/b?lease=99", status: 404 },
  "a delete": { method: "DELETE", path: "/keys/a", status: 204 },
  "a delete of nothing": { method: "DELETE", path: "/keys/b", status: 204 },
  "a delete on a condition that does not hold": {
    method: "DELETE",
    path: "/keys/a",
    headers: { "If-None-Match": "*" },
    status: 412,
  },
  "a delete of many": { method: "DELETE", path: "/keys?prefix=&limit=1", status: 200 },
  "a grant": { method: "POST", path: "/leases?ttl=5", status: 200 },
  "a keep-alive": { method: "PUT", path: "/leases/1", status: 200 },
  "a keep-alive of nothing": { method: "PUT", path: "/leases/99", status: 404 },
  "a revocation": { method: "DELETE", path: "/leases/1", status: 200 },
  "a revocation of nothing": { method: "DELETE", path: "/leases/99", status: 404 },
  "a transaction that changes much": {
    ...transaction({
      then: [
        { op: "put", key: "b", value: "x" },
        { op: "get", key: "a" },
        { op: "increment", key: "n" },
        { op: "delete", key: "a" },
        { op: "get", key: "a" },
        { op: "delete_prefix", prefix: "n" },
      ],
    }),
    status: 200,
  },
  "a transaction that reads": {
    ...transaction({ then: [{ op: "get", key: "a" }] }),
    status: 200,
  },
  "a transaction that does the other thing": {
    ...transaction({
      if: [{ key: "b", exists: true }],
      then: [],
      else: [{ op: "get", key: "a" }],
    }),
    status: 200,
  },
  "a transaction on a condition that does not hold": {
    ...transaction({ if: [{ key: "b", exists: true }], then: [{ op: "delete", key: "a" }] }),
    status: 412,
  },
  "a transaction that cannot be": {
    ...transaction({ then: [{ op: "increment", key: "a" }] }),
    status: 409,
  },
};

async function storeFor(): Promise<StoreUnderTest> {
  const store = new StoreUnderTest();
  await store.send("POST", "/leases?ttl=1h");
  await store.put("n", "1");
  await store.send("PUT", "/keys/a?lease=1", { body: "old", headers: { "KV-Metadata": "{}" } });
  return store;
}

describe.each(Object.entries(writes))("%s", (_, { method, path, status, headers, body }) => {
  const named = { ...headers, "Idempotency-Key": "k" };
  const send = (store: StoreUnderTest, name = "k"): Promise<Response> => {
    const init = { headers: { ...named, "Idempotency-Key": name } };
    return store.send(method, path, body === undefined ? init : { ...init, body });
  };

  test(`that is asked for again is answered ${status} again, as it was`, async () => {
    const store = await storeFor();
    const first = await wordsOf(await send(store));
    expect([first.answer.status, first.replayed]).toEqual([status, null]);
    // What happens meanwhile is no matter, nor is a restart.
    await store.put("a", "meanwhile");
    await store.put("b", "meanwhile");
    store.pass(60_000);
    store.store.restart();
    const { revision, sequence } = store.store.driver.machine.state;
    const second = await wordsOf(await send(store));
    expect(second.replayed).toBe("true");
    expect(second.answer).toEqual(first.answer);
    const { state } = store.store.driver.machine;
    expect([state.revision, state.sequence]).toEqual([revision, sequence]);
  });

  test("is done again under another key, and without one", async () => {
    const store = await storeFor();
    await send(store);
    const { sequence } = store.store.driver.machine.state;
    expect((await send(store, "k2")).headers.has("Idempotency-Replayed")).toBe(false);
    expect(store.store.driver.machine.state.sequence).toBe(sequence + 1);
  });

  test("that is told to wait less or more is still the same", async () => {
    const store = await storeFor();
    await send(store);
    for (const timeout of ["timeout=4s", "timeout=100"]) {
      const longer = `${path}${path.includes("?") ? "&" : "?"}${timeout}`;
      const init = body === undefined ? { headers: named } : { headers: named, body };
      const again = await store.send(method, longer, init);
      expect([again.status, again.headers.get("Idempotency-Replayed")]).toEqual([status, "true"]);
    }
  });

  test("is not replaced by another write of the same key", async () => {
    const store = await storeFor();
    await send(store);
    const revision = await store.revision();
    const other = await store.put("z", "x", { "Idempotency-Key": "k" });
    expect(await lineOf(other)).toBe("422 idempotency_key_reused");
    expect(await store.revision()).toBe(revision);
    expect((await send(store)).headers.get("Idempotency-Replayed")).toBe("true");
  });
});

describe("a key that stands for", () => {
  const original: Write = {
    method: "PUT",
    path: "/keys/a?ttl=60",
    body: "x",
    headers: { "Content-Type": "text/plain", "KV-Metadata": "1", "If-None-Match": "*" },
    status: 201,
  };

  /** What differs in the second request. */
  const others: Readonly<Record<string, Partial<Write>>> = {
    "another body": { body: "y" },
    "an empty body": { body: "" },
    "a longer body": { body: "xx" },
    "another content type": { headers: { ...original.headers, "Content-Type": "text/html" } },
    "other metadata": { headers: { ...original.headers, "KV-Metadata": "2" } },
    "no metadata": { headers: { "Content-Type": "text/plain", "If-None-Match": "*" } },
    "no condition": { headers: { "Content-Type": "text/plain", "KV-Metadata": "1" } },
    "another condition": {
      headers: { "Content-Type": "text/plain", "KV-Metadata": "1", "If-Match": "*" },
    },
    "another key": { path: "/keys/b?ttl=60" },
    "another time to live": { path: "/keys/a?ttl=61" },
    "no time to live": { path: "/keys/a" },
    "another method": { method: "DELETE", path: "/keys/a", headers: {} },
    "another path": { method: "POST", path: "/leases?ttl=60", headers: {} },
  };

  test.each(Object.entries(others))("%s is refused", async (_, other) => {
    const store = new StoreUnderTest();
    const send = ({ method, path, body = "", headers = {} }: Write): Promise<Response> => {
      const carried = method === "PUT" ? { body } : {};
      return store.send(method, path, {
        headers: { ...headers, "Idempotency-Key": "k" },
        ...carried,
      });
    };
    expect((await send(original)).status).toBe(201);
    const problem = await problemIn(await send({ ...original, ...other }));
    expect(problem).toMatchObject({
      status: 422,
      code: "idempotency_key_reused",
      outcome: "not_applied",
      retryable: false,
    });
    expect(await store.revision()).toBe(1);
    const again = await send(original);
    expect([again.status, again.headers.get("Idempotency-Replayed")]).toEqual([201, "true"]);
  });

  test("a transaction is taken byte by byte", async () => {
    const store = new StoreUnderTest();
    const headers = { "Idempotency-Key": "k" };
    const body = '{"then":[{"op":"put","key":"a","value":"x"}]}';
    expect((await store.send("POST", "/txn", { headers, body })).status).toBe(200);
    const spaced = await store.send("POST", "/txn", { headers, body: `${body} ` });
    expect(await lineOf(spaced)).toBe("422 idempotency_key_reused");
  });

  test("a request may be put to any replica", async () => {
    const store = new StoreUnderTest();
    const headers = { "Idempotency-Key": "k" };
    const first = await store.send("PUT", "/replicas/1/keys/a", { headers, body: "x" });
    expect(first.status).toBe(201);
    const again = await store.put("a", "x", headers);
    expect([again.status, again.headers.get("Idempotency-Replayed")]).toEqual([201, "true"]);
  });

  test("something in one namespace stands for nothing in another", async () => {
    const [one, other] = [new StoreUnderTest(), new StoreUnderTest()];
    expect(await putWith(one, "k")).toBe("201");
    expect(await putWith(other, "k", "y")).toBe("201");
  });
});

describe("an answer that is given again", () => {
  test("has the values that were read then", async () => {
    const store = new StoreUnderTest();
    await store.put("a", "old", { "Content-Type": "text/plain", "KV-Metadata": '{"n":1}' });
    await store.put("b", new Uint8Array([0xff, 0]));
    const then = [
      { op: "get", key: "a" },
      { op: "get", key: "b" },
      { op: "get", key: "c" },
      { op: "put", key: "a", value: "new" },
      { op: "get", key: "a" },
    ];
    const ask = async (): Promise<unknown> =>
      jsonIn(await store.transact({ then }, { "Idempotency-Key": "k" }));
    const first = await ask();
    expect(first).toMatchObject({
      results: [
        { value: "old", revision: 1, metadata: { n: 1 }, content_type: "text/plain" },
        { value_b64: "/wA=", revision: 2 },
        { found: false },
        { created: false },
        { value: "new", revision: 3, version: 2 },
      ],
    });
    for (const key of ["a", "b", "c"]) await store.put(key, "later");
    expect(await ask()).toEqual(first);
    await store.send("DELETE", "/keys?prefix=");
    expect(await ask()).toEqual(first);
  });

  test("tells of a lease as it was", async () => {
    const store = new StoreUnderTest();
    const headers = { "Idempotency-Key": "k" };
    const first = await jsonIn(await store.send("POST", "/leases?ttl=10s", { headers }));
    store.pass(60_000);
    expect(await jsonIn(await store.send("POST", "/leases?ttl=10s", { headers }))).toEqual(first);
    const other = await jsonIn(await store.send("POST", "/leases?ttl=10s"));
    expect(other).not.toEqual(first);
  });

  test("outlasts what was written", async () => {
    const store = new StoreUnderTest();
    const headers = { "Idempotency-Key": "k" };
    expect((await store.send("PUT", "/keys/a?ttl=1s", { headers })).status).toBe(201);
    store.pass(5000);
    expect(await store.valueOf("a")).toBeNull();
    const again = await store.send("PUT", "/keys/a?ttl=1s", { headers });
    expect([again.status, again.headers.get("ETag")]).toEqual([201, '"1"']);
    expect(await store.valueOf("a")).toBeNull();
  });
});

describe("a key is kept for a day", () => {
  test("and then stands for nothing", async () => {
    const store = new StoreUnderTest();
    expect(await putWith(store, "k")).toBe("201");
    store.pass(dayMs - 1);
    expect(await putWith(store, "k")).toBe("201 again");
    expect(await putWith(store, "k", "y")).toBe("422 idempotency_key_reused");
    store.pass(1);
    expect(await putWith(store, "k", "y")).toBe("200");
    expect(await putWith(store, "k", "y")).toBe("200 again");
    expect(await putWith(store, "k", "x")).toBe("422 idempotency_key_reused");
  });

  test("from when it was first used, however often it is used again", async () => {
    const store = new StoreUnderTest();
    expect(await putWith(store, "k")).toBe("201");
    for (let i = 0; i < 3; i++) {
      store.pass(dayMs / 4);
      expect(await putWith(store, "k")).toBe("201 again");
    }
    store.pass(dayMs / 4);
    expect(await putWith(store, "k")).toBe("200");
  });

  test("by the group's clock, which never goes back", async () => {
    const store = new StoreUnderTest();
    expect(await putWith(store, "k")).toBe("201");
    store.pass(dayMs);
    await store.send("POST", "/leases?ttl=5");
    store.pass(-dayMs);
    expect(await putWith(store, "k")).toBe("200");
  });

  test("each for itself", async () => {
    const store = new StoreUnderTest();
    await putWith(store, "k1");
    store.pass(dayMs / 2);
    await putWith(store, "k2");
    store.pass(dayMs / 2);
    expect(await putWith(store, "k2")).toBe("200 again");
    expect(await putWith(store, "k1")).toBe("200");
  });
});

describe("while a write is under way", () => {
  const headers = { "Idempotency-Key": "k" };

  /** A store that cannot commit anything, with one put under way, and how to let it. */
  async function busy() {
    const store = new StoreUnderTest();
    await store.put("other");
    const goOn = store.store.stall();
    const put = store.put("a", "x", headers);
    while (store.store.driver.openRequests === 0) await new Promise(setImmediate);
    return { store, put, goOn };
  }

  test("the same key is answered with 409, and may ask again", async () => {
    const { store, put, goOn } = await busy();
    for (const body of ["x", "y"]) {
      const problem = await problemIn(await store.put("a", body, headers));
      expect(problem).toMatchObject({
        status: 409,
        code: "idempotency_key_in_flight",
        outcome: "not_applied",
        retryable: true,
      });
    }
    goOn();
    expect((await put).status).toBe(201);
    expect(await putWith(store, "k")).toBe("201 again");
    expect(await store.revision()).toBe(2);
  });

  test("another key, and no key, are free to write", async () => {
    const { store, put, goOn } = await busy();
    const more = [store.put("b", "x", { "Idempotency-Key": "k2" }), store.put("c", "x")];
    while (store.store.driver.openRequests < 3) await new Promise(setImmediate);
    goOn();
    const answers = await Promise.all([put, ...more]);
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
  });

  test("a read is free", async () => {
    const { store, put, goOn } = await busy();
    expect((await store.get("other", headers)).status).toBe(200);
    goOn();
    await put;
  });
});

test("of many of one key at once, one takes effect", async () => {
  const store = new StoreUnderTest();
  const then = [{ op: "increment", key: "n" }];
  const one = async (): Promise<string> => {
    for (;;) {
      const response = await store.transact({ then }, { "Idempotency-Key": "k" });
      if (response.status === 200) return response.text();
      expect(await lineOf(response)).toBe("409 idempotency_key_in_flight");
    }
  };
  const answers = await Promise.all(Array.from({ length: 20 }, one));
  expect(new Set(answers).size).toBe(1);
  expect(await store.valueOf("n")).toBe("1");
});

test("a lease that was refused, since there were too many, can be asked for again", async () => {
  const store = new StoreUnderTest();
  store.store.disk.tamper(({ leases }) => {
    for (let i = 0; i < 10_000; i++) {
      leases.set(`t${i}`, { ttlMs: 1000, expiresMs: Date.now() + 1000 });
    }
  });
  store.store.restart();
  const headers = { "Idempotency-Key": "k" };
  const grant = (): Promise<Response> => store.send("POST", "/leases?ttl=1h", { headers });
  expect(await lineOf(await grant())).toBe("429 too_many_leases");
  store.pass(1000);
  // Retryable means that the very same request may succeed.
  expect(await lineOf(await grant())).toBe("200");
});
