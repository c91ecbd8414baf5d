import { describe, expect, test } from "vitest";
import { problemIn } from "./edge-under-test.ts";
import { StoreUnderTest, jsonIn, lineOf, onRealStores } from "./store-under-test.ts";

onRealStores();

const exported = async (store: StoreUnderTest): Promise<string> =>
  (await store.send("GET", "/export")).text();

const imported = (store: StoreUnderTest, body: string, query = ""): Promise<Response> =>
  store.send("POST", `/import${query}`, { body });

/** A store with some keys, and what it exports. */
async function filled(): Promise<{ store: StoreUnderTest; body: string }> {
  const store = new StoreUnderTest();
  for (let i = 0; i < 300; i++) await store.put(`k${i}`, `value ${i}`);
  await store.put("typed", "x", {
    "Content-Type": "a/b",
    "KV-Metadata": '{"by":"é"}'.replace("é", "\\u00e9"),
  });
  await store.put("bytes", Uint8Array.of(0, 255, 128));
  return { store, body: await exported(store) };
}

describe("An import", () => {
  test("puts what an export says, with all that was kept of it", async () => {
    const { body } = await filled();
    const other = new StoreUnderTest();
    expect(await jsonIn(await imported(other, body))).toMatchObject({ imported: 302 });
    const again = (await exported(other)).replace(/^.*\n/, "").replace(/"revision":\d+\}\n$/, "");
    expect(again).toBe(body.replace(/^.*\n/, "").replace(/"revision":\d+\}\n$/, ""));
  });

  test("leaves other keys alone, or takes the place of all there was", async () => {
    const { body } = await filled();
    const other = new StoreUnderTest();
    await other.put("mine");
    await imported(other, body);
    expect(await other.valueOf("mine")).toBe("value");
    const old = (await other.get("k1")).headers;
    const { revision } = await jsonIn<{ revision: number }>(
      await imported(other, body, "?replace"),
    );
    expect(await other.valueOf("mine")).toBeNull();
    expect(await other.valueOf("k1")).toBe("value 1");
    // Whoever knows something of before finds nothing under it.
    expect(revision).toBeGreaterThan(100_000_000_000);
    const tag = { "If-Match": old.get("ETag")! };
    expect(await lineOf(await other.put("k1", "x", tag))).toBe("412 precondition_failed");
    const bookmark = { "KV-Bookmark": old.get("KV-Bookmark")! };
    const session = await other.send("GET", "/keys/k1?consistency=session", { headers: bookmark });
    expect(await lineOf(session)).toBe("400 bad_bookmark");
  });

  test.each(["garbage", "", '{"key":"a","value":"x"}\n'])(
    "of what is no export (%j) takes the place of nothing",
    async (body) => {
      const store = new StoreUnderTest();
      await store.put("a", "here");
      const problem = await problemIn(await imported(store, body, "?replace"));
      expect(problem).toMatchObject({ code: "bad_body", outcome: "not_applied" });
      expect(await store.valueOf("a")).toBe("here");
    },
  );

  test("that breaks off says what is gone and what is in", async () => {
    const { store, body } = await filled();
    const cut = body.split("\n").slice(0, 200).join("\n");
    const problem = await problemIn(await imported(store, cut, "?replace"));
    expect(problem).toMatchObject({ code: "bad_body", outcome: "applied", imported: 199 });
    expect(problem.detail).toContain("what was there had been deleted");
  });

  test("skips what goes with a lease, and what is over", async () => {
    const store = new StoreUnderTest();
    const { lease } = await jsonIn<{ lease: string }>(await store.send("POST", "/leases?ttl=1h"));
    await store.send("PUT", `/keys/leased?lease=${lease}`, { body: "x" });
    await store.send("PUT", "/keys/short?ttl=10s", { body: "x" });
    await store.send("PUT", "/keys/long?ttl=1h", { body: "x" });
    const body = await exported(store);
    const other = new StoreUnderTest();
    other.pass(10_000);
    expect(await jsonIn(await imported(other, body))).toMatchObject({
      imported: 1,
      skipped: { leased: 1, expired: 1 },
    });
    expect((await other.get("long")).headers.get("KV-Expires")).not.toBeNull();
  });
});
