import { expect, test } from "vitest";
import { revisionOfEpoch } from "../../src/kv/epochs.ts";
import { StoreUnderTest, jsonIn, lineOf, onRealStores } from "./store-under-test.ts";

onRealStores();

const confirm = "I accept that acknowledged writes may be lost";

/** The first revision of a group's second life. */
const first = revisionOfEpoch(2) + 1;

/** What is left of three replicas, which goes on alone. */
async function rebuilt(): Promise<StoreUnderTest> {
  const store = new StoreUnderTest(["1", "2", "3"]);
  const body = JSON.stringify({ survivor: "1", lost: ["2", "3"], confirm });
  expect((await store.send("POST", "/cluster/rebuild", { body })).status).toBe(200);
  return store;
}

test("a group that was rebuilt gives no revision that was given before", async () => {
  const store = await rebuilt();
  const { headers } = await store.put("a");
  expect(headers.get("ETag")).toBe(`"${first}"`);
  expect(headers.get("KV-Revision")).toBe(String(first));
  const got = (await store.get("a")).headers;
  expect(got.get("KV-Create-Revision")).toBe(String(first));
  expect(got.get("KV-Version")).toBe("1");
  expect((await store.put("a")).headers.get("ETag")).toBe(`"${first + 1}"`);
});

test("an ETag of before a rebuilding holds for nothing after it", async () => {
  const store = await rebuilt();
  await store.put("a");
  for (const tag of ['"1"', '"2"', `"${first - 1}"`]) {
    const response = await store.put("a", "new", { "If-Match": tag });
    expect(await lineOf(response)).toBe("412 precondition_failed");
  }
  expect((await store.put("a", "new", { "If-Match": `"${first}"` })).status).toBe(200);
});

test("a transaction's first revision is of the new life too", async () => {
  const store = await rebuilt();
  const then = [
    { op: "increment", key: "n" },
    { op: "get", key: "n" },
  ];
  expect(await jsonIn(await store.transact({ then }))).toMatchObject({
    revision: first,
    results: [{ value: 1 }, { value: "1", revision: first, create_revision: first }],
  });
});

test("a session of before a rebuilding is told that what it has seen may be lost", async () => {
  const store = await rebuilt();
  await store.put("a");
  const { namespace } = store.store;
  const read = (bookmark: string): Promise<Response> =>
    store.get("a", { "KV-Consistency": "session", "KV-Bookmark": bookmark });
  expect(await lineOf(await read(`1.1.1.${namespace}`))).toBe("400 bad_bookmark");
  expect(await lineOf(await read(`1.2.${first}.${namespace}`))).toBe("200");
});
