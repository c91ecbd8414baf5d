import { describe, expect, test } from "vitest";
import { StoreUnderTest, jsonIn, lineOf, onRealStores } from "./store-under-test.ts";

onRealStores();

interface Lock {
  readonly lock: string;
  readonly token: number;
  readonly lease: string;
}

const lock = (store: StoreUnderTest, query = "ttl=10s", headers = {}): Promise<Response> =>
  store.send("POST", `/locks/jobs/nightly?${query}`, { headers, body: "worker" });

const unlock = (store: StoreUnderTest, token: number): Promise<Response> =>
  store.send("DELETE", `/locks/jobs/nightly?token=${token}`);

describe("A lock", () => {
  test("is held by one at a time, and has a higher token each time", async () => {
    const store = new StoreUnderTest();
    const first = await jsonIn<Lock>(await lock(store));
    expect(first.lock).toBe("jobs/nightly");
    expect(await store.valueOf("jobs/nightly")).toBe("worker");
    expect(await lineOf(await lock(store))).toBe("409 lock_held");
    expect((await unlock(store, first.token)).status).toBe(204);
    const second = await jsonIn<Lock>(await lock(store));
    expect(second.token).toBeGreaterThan(first.token);
  });

  test("is freed by nobody who has another token", async () => {
    const store = new StoreUnderTest();
    const { token } = await jsonIn<Lock>(await lock(store));
    expect(await lineOf(await unlock(store, token - 1))).toBe("412 precondition_failed");
    expect(await lineOf(await lock(store))).toBe("409 lock_held");
  });

  test("takes its lease along when it is given up", async () => {
    const store = new StoreUnderTest();
    const { token, lease } = await jsonIn<Lock>(await lock(store, "ttl=1h"));
    await unlock(store, token);
    expect(await lineOf(await store.send("GET", `/leases/${lease}`))).toBe("404 lease_not_found");
  });

  test("is free when its lease has ended, and whoever held it cannot keep it alive", async () => {
    const store = new StoreUnderTest();
    const { lease } = await jsonIn<Lock>(await lock(store));
    store.pass(9_000);
    expect((await store.send("PUT", `/leases/${lease}`)).status).toBe(200);
    store.pass(9_000);
    expect(await lineOf(await lock(store))).toBe("409 lock_held");
    store.pass(1_000);
    expect((await lock(store)).status).toBe(200);
    expect(await lineOf(await store.send("PUT", `/leases/${lease}`))).toBe("404 lease_not_found");
  });

  test("that was refused under a name is not refused for ever", async () => {
    const store = new StoreUnderTest();
    const { token } = await jsonIn<Lock>(await lock(store));
    const name = { "Idempotency-Key": "mine" };
    expect(await lineOf(await lock(store, "ttl=10s", name))).toBe("409 lock_held");
    await unlock(store, token);
    const got = await jsonIn<Lock>(await lock(store, "ttl=10s", name));
    // However long one waits, it is the same that is asked for.
    expect(await jsonIn<Lock>(await lock(store, "ttl=10s&wait=1s", name))).toEqual(got);
  });

  test("protects a key of the store by its token", async () => {
    const store = new StoreUnderTest();
    const old = await jsonIn<Lock>(await lock(store));
    store.pass(10_000);
    const { token } = await jsonIn<Lock>(await lock(store));
    const count = (held: number): Promise<Response> =>
      store.transact({
        if: [{ key: "jobs/nightly", create_revision: held }],
        then: [{ op: "increment", key: "count" }],
      });
    expect(await lineOf(await count(old.token))).toBe("412 precondition_failed");
    expect(await lineOf(await count(token))).toBe("200");
    expect(await store.valueOf("count")).toBe("1");
  });
});
