import { describe, expect, test } from "vitest";
import { StoreUnderTest, jsonIn, onRealStores, startMs, titled } from "./store-under-test.ts";

onRealStores();

/** Brings one key in, whose line has these fields besides; said as JSON, since not all is an object's. */
function importing(store: StoreUnderTest, fields: string): Promise<Response> {
  const body = `{"key":"a","value":"x"${fields}}\n{"done":true,"count":1,"revision":1}\n`;
  return store.send("POST", "/import", { body });
}

describe("a line of an import", () => {
  test.each(
    titled([
      ['"content_type":"text/plain"', "content-type", "text/plain"],
      [`"content_type":"${"t".repeat(256)}"`, "content-type", "t".repeat(256)],
      ['"content_type":""', "content-type", null],
      ['"metadata":{"__proto__":1}', "kv-metadata", '{"__proto__":1}'],
      [`"metadata":"${"m".repeat(1022)}"`, "kv-metadata", `"${"m".repeat(1022)}"`],
      [`"expires":${startMs / 1000 + 0.001}`, "kv-expires", String(startMs / 1000 + 0.001)],
    ]),
  )("with %s is kept as it is", async (_, fields, header, value) => {
    const store = new StoreUnderTest();
    expect(await jsonIn(await importing(store, `,${fields}`))).toMatchObject({ imported: 1 });
    expect((await store.get("a")).headers.get(header)).toBe(value);
  });

  test.each(
    titled(
      [
        `"content_type":"${"t".repeat(257)}"`,
        `"content_type":"${"t".repeat(100_000)}"`,
        '"content_type":"€"',
        '"content_type":"a\\nb"',
        `"metadata":"${"m".repeat(1023)}"`,
        `"metadata":${"[".repeat(100_000)}${"]".repeat(100_000)}`,
        '"expires":1e300',
        '"expires":9007199254741',
        '"value_b64":""',
        '"lease":1',
        '"more":1',
      ].map((fields) => [fields]),
    ),
  )("with %s is refused", async (_, fields) => {
    const store = new StoreUnderTest();
    const response = await importing(store, `,${fields}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ outcome: "not_applied", imported: 0 });
    expect(await store.valueOf("a")).toBeNull();
  });
});

test("an import of keys with all that may be kept of them fits into rows", async () => {
  const store = new StoreUnderTest();
  const lines = Array.from({ length: 300 }, (_, i) =>
    JSON.stringify({
      key: String(i).padEnd(2048, "k"),
      value: "x".repeat(4096),
      content_type: "t".repeat(256),
      metadata: "m".repeat(1022),
    }),
  );
  const body = [...lines, '{"done":true,"count":300,"revision":1}'].join("\n");
  const answer = await store.send("POST", "/import", { body });
  expect(await jsonIn(answer)).toMatchObject({ imported: 300 });
});

test.each([1, 25])("a value of %d MiB comes out as it went in", async (mebibytes) => {
  const store = new StoreUnderTest();
  const value = Buffer.alloc(mebibytes * 1024 * 1024, 0xff);
  const line = `{"key":"a","value_b64":"${value.toString("base64")}"}`;
  const body = `${line}\n{"done":true,"count":1,"revision":1}\n`;
  expect(await jsonIn(await store.send("POST", "/import", { body }))).toMatchObject({
    imported: 1,
  });
  const bytes = Buffer.from(await (await store.get("a")).arrayBuffer());
  expect(bytes.equals(value)).toBe(true);
});
