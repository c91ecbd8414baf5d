import { describe, expect, test } from "vitest";
import { problemIn } from "./edge-under-test.ts";
import { StoreUnderTest, jsonIn, lineOf, onRealStores, titled } from "./store-under-test.ts";

onRealStores();

/** JSON text of so many bytes. */
const ofBytes = (bytes: number): string => `"${"m".repeat(bytes - 2)}"`;

interface Listed {
  readonly keys: readonly { readonly metadata: unknown }[];
}

const metadataListed = async (store: StoreUnderTest): Promise<unknown> =>
  (await jsonIn<Listed>(await store.send("GET", "/keys"))).keys[0]?.metadata;

describe("metadata in a header", () => {
  test.each(
    titled(
      [
        '{"by":"ann"}',
        "{}",
        "[]",
        "[1, 2,  3]",
        '{ "a" : [ true , null ] }',
        "1",
        "-1.5e3",
        "true",
        "null",
        '""',
        '"\\u00e9\\ud83d\\ude00"',
        '{"__proto__":{"a":1}}',
        '"~ !"',
        ofBytes(1024),
        "[".repeat(512) + "]".repeat(512),
      ].map((each) => [each] as const),
    ),
  )("comes back as it was sent, and as JSON in a list: %s", async (_, text) => {
    const store = new StoreUnderTest();
    expect((await store.put("a", "x", { "KV-Metadata": text })).status).toBe(201);
    for (const method of ["GET", "HEAD"]) {
      const { headers } = await store.send(method, "/keys/a");
      expect(headers.get("KV-Metadata")).toBe(text);
    }
    expect(await metadataListed(store)).toEqual(JSON.parse(text));
  });

  test.each([
    ["nothing", ""],
    ["no JSON", "by=ann"],
    ["half of JSON", '{"by":'],
    ["JSON and more", "{} {}"],
    ["quotes that JSON does not have", "{'by':'ann'}"],
    ["a comma too many", '{"by":"ann",}'],
    ["NaN", "NaN"],
    ["a lone escape", '"\\x41"'],
    ["characters beyond ASCII", '"é"'],
    ["a byte that is no character", '"\x80"'],
    ["a DEL", '"\x7f"'],
    ["a tab", "[1,\t2]"],
    ["a byte too much", ofBytes(1025)],
  ])("of %s is refused", async (_, text) => {
    const store = new StoreUnderTest();
    const response = await store.put("a", "x", { "KV-Metadata": text });
    expect(await lineOf(response)).toBe("400 bad_metadata");
    expect(await store.valueOf("a")).toBeNull();
  });

  test("of too many bytes is told how many they are", async () => {
    const store = new StoreUnderTest();
    const response = await store.put("a", "x", { "KV-Metadata": ofBytes(1025) });
    expect((await problemIn(response)).detail).toMatch(/1025 bytes.* 1024/);
  });

  test("is lost to a put that has none", async () => {
    const store = new StoreUnderTest();
    await store.put("a", "x", { "KV-Metadata": "1" });
    await store.put("a", "y");
    expect((await store.get("a")).headers.get("KV-Metadata")).toBeNull();
    expect(await metadataListed(store)).toBeNull();
  });

  test("is refused where it would have to be ignored", async () => {
    const store = new StoreUnderTest();
    const headers = { "KV-Metadata": "1" };
    const body = JSON.stringify({ then: [] });
    const answers = [
      await store.delete("a", headers),
      await store.send("DELETE", "/keys?prefix=", { headers }),
      await store.send("POST", "/txn", { headers, body }),
      await store.send("POST", "/leases?ttl=5", { headers }),
    ];
    const lines = await Promise.all(answers.map(lineOf));
    expect(new Set(lines)).toEqual(new Set(["400 unsupported_header"]));
  });
});

describe("metadata in a transaction", () => {
  /** Puts a key with metadata that is JSON text. */
  const put = (store: StoreUnderTest, json: string): Promise<Response> => {
    const operation = `{"op":"put","key":"a","value":"","metadata":${json}}`;
    return store.send("POST", "/txn", { body: `{"then":[${operation}]}` });
  };

  test.each(
    titled([
      ['{"by":"ann","at":[1,2]}', '{"by":"ann","at":[1,2]}'],
      ["null", "null"],
      ["0", "0"],
      ["false", "false"],
      ['""', '""'],
      ["[ 1 ]", "[1]"],
      ['"é"', '"\\u00e9"'],
      ['"😀"', '"\\ud83d\\ude00"'],
      ['"\\ud800"', '"\\ud800"'],
      ['"\\u007f"', '"\\u007f"'],
      ['{"é":1}', '{"\\u00e9":1}'],
      ['{"__proto__":1,"a":2}', '{"__proto__":1,"a":2}'],
      ['{"constructor":1}', '{"constructor":1}'],
      [ofBytes(1024), ofBytes(1024)],
    ]),
  )("%s is kept as ASCII", async (_, json, kept) => {
    const store = new StoreUnderTest();
    expect(await lineOf(await put(store, json))).toBe("200");
    expect((await store.get("a")).headers.get("KV-Metadata")).toBe(kept);
  });

  test.each([
    ["a byte too much", ofBytes(1025)],
    ["a byte too much once it is ASCII", `"é${"m".repeat(1017)}"`],
    ["brackets that go deeper than anybody reads", "[".repeat(200_000) + "]".repeat(200_000)],
    ["braces that do", '{"a":'.repeat(50_000) + "1" + "}".repeat(50_000)],
  ])("of %s is refused", async (_, json) => {
    const store = new StoreUnderTest();
    expect(await lineOf(await put(store, json))).toBe("400 bad_metadata");
    expect(await store.valueOf("a")).toBeNull();
  });

  test("just fits once it is ASCII", async () => {
    const store = new StoreUnderTest();
    expect(await lineOf(await put(store, `"é${"m".repeat(1016)}"`))).toBe("200");
    expect((await store.get("a")).headers.get("KV-Metadata")).toHaveLength(1024);
  });
});
