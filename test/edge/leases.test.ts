import { describe, expect, test } from "vitest";
import { problemIn } from "./edge-under-test.ts";
import { StoreUnderTest, jsonIn, lineOf, onRealStores, startMs } from "./store-under-test.ts";

onRealStores();

interface Lease {
  readonly lease: string;
  readonly ttl: number;
  readonly expires: number;
}

const startS = startMs / 1000;
const gone = "404 lease_not_found";

const grant = async (store: StoreUnderTest, ttl = "10s"): Promise<Lease> =>
  jsonIn<Lease>(await store.send("POST", `/leases?ttl=${ttl}`));

/** A store with a lease of ten seconds, and keys that live as long as it. */
async function storeWith(...keys: string[]): Promise<{ store: StoreUnderTest; lease: string }> {
  const store = new StoreUnderTest();
  const { lease } = await grant(store);
  for (let i = 0; i < keys.length; i += 128) {
    const then = keys.slice(i, i + 128).map((key) => ({ op: "put", key, value: "x", lease }));
    expect(await lineOf(await store.transact({ then }))).toBe("200");
  }
  return { store, lease };
}

const named = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `k${String(i).padStart(4, "0")}`);

const countOf = async (store: StoreUnderTest): Promise<number> =>
  (await jsonIn<{ count: number }>(await store.send("GET", "/keys?count"))).count;

describe("a lease", () => {
  test("is granted for a time, and makes no revision", async () => {
    const store = new StoreUnderTest();
    const response = await store.send("POST", "/leases?ttl=90s");
    expect(response.headers.get("KV-Served-By")).toBe("1/leader/1");
    expect(await jsonIn(response)).toEqual({ lease: "1", ttl: 90, expires: startS + 90 });
    expect(await store.revision()).toBe(0);
  });

  test("has a name of its own each time", async () => {
    const store = new StoreUnderTest();
    const ids = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { lease } = await grant(store);
      expect(lease).toMatch(/^\d{1,16}$/);
      ids.add(lease);
      await store.put("a");
      await store.send("DELETE", `/leases/${lease}`);
      store.store.restart();
    }
    expect(ids.size).toBe(20);
  });

  test("tells when it ends, and what lives as long as it", async () => {
    const { store, lease } = await storeWith("b", "a", "😀", "\uffff");
    await store.put("c");
    const response = await store.send("GET", `/leases/${lease}`);
    expect(response.headers.get("KV-Consistency")).toBe("linearizable");
    expect(response.headers.get("KV-Revision")).toBe("2");
    expect(await jsonIn(response)).toEqual({
      lease,
      ttl: 10,
      expires: startS + 10,
      keys: ["a", "b", "\uffff", "😀"],
      revision: 2,
    });
    const head = await store.send("HEAD", `/leases/${lease}`);
    expect([head.status, head.body]).toEqual([200, null]);
  });

  test("names 1000 keys at most", async () => {
    const { store, lease } = await storeWith(...named(1001));
    const { keys } = await jsonIn<{ keys: string[] }>(await store.send("GET", `/leases/${lease}`));
    expect(keys).toEqual(named(1000));
  });

  test("may be one of 10,000", async () => {
    const store = new StoreUnderTest();
    store.store.disk.tamper(({ leases }) => {
      for (let i = 0; i < 9_999; i++) leases.set(`t${i}`, { ttlMs: 1e9, expiresMs: startMs + 1e9 });
    });
    const { lease } = await grant(store);
    const problem = await problemIn(await store.send("POST", "/leases?ttl=5"));
    expect(problem).toMatchObject({ status: 429, code: "too_many_leases", outcome: "not_applied" });
    await store.send("DELETE", `/leases/${lease}`);
    expect((await grant(store)).lease).not.toBe(lease);
  });

  test.each(["POST", "PUT", "DELETE"])("of a %s has no conditions", async (method) => {
    const { store, lease } = await storeWith();
    const path = method === "POST" ? "/leases?ttl=5" : `/leases/${lease}`;
    for (const name of ["If-Match", "If-None-Match", "KV-Metadata", "Content-Encoding"]) {
      const response = await store.send(method, path, { headers: { [name]: "*" } });
      expect(await lineOf(response)).toMatch(/^400 unsupported_/);
    }
  });

  test.each(["ttl=5&timeout=1s", "ttl=5&consistency=linearizable"])(
    "may be asked for with %s",
    async (query) => {
      const response = await new StoreUnderTest().send("POST", `/leases?${query}`);
      expect(response.status).toBe(200);
    },
  );

  test.each(["ttl=5&lease=1", "ttl=5&ttl=5", "ttl=5&keys=a", "lease=5"])(
    "may not be asked for with %s",
    async (query) => {
      const response = await new StoreUnderTest().send("POST", `/leases?${query}`);
      expect(await lineOf(response)).toBe("400 bad_parameter");
    },
  );
});

describe("a key with a lease", () => {
  test("says so, and has no time of its own", async () => {
    const { store, lease } = await storeWith();
    const put = await store.send("PUT", `/keys/a?lease=${lease}`, { body: "x" });
    expect(put.status).toBe(201);
    const { headers } = await store.get("a");
    expect([headers.get("KV-Lease"), headers.get("KV-Expires")]).toEqual([lease, null]);
  });

  test("goes with it, at that very moment, and at one revision with its others", async () => {
    for (const alarm of [true, false]) {
      const { store } = await storeWith("a", "b");
      await store.put("c");
      store.pass(9999, { alarm });
      expect(await store.valueOf("a")).toBe("x");
      store.pass(1, { alarm });
      for (const key of ["a", "b"]) expect(await store.valueOf(key)).toBeNull();
      expect(await store.valueOf("c")).toBe("value");
      expect(await countOf(store)).toBe(1);
    }
  });

  test("leaves it with a put that says nothing of it", async () => {
    const { store, lease } = await storeWith("a", "b");
    await store.put("a", "free");
    const { keys } = await jsonIn<{ keys: string[] }>(await store.send("GET", `/leases/${lease}`));
    expect(keys).toEqual(["b"]);
    store.pass(10_000);
    expect([await store.valueOf("a"), await store.valueOf("b")]).toEqual(["free", null]);
  });

  test("can go over to another, and to a time of its own", async () => {
    const { store } = await storeWith("a", "b");
    const { lease: other } = await grant(store, "20s");
    await store.send("PUT", `/keys/a?lease=${other}`);
    await store.send("PUT", "/keys/b?ttl=15s");
    store.pass(10_000);
    expect(await countOf(store)).toBe(2);
    store.pass(5000);
    expect([await store.valueOf("a"), await store.valueOf("b")]).toEqual(["", null]);
    store.pass(5000);
    expect(await countOf(store)).toBe(0);
  });

  test("keeps it over an increment", async () => {
    const { store, lease } = await storeWith();
    await store.send("PUT", `/keys/n?lease=${lease}`, { body: "1" });
    await store.transact({ then: [{ op: "increment", key: "n" }] });
    expect((await store.get("n")).headers.get("KV-Lease")).toBe(lease);
    store.pass(10_000);
    expect(await store.valueOf("n")).toBeNull();
  });

  test("is created anew when it has gone", async () => {
    const { store } = await storeWith("a");
    store.pass(10_000, { alarm: false });
    expect((await store.put("a", "new", { "If-None-Match": "*" })).status).toBe(201);
    const { headers } = await store.get("a");
    expect([headers.get("KV-Version"), headers.get("KV-Lease")]).toEqual(["1", null]);
  });

  test("that is deleted, and put without a lease, stays", async () => {
    const { store } = await storeWith("a");
    await store.delete("a");
    await store.put("a", "free");
    store.pass(10_000);
    expect(await store.valueOf("a")).toBe("free");
  });
});

describe("a lease that is kept alive", () => {
  test("lives for its whole time once more, and its keys with it", async () => {
    const { store, lease } = await storeWith("a");
    for (let i = 1; i <= 3; i++) {
      store.pass(9999);
      const kept = await jsonIn<Lease>(await store.send("PUT", `/leases/${lease}`));
      expect(kept).toEqual({ lease, ttl: 10, expires: (startMs + i * 9999 + 10_000) / 1000 });
    }
    store.pass(9999);
    expect(await store.valueOf("a")).toBe("x");
    store.pass(1);
    expect(await store.valueOf("a")).toBeNull();
    expect(await store.revision()).toBe(2);
  });

  test("too late is gone, whether or not an alarm rang", async () => {
    for (const alarm of [true, false]) {
      const { store, lease } = await storeWith("a");
      store.pass(10_000, { alarm });
      expect(await lineOf(await store.send("PUT", `/leases/${lease}`))).toBe(gone);
      expect(await store.valueOf("a")).toBeNull();
      expect(await lineOf(await store.send("PUT", `/leases/${lease}`))).toBe(gone);
    }
  });
});

describe("a lease that is revoked", () => {
  test("takes its keys along, at one revision", async () => {
    const { store, lease } = await storeWith("a", "b");
    await store.put("c");
    const response = await store.send("DELETE", `/leases/${lease}`);
    expect(response.headers.get("KV-Revision")).toBe("3");
    expect(await jsonIn(response)).toEqual({ lease, deleted: 2, revision: 3 });
    expect(await countOf(store)).toBe(1);
    expect(await store.revision()).toBe(3);
    for (const method of ["GET", "PUT", "DELETE"]) {
      expect(await lineOf(await store.send(method, `/leases/${lease}`))).toBe(gone);
    }
  });

  test("and has no keys makes no revision", async () => {
    const { store, lease } = await storeWith();
    const answer = await jsonIn(await store.send("DELETE", `/leases/${lease}`));
    expect(answer).toEqual({ lease, deleted: 0, revision: 0 });
  });

  test("too late is gone", async () => {
    const { store, lease } = await storeWith("a");
    store.pass(10_000, { alarm: false });
    expect(await lineOf(await store.send("DELETE", `/leases/${lease}`))).toBe(gone);
  });

  test("is gone with all its keys, however many these are", async () => {
    const { store, lease } = await storeWith(...named(700));
    expect((await store.send("DELETE", `/leases/${lease}`)).status).toBe(200);
    for (const method of ["GET", "PUT", "DELETE"]) {
      expect(await lineOf(await store.send(method, `/leases/${lease}`))).toBe(gone);
    }
    expect(await store.valueOf("k0699")).toBeNull();
    expect(await countOf(store)).toBe(0);
  });
});

describe("a lease that has ended", () => {
  test("is gone at that very moment, though many keys go with it", async () => {
    for (const count of [0, 1, 256, 257, 700]) {
      const { store, lease } = await storeWith(...named(count));
      store.pass(9999, { alarm: false });
      expect((await store.send("GET", `/leases/${lease}`)).status).toBe(200);
      store.pass(1, { alarm: false });
      expect(await lineOf(await store.send("GET", `/leases/${lease}`))).toBe(gone);
      expect(await countOf(store)).toBe(0);
    }
  });

  test("takes no more keys", async () => {
    const { store, lease } = await storeWith("a");
    store.pass(10_000, { alarm: false });
    expect(await lineOf(await store.send("PUT", `/keys/b?lease=${lease}`))).toBe(gone);
    const then = [{ op: "put", key: "b", value: "", lease }];
    const problem = await problemIn(await store.transact({ then }));
    expect(problem).toMatchObject({ code: "lease_not_found", operation: 0 });
    expect(await countOf(store)).toBe(0);
  });

  test("stays gone, and so do its keys, when the clock is set back", async () => {
    const { store, lease } = await storeWith("a");
    store.pass(10_000);
    expect(await store.valueOf("a")).toBeNull();
    store.pass(-3_600_000);
    store.store.restart();
    expect(await store.valueOf("a")).toBeNull();
    expect(await lineOf(await store.send("GET", `/leases/${lease}`))).toBe(gone);
    expect(await lineOf(await store.send("PUT", `/leases/${lease}`))).toBe(gone);
  });

  test("was told so to one reader, and so to all", async () => {
    const { store, lease } = await storeWith("a");
    store.pass(10_000, { alarm: false });
    expect(await lineOf(await store.send("GET", `/leases/${lease}`))).toBe(gone);
    store.pass(-5000, { alarm: false });
    expect(await store.valueOf("a")).toBeNull();
    expect(await lineOf(await store.send("PUT", `/leases/${lease}`))).toBe(gone);
  });

  test("is gone after a restart", async () => {
    const { store, lease } = await storeWith("a");
    store.store.restart();
    store.pass(9999);
    expect(await store.valueOf("a")).toBe("x");
    store.pass(1, { alarm: false });
    store.store.restart();
    expect(await store.valueOf("a")).toBeNull();
    expect(await lineOf(await store.send("GET", `/leases/${lease}`))).toBe(gone);
  });
});

test.each(["0", "01", "2", "-1", "1.0", "%31%00", "abc", "😀", "%ff", "%", "__proto__", "1%2F2"])(
  "there is no lease %s",
  async (id) => {
    const { store } = await storeWith("a");
    for (const method of ["GET", "PUT", "DELETE"]) {
      expect(await lineOf(await store.send(method, `/leases/${id}`))).toBe(gone);
    }
    expect(await store.valueOf("a")).toBe("x");
  },
);

test("an id of a lease may be escaped, as all of a path may", async () => {
  const { store } = await storeWith();
  expect((await store.send("GET", "/leases/%31")).status).toBe(200);
});
