import { describe, expect, test } from "vitest";
import { problemIn } from "./edge-under-test.ts";
import { StoreUnderTest, lineOf, onRealStores } from "./store-under-test.ts";

onRealStores();

/** A store in which `other` has the value of revision 1, and `a` that of revision 2. */
async function storeAt2(): Promise<StoreUnderTest> {
  const store = new StoreUnderTest();
  await store.put("other");
  await store.put("a", "old", { "Content-Type": "text/plain" });
  return store;
}

const failed = "412 precondition_failed";
const bad = "400 bad_condition";

/** A condition, and what comes of a put on it, and of a delete: with `a` at revision 2, and without `a`. */
const conditions: readonly [name: string, value: string, with2: string, without: string][] = [
  ["If-Match", '"2"', "ok", failed],
  ["If-Match", ' "2"\t', "ok", failed],
  ["If-Match", "*", "ok", failed],
  ["If-Match", " * ", "ok", failed],
  ["If-None-Match", "*", failed, "ok"],
  ["If-None-Match", " * ", failed, "ok"],
  // Revisions that this value does not have.
  ["If-Match", '"1"', failed, failed],
  ["If-Match", '"3"', failed, failed],
  ["If-Match", '"0"', failed, failed],
  ["If-Match", '"9007199254740991"', failed, failed],
  ["If-Match", '"9007199254740992"', failed, failed],
  ["If-Match", '"9999999999999999"', failed, failed],
  ["If-Match", `"${"9".repeat(400)}"`, failed, failed],
  // ETags that no value has: an ETag is compared as a text, not as a number.
  ["If-Match", '"02"', failed, failed],
  ["If-Match", '"00"', failed, failed],
  ["If-Match", '"2.0"', failed, failed],
  ["If-Match", '"-2"', failed, failed],
  ["If-Match", '"+2"', failed, failed],
  ["If-Match", '"2e0"', failed, failed],
  ["If-Match", '" 2"', failed, failed],
  ["If-Match", '""', failed, failed],
  ["If-Match", '"*"', failed, failed],
  ["If-Match", '"686897696a7c876b7e"', failed, failed],
  // What is no ETag, or more than one, or one that says less than is asked.
  ["If-Match", "", bad, bad],
  ["If-Match", "2", bad, bad],
  ["If-Match", "'2'", bad, bad],
  ["If-Match", '"2', bad, bad],
  ["If-Match", '2"', bad, bad],
  ["If-Match", '"2"x', bad, bad],
  ["If-Match", '"2", "3"', bad, bad],
  ["If-Match", '"2","2"', bad, bad],
  ["If-Match", '*, "2"', bad, bad],
  ["If-Match", "**", bad, bad],
  ["If-Match", 'W/"2"', bad, bad],
  ["If-None-Match", "", bad, bad],
  ["If-None-Match", '"2"', bad, bad],
  ["If-None-Match", '"1"', bad, bad],
  ["If-None-Match", 'W/"2"', bad, bad],
  ["If-None-Match", '*, "2"', bad, bad],
  ["If-None-Match", '"*"', bad, bad],
];

describe.each(conditions)("a write with %s: %s", (name, value, with2, without) => {
  const headers = { [name]: value };

  test(`is ${with2} for a value of revision 2`, async () => {
    const store = await storeAt2();
    const [put, removed] = [await store.put("a", "new", headers), await storeAt2()];
    expect(await lineOf(put)).toBe(with2 === "ok" ? "200" : with2);
    expect(await store.valueOf("a")).toBe(with2 === "ok" ? "new" : "old");
    expect(await store.revision()).toBe(with2 === "ok" ? 3 : 2);

    expect(await lineOf(await removed.delete("a", headers))).toBe(with2 === "ok" ? "204" : with2);
    expect(await removed.valueOf("a")).toBe(with2 === "ok" ? null : "old");
  });

  test(`is ${without} when there is no value`, async () => {
    const store = new StoreUnderTest();
    await store.put("other");
    const removed = await store.delete("a", headers);
    expect(await lineOf(removed)).toBe(without === "ok" ? "204" : without);
    if (without === "ok") expect(removed.headers.get("KV-Deleted")).toBe("0");
    expect(await lineOf(await store.put("a", "new", headers))).toBe(
      without === "ok" ? "201" : without,
    );
    expect(await store.valueOf("a")).toBe(without === "ok" ? "new" : null);
    expect(await store.revision()).toBe(without === "ok" ? 2 : 1);
  });
});

describe("a condition that does not hold", () => {
  test("is answered with the revision that there is instead", async () => {
    const store = await storeAt2();
    for (const method of ["PUT", "DELETE"]) {
      const response = await store.send(method, "/keys/a", { headers: { "If-Match": '"1"' } });
      expect(response.headers.get("ETag")).toBe('"2"');
      expect(response.headers.get("KV-Revision")).toBe("2");
      expect(response.headers.get("KV-Served-By")).toMatch(/^\S+\/leader\/1$/);
      expect(await problemIn(response)).toMatchObject({ status: 412, current_revision: 2 });
    }
  });

  test("is answered with null where there is no value", async () => {
    const store = await storeAt2();
    const response = await store.put("b", "new", { "If-Match": "*" });
    expect(response.headers.get("ETag")).toBeNull();
    expect(response.headers.get("KV-Revision")).toBe("2");
    expect((await problemIn(response)).current_revision).toBeNull();
  });

  test("leaves the value as it was, and all that is kept of it", async () => {
    const store = await storeAt2();
    const before = [...(await store.get("a")).headers];
    await store.put("a", "new", { "If-None-Match": "*", "KV-Metadata": "1" });
    expect([...(await store.get("a")).headers]).toEqual(before);
  });
});

test.each([
  { "If-Match": '"2"', "If-None-Match": "*" },
  { "If-Match": "*", "If-None-Match": "*" },
  { "If-Match": "", "If-None-Match": "" },
])("both conditions at once are refused: %o", async (headers) => {
  const store = await storeAt2();
  expect(await lineOf(await store.put("a", "new", headers))).toBe(bad);
  expect(await lineOf(await store.delete("a", headers))).toBe(bad);
  expect(await store.valueOf("a")).toBe("old");
});

test("a value that was deleted and put again does not have the ETag of before", async () => {
  const store = await storeAt2();
  await store.delete("a");
  await store.put("a", "old");
  expect(await lineOf(await store.put("a", "new", { "If-Match": '"2"' }))).toBe(failed);
  expect(await lineOf(await store.put("a", "new", { "If-Match": '"4"' }))).toBe("200");
});

test("of many who want to create a key one does", async () => {
  const store = new StoreUnderTest();
  const puts = Array.from({ length: 20 }, (_, i) =>
    store.put("a", String(i), { "If-None-Match": "*" }),
  );
  const lines = await Promise.all(puts.map(async (put) => lineOf(await put)));
  expect(lines.filter((line) => line === "201")).toHaveLength(1);
  expect(lines.filter((line) => line === failed)).toHaveLength(19);
  expect(await store.valueOf("a")).toBe(String(lines.indexOf("201")));
});

test("counters that many raise, each on what it has read, lose nothing", async () => {
  const store = new StoreUnderTest();
  await store.put("n", "0");
  const raise = async (): Promise<void> => {
    for (;;) {
      const read = await store.get("n");
      const next = String(Number(await read.text()) + 1);
      const put = await store.put("n", next, { "If-Match": read.headers.get("ETag")! });
      if (put.status === 200) return;
      expect(await lineOf(put)).toBe(failed);
    }
  };
  await Promise.all(Array.from({ length: 10 }, raise));
  expect(await store.valueOf("n")).toBe("10");
});

describe("a read with If-None-Match", () => {
  /** With `a` at revision 2. */
  const tags: readonly [string, number][] = [
    ['"2"', 304],
    ['W/"2"', 304],
    ['"1", "2"', 304],
    ['"1","2","3"', 304],
    ['W/"1" ,\tW/"2"', 304],
    [', "2"', 304],
    ["*", 304],
    [" * ", 304],
    ['"1"', 200],
    ['"1", "3"', 200],
    ['W/"1"', 200],
    ['w/"2"', 200],
    ['"02"', 200],
    ['"2.0"', 200],
    ["2", 200],
    ["", 200],
    [",", 200],
    ['"*"', 200],
  ];

  test.each(tags)("of %s, when the value is of revision 2, is %d", async (value, status) => {
    const store = await storeAt2();
    for (const method of ["GET", "HEAD"]) {
      const headers = { "If-None-Match": value };
      const response = await store.send(method, "/keys/a", { headers });
      expect(response.status).toBe(status);
      expect(response.headers.get("ETag")).toBe('"2"');
      const hasValue = status === 200 && method === "GET";
      expect(await response.text()).toBe(hasValue ? "old" : "");
    }
  });

  test.each(["*", '"2"', '"1", W/"2"'])("of %s, without a value, is 404", async (value) => {
    const store = new StoreUnderTest();
    const response = await store.get("a", { "If-None-Match": value });
    expect(await lineOf(response)).toBe("404 key_not_found");
  });

  test("says of a version that is known all but what is in it", async () => {
    const store = await storeAt2();
    await store.put("a", "new", { "Content-Type": "text/plain", "KV-Metadata": "[1]" });
    const response = await store.get("a", { "If-None-Match": '"3"' });
    expect([response.status, response.body]).toEqual([304, null]);
    const { headers } = await store.get("a");
    const { "content-length": _, "content-type": __, ...rest } = Object.fromEntries(headers);
    expect(Object.fromEntries(response.headers)).toEqual(rest);
    expect(rest).toMatchObject({ etag: '"3"', "kv-version": "2", "kv-metadata": "[1]" });
  });
});

test.each(["If-Modified-Since", "If-Unmodified-Since", "If-Range"])(
  "a condition on a date is refused: %s",
  async (name) => {
    const store = await storeAt2();
    const headers = { [name]: "Fri, 01 Jan 2027 00:00:00 GMT" };
    expect(await lineOf(await store.put("a", "new", headers))).toBe("400 unsupported_condition");
    expect(await lineOf(await store.delete("a", headers))).toBe("400 unsupported_condition");
    expect((await store.get("a", headers)).status).toBe(200);
  },
);
