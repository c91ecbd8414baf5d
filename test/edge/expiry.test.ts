import { describe, expect, test } from "vitest";
import { problemIn } from "./edge-under-test.ts";
import {
  StoreUnderTest,
  jsonIn,
  lineOf,
  onRealStores,
  startMs,
  titled,
} from "./store-under-test.ts";

onRealStores();

const startS = startMs / 1000;
const maxTtlS = 3660 * 86_400;
const bad = "400 bad_parameter";

const expiresOf = async (store: StoreUnderTest, key = "a"): Promise<number | null> => {
  const expires = (await store.get(key)).headers.get("KV-Expires");
  return expires === null ? null : Number(expires);
};

/** How many keys a list names, and a count counts. */
async function listed(store: StoreUnderTest): Promise<number> {
  const { keys } = await jsonIn<{ keys: object[] }>(await store.send("GET", "/keys?limit=1000"));
  const { count } = await jsonIn<{ count: number }>(await store.send("GET", "/keys?count"));
  expect(count).toBe(keys.length);
  return count;
}

describe("a time to live", () => {
  test.each([
    ["1", 1],
    ["1s", 1],
    ["1000ms", 1],
    ["1000.9ms", 1],
    ["1.5", 1.5],
    ["1.0005s", 1],
    ["0.5m", 30],
    ["5m", 300],
    ["2h", 7200],
    ["7d", 604_800],
    ["0000000060", 60],
    ["3660d", maxTtlS],
    [`${maxTtlS}`, maxTtlS],
    [`${maxTtlS}000ms`, maxTtlS],
  ])("of %s is %d s", async (ttl, seconds) => {
    const store = new StoreUnderTest();
    expect((await store.send("PUT", `/keys/a?ttl=${ttl}`)).status).toBe(201);
    expect(await expiresOf(store)).toBe(startS + seconds);
  });

  test.each([
    "",
    "0",
    "0.999",
    "999ms",
    "999.999ms",
    `${maxTtlS + 1}`,
    `${maxTtlS}.001`,
    `${maxTtlS}001ms`,
    "3661d",
    "9999999999999",
    "-1",
    "+1",
    "%2B1",
    "1e3",
    "0x10",
    "1w",
    "1S",
    "1 s",
    "%201",
    "1%0A",
    "1.",
    ".5m",
    "1,5",
    "NaN",
    "Infinity",
    "١٠",
    "forever",
  ])("of %j is refused", async (ttl) => {
    const store = new StoreUnderTest();
    expect(await lineOf(await store.send("PUT", `/keys/a?ttl=${ttl}`))).toBe(bad);
    expect(await lineOf(await store.send("POST", `/leases?ttl=${ttl}`))).toBe(bad);
    expect(await store.valueOf("a")).toBeNull();
  });

  test("a lease has to have", async () => {
    expect(await lineOf(await new StoreUnderTest().send("POST", "/leases"))).toBe(bad);
  });
});

describe("a moment to expire at", () => {
  const now = startS;

  test.each([
    `${now + 1}`,
    `${now}.001`,
    `${now + 1}.5`,
    `${now + 1}.123456`,
    `${now + maxTtlS}`,
    `${now + maxTtlS - 1}.999999`,
  ])("may be %s", async (expires) => {
    const store = new StoreUnderTest();
    expect((await store.send("PUT", `/keys/a?expires=${expires}`)).status).toBe(201);
    expect(await expiresOf(store)).toBe(Math.floor(Number(expires) * 1000) / 1000);
  });

  test.each([
    "",
    "0",
    "-1",
    `${now - 1}`,
    `${now}`,
    `${now}.0009`,
    `${now + maxTtlS}.001`,
    `${now + maxTtlS + 1}`,
    `${startMs + 1000}`,
    `${now + 1}s`,
    "2027-01-02",
    "1e12",
    "NaN",
  ])("may not be %j", async (expires) => {
    const store = new StoreUnderTest();
    expect(await lineOf(await store.send("PUT", `/keys/a?expires=${expires}`))).toBe(bad);
    expect(await store.valueOf("a")).toBeNull();
  });
});

test.each([
  "ttl=5&expires=1800000000",
  "ttl=5&lease=1",
  "expires=1800000000&lease=1",
  "ttl=5&expires=1800000000&lease=1",
  "ttl=&lease=",
  "ttl=5&ttl=5",
])("a value goes for one reason only: %s is refused", async (query) => {
  const store = new StoreUnderTest();
  expect(await lineOf(await store.send("PUT", `/keys/a?${query}`))).toBe(bad);
});

test.each(["ttl=5", "expires=1800000000", "lease=1"])("%s is for puts only", async (query) => {
  const store = new StoreUnderTest();
  for (const method of ["GET", "DELETE"]) {
    expect(await lineOf(await store.send(method, `/keys/a?${query}`))).toBe(bad);
  }
  expect(await lineOf(await store.send("POST", `/txn?${query}`))).toBe(bad);
});

test.each(
  titled(["1", "", "0", "abc", "%00", "😀", "1".repeat(2000)].map((each) => [each] as const)),
)("a lease that there is not is named in vain: %s", async (_, lease) => {
  const store = new StoreUnderTest();
  const path = `/keys/a?lease=${lease}`;
  expect(await lineOf(await store.send("PUT", path))).toBe("404 lease_not_found");
  expect(await store.valueOf("a")).toBeNull();
});

describe("in a transaction", () => {
  const put = (store: StoreUnderTest, wish: object): Promise<Response> =>
    store.transact({ then: [{ op: "put", key: "a", value: "x", ...wish }] });

  test.each([
    [{ ttl: 1 }, startS + 1],
    [{ ttl: 1.5 }, startS + 1.5],
    [{ ttl: "90s" }, startS + 90],
    [{ ttl: maxTtlS }, startS + maxTtlS],
    [{ expires: startS + 0.001 }, startS + 0.001],
    [{ expires: startS + maxTtlS }, startS + maxTtlS],
    // As Python tells the time.
    [{ expires: 1_798_761_700.1234567 }, 1_798_761_700.123],
  ])("%o is understood", async (wish, expires) => {
    const store = new StoreUnderTest();
    expect(await lineOf(await put(store, wish))).toBe("200");
    expect(await expiresOf(store)).toBe(expires);
  });

  test.each(
    titled(
      [
        { ttl: 0 },
        { ttl: 0.999 },
        { ttl: -1 },
        { ttl: 1e21 },
        { ttl: maxTtlS + 1 },
        { ttl: "soon" },
        { ttl: null },
        { ttl: [1] },
        { ttl: true },
        { expires: startS },
        { expires: startMs },
        { expires: startS + maxTtlS + 1 },
        { expires: String(startS + 1) },
        { expires: null },
        { expires: -1 },
        { lease: 1 },
        { lease: null },
        { lease: "\ud800" },
        { lease: "1".repeat(100_000) },
        { ttl: 1, expires: startS + 1 },
        { ttl: 1, lease: "1" },
      ].map((each) => [each] as const),
    ),
  )("%s is refused", async (_, wish) => {
    const store = new StoreUnderTest();
    expect(await lineOf(await put(store, wish))).toBe("400 bad_body");
    expect(await store.valueOf("a")).toBeNull();
  });

  test("a lease that there is not is told with the operation that names it", async () => {
    const store = new StoreUnderTest();
    const then = [
      { op: "put", key: "b", value: "" },
      { op: "put", key: "a", value: "", lease: "7" },
    ];
    const problem = await problemIn(await store.transact({ then }));
    expect(problem).toMatchObject({ status: 404, code: "lease_not_found", operation: 1 });
    expect(await store.valueOf("b")).toBeNull();
  });
});

describe("a value whose time is over", () => {
  /** A store with one value, at revision 1, that lives for two seconds. */
  async function mortal(): Promise<StoreUnderTest> {
    const store = new StoreUnderTest();
    await store.send("PUT", "/keys/a?ttl=2s", { body: "x" });
    return store;
  }

  test("is there until then, and gone from then on, whether or not an alarm rang", async () => {
    for (const alarm of [true, false]) {
      const store = await mortal();
      store.pass(1999, { alarm });
      expect((await store.get("a")).status).toBe(200);
      store.pass(1, { alarm });
      const response = await store.get("a");
      expect(response.headers.get("KV-Revision")).toBe("2");
      expect(await lineOf(response)).toBe("404 key_not_found");
    }
  });

  test("goes with an alarm though nobody reads it", async () => {
    const store = await mortal();
    store.pass(2000);
    const { machine } = store.store.driver;
    await expect.poll(() => machine.state.revision).toBe(2);
    expect(machine.dueMs).toBeNull();
  });

  /** Ways to learn that it is gone, first of all. */
  const ways: Readonly<Record<string, (store: StoreUnderTest) => Promise<unknown>>> = {
    "a get": async (store) => (await store.get("a")).status === 404,
    "a head": async (store) => (await store.send("HEAD", "/keys/a")).status === 404,
    "a list and a count": async (store) => (await listed(store)) === 0,
    "a get of many": async (store) => {
      const body = JSON.stringify({ keys: ["a"] });
      const { keys } = await jsonIn<{ keys: { found: boolean }[] }>(
        await store.send("POST", "/get", { body }),
      );
      return !keys[0]!.found;
    },
    "a transaction that only reads": async (store) => {
      const answer = await store.transact({ if: [{ key: "a", exists: false }], then: [] });
      return answer.status === 200;
    },
    "a transaction that writes": async (store) => {
      const then = [{ op: "put", key: "b", value: "" }];
      const answer = await store.transact({ if: [{ key: "a", revision: 0 }], then });
      return answer.status === 200;
    },
    "a put that creates": async (store) =>
      (await store.put("a", "new", { "If-None-Match": "*" })).status === 201,
    "a put": async (store) => (await store.put("a", "new")).status === 201,
    "a put on what was": async (store) =>
      (await store.put("a", "new", { "If-Match": '"1"' })).status === 412,
    "a delete": async (store) => (await store.delete("a")).headers.get("KV-Deleted") === "0",
    "a delete of many": async (store) => {
      const response = await store.send("DELETE", "/keys?prefix=");
      return (await jsonIn<{ deleted: number }>(response)).deleted === 0;
    },
    "an increment": async (store) => {
      const response = await store.transact({ then: [{ op: "increment", key: "a" }] });
      return (await response.text()).includes('"value":1');
    },
  };

  test.each(Object.entries(ways))("is gone for %s, at that very moment", async (_, isGone) => {
    const store = await mortal();
    store.pass(2000, { alarm: false });
    expect(await isGone(store)).toBe(true);
    const late = await mortal();
    late.pass(3_600_000, { alarm: false });
    expect(await isGone(late)).toBe(true);
    const early = await mortal();
    early.pass(1999, { alarm: false });
    expect(await isGone(early)).toBe(false);
  });

  test("is created anew by the next put", async () => {
    const store = await mortal();
    await store.put("a");
    store.pass(2000);
    const { headers } = await store.get("a");
    expect(headers.get("KV-Version")).toBe("2");
    await store.send("PUT", "/keys/b?ttl=1s");
    store.pass(1000);
    expect((await store.put("b")).status).toBe(201);
    const anew = (await store.get("b")).headers;
    expect(anew.get("KV-Version")).toBe("1");
    // 3 was the put of b, 4 its end, and 5 the put after that.
    expect([anew.get("KV-Revision"), anew.get("KV-Create-Revision")]).toEqual(["5", "5"]);
    expect(anew.get("KV-Expires")).toBeNull();
  });

  test("never comes back, however far the clock is set back", async () => {
    const store = await mortal();
    store.pass(2000);
    expect(await store.valueOf("a")).toBeNull();
    store.pass(-3_600_000);
    expect(await store.valueOf("a")).toBeNull();
    expect(await listed(store)).toBe(0);
    store.store.restart();
    expect(await store.valueOf("a")).toBeNull();
  });

  test("is gone for good once one reader was told, though no alarm rang", async () => {
    const store = await mortal();
    store.pass(2000, { alarm: false });
    expect(await store.valueOf("a")).toBeNull();
    store.pass(-1500, { alarm: false });
    expect(await store.valueOf("a")).toBeNull();
  });

  test("is gone after a restart", async () => {
    const store = await mortal();
    store.pass(2000, { alarm: false });
    store.store.restart();
    expect(await store.valueOf("a")).toBeNull();
  });

  test("does not take others along", async () => {
    const store = await mortal();
    await store.send("PUT", "/keys/b?ttl=2001ms");
    await store.put("c");
    store.pass(2000);
    expect(await listed(store)).toBe(2);
    store.pass(1);
    expect(await listed(store)).toBe(1);
  });

  test("goes with all others of the same moment, at one revision", async () => {
    const store = new StoreUnderTest();
    for (const key of ["a", "b", "c"]) await store.send("PUT", `/keys/${key}?ttl=5`);
    store.pass(5000);
    expect(await listed(store)).toBe(0);
    expect(await store.revision()).toBe(4);
  });

  test("is in no list, though so many end at once that it takes several steps", async () => {
    const store = new StoreUnderTest();
    const keys = Array.from({ length: 600 }, (_, i) => `k${i}`);
    for (let i = 0; i < keys.length; i += 100) {
      const then = keys.slice(i, i + 100).map((key) => ({ op: "put", key, value: "", ttl: "10s" }));
      expect((await store.transact({ then })).status).toBe(200);
    }
    expect(await listed(store)).toBe(600);
    store.pass(10_000, { alarm: false });
    expect(await listed(store)).toBe(0);
  });
});

describe("the time of a value", () => {
  test("begins anew with each put", async () => {
    const store = new StoreUnderTest();
    await store.send("PUT", "/keys/a?ttl=10s");
    store.pass(9000);
    await store.send("PUT", "/keys/a?ttl=10s");
    expect(await expiresOf(store)).toBe(startS + 19);
    store.pass(9999);
    expect((await store.get("a")).status).toBe(200);
    store.pass(1);
    expect((await store.get("a")).status).toBe(404);
  });

  test("ends with a put that says nothing of it", async () => {
    const store = new StoreUnderTest();
    await store.send("PUT", "/keys/a?ttl=10s");
    await store.put("a");
    expect(await expiresOf(store)).toBeNull();
    store.pass(86_400_000);
    expect((await store.get("a")).status).toBe(200);
  });

  test("is kept by an increment", async () => {
    const store = new StoreUnderTest();
    await store.send("PUT", "/keys/a?ttl=10s", { body: "1" });
    store.pass(5000);
    await store.transact({ then: [{ op: "increment", key: "a" }] });
    expect(await expiresOf(store)).toBe(startS + 10);
    store.pass(5000);
    expect((await store.get("a")).status).toBe(404);
  });

  test("is kept by a put that is refused", async () => {
    const store = new StoreUnderTest();
    await store.send("PUT", "/keys/a?ttl=10s");
    await store.put("a", "new", { "If-None-Match": "*" });
    expect(await expiresOf(store)).toBe(startS + 10);
  });

  test("outlasts a restart", async () => {
    const store = new StoreUnderTest();
    await store.send("PUT", "/keys/a?ttl=10s");
    store.store.restart();
    store.pass(9999);
    expect(await expiresOf(store)).toBe(startS + 10);
    store.pass(1);
    expect((await store.get("a")).status).toBe(404);
  });

  test("is told in lists and in gets of many", async () => {
    const store = new StoreUnderTest();
    await store.send("PUT", "/keys/a?ttl=1500ms");
    const body = JSON.stringify({ keys: ["a"] });
    for (const answer of [
      await store.send("GET", "/keys"),
      await store.send("POST", "/get", { body }),
    ]) {
      const { keys } = await jsonIn<{ keys: { expires: number }[] }>(answer);
      expect(keys[0]?.expires).toBe(startS + 1.5);
    }
  });

  test("goes on from what the group was told, when the clock is set back", async () => {
    const store = new StoreUnderTest();
    await store.send("PUT", "/keys/a?ttl=10s");
    store.pass(-3_600_000);
    store.pass(9999);
    expect((await store.get("a")).status).toBe(200);
    await store.send("PUT", "/keys/b?ttl=1s");
    expect(await expiresOf(store, "b")).toBe(startS + 10.999);
    store.pass(1);
    expect((await store.get("a")).status).toBe(404);
    expect((await store.get("b")).status).toBe(200);
    store.pass(999);
    expect((await store.get("b")).status).toBe(404);
  });
});
