import { describe, expect, test } from "vitest";
import { maxStaging, stagingMs } from "../../src/kv/uploads.ts";
import { StoreUnderTest, jsonIn, lineOf, onRealStores } from "./store-under-test.ts";

onRealStores();

const MiB = 1024 * 1024;

/** Bytes of which no two parts are alike. */
const bytesOf = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 12)) & 255);

const readAll = async (response: Response): Promise<Uint8Array> =>
  new Uint8Array(await response.arrayBuffer());

/** A body that comes in chunks, and with nothing said of its length. */
function streamed(bytes: Uint8Array, chunk: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      controller.enqueue(bytes.slice(at, (at += chunk)));
    },
  });
}

describe("A value of more than 1 MiB", () => {
  test.each([MiB, MiB + 1, 3 * MiB, 3 * MiB + 12_345])(
    "of %d bytes comes back as it was",
    async (size) => {
      const store = new StoreUnderTest();
      const bytes = bytesOf(size);
      expect((await store.put("a", bytes, { "Content-Type": "a/b" })).status).toBe(201);
      const response = await store.get("a");
      expect(response.headers.get("Content-Length")).toBe(String(size));
      expect(response.headers.get("Content-Type")).toBe("a/b");
      expect(Buffer.compare(await readAll(response), bytes)).toBe(0);
      const head = await store.send("HEAD", "/keys/a");
      expect(head.headers.get("Content-Length")).toBe(String(size));
    },
  );

  test.each([1000, 65_536, 700_000, 2 * MiB])("may come in chunks of %d", async (chunk) => {
    const store = new StoreUnderTest();
    const bytes = bytesOf(2 * MiB + 7);
    expect((await store.send("PUT", "/keys/a", { body: streamed(bytes, chunk) })).status).toBe(201);
    expect(Buffer.compare(await readAll(await store.get("a")), bytes)).toBe(0);
  });

  test("takes conditions, and is not put where they do not hold", async () => {
    const store = new StoreUnderTest();
    const [one, other] = [bytesOf(2 * MiB), bytesOf(2 * MiB + 1)];
    const tag = (await store.put("a", one)).headers.get("ETag")!;
    expect(await lineOf(await store.put("a", other, { "If-None-Match": "*" }))).toBe(
      "412 precondition_failed",
    );
    expect((await readAll(await store.get("a"))).byteLength).toBe(one.byteLength);
    expect((await store.put("a", other, { "If-Match": tag })).status).toBe(200);
    expect((await readAll(await store.get("a"))).byteLength).toBe(other.byteLength);
  });

  test("is put once under one Idempotency-Key, whatever else goes there is refused", async () => {
    const store = new StoreUnderTest();
    const name = { "Idempotency-Key": "k" };
    const bytes = bytesOf(2 * MiB);
    const first = await store.put("a", bytes, name);
    const again = await store.put("a", bytes, name);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expect(again.headers.get("ETag")).toBe(first.headers.get("ETag"));
    bytes[MiB + 500_000]! ^= 1;
    expect(await lineOf(await store.put("a", bytes, name))).toBe("422 idempotency_key_reused");
  });

  test("is told of in lists and transactions, and left out", async () => {
    const store = new StoreUnderTest();
    await store.put("a", bytesOf(2 * MiB));
    const { keys } = await jsonIn<{ keys: object[] }>(await store.send("GET", "/keys?values"));
    expect(keys).toMatchObject([{ name: "a", size: 2 * MiB }]);
    expect(keys[0]).not.toHaveProperty("value");
    const read = await store.transact({ then: [{ op: "get", key: "a" }] });
    expect(await jsonIn(read)).toMatchObject({ results: [{ found: true, omitted: true }] });
  });

  test("that is being read goes on being read when it is replaced", async () => {
    const store = new StoreUnderTest();
    const bytes = bytesOf(3 * MiB);
    await store.put("a", bytes);
    const response = await store.get("a");
    await store.put("a", "small");
    store.pass(60_000);
    expect(Buffer.compare(await readAll(response), bytes)).toBe(0);
    expect(await store.valueOf("a")).toBe("small");
  });

  test("is in an export, and comes back by an import", async () => {
    const [store, other] = [new StoreUnderTest(), new StoreUnderTest()];
    const bytes = bytesOf(2 * MiB);
    await store.put("a", bytes);
    const body = await (await store.send("GET", "/export")).text();
    expect(await jsonIn(await other.send("POST", "/import", { body }))).toMatchObject({
      imported: 1,
    });
    expect(Buffer.compare(await readAll(await other.get("a")), bytes)).toBe(0);
  });
});

describe("What comes in parts", () => {
  const stage = (store: StoreUnderTest, upload: string) =>
    store.store.driver.write([
      { type: "stage", upload, part: 0, data: Uint8Array.of(1), requestId: upload, floor: 0 },
    ]);

  test("is too much when there are so many on their way: 429 too_many_uploads", async () => {
    const store = new StoreUnderTest();
    await store.put("before");
    for (let i = 0; i < maxStaging.count; i++) await stage(store, `u${i}`);
    expect(await lineOf(await store.put("a", bytesOf(2 * MiB)))).toBe("429 too_many_uploads");
    store.pass(stagingMs);
    expect((await store.put("a", bytesOf(2 * MiB))).status).toBe(201);
  });

  test("is lost when it takes longer than a minute: 503 upload_lost", async () => {
    const store = new StoreUnderTest();
    const bytes = bytesOf(6 * MiB);
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        // What is there by now has long gone when the end comes.
        if (at === 5 * MiB) store.pass(2 * stagingMs);
        if (at === bytes.byteLength) return controller.close();
        controller.enqueue(bytes.slice(at, (at += MiB)));
      },
    });
    expect(await lineOf(await store.send("PUT", "/keys/a", { body }))).toBe("503 upload_lost");
    expect(await store.valueOf("a")).toBeNull();
  });
});
