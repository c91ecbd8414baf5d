import { describe, expect, test } from "vitest";
import { maxContentTypeBytes, maxLargeBytes, maxValueBytes } from "../../src/protocol/limits.ts";
import { EdgeUnderTest, gist, problemIn } from "./edge-under-test.ts";
import { StoreUnderTest, lineOf, onRealStores } from "./store-under-test.ts";

onRealStores();

/** A body that is made as it is read, and knows how much of it was. */
class Upload {
  pulledBytes = 0;
  isCancelled = false;
  readonly stream: ReadableStream<Uint8Array>;

  constructor(
    totalBytes: number,
    { chunkBytes = 64 * 1024, breaksAt = Number.POSITIVE_INFINITY } = {},
  ) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          if (this.pulledBytes >= breaksAt) {
            controller.error(new Error("Network connection lost."));
          } else if (this.pulledBytes >= totalBytes) {
            controller.close();
          } else {
            const size = Math.min(chunkBytes, totalBytes - this.pulledBytes);
            this.pulledBytes += size;
            controller.enqueue(new Uint8Array(size).fill(7));
          }
        },
        cancel: () => {
          this.isCancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
  }

  put(
    edge: EdgeUnderTest | StoreUnderTest,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const init = { body: this.stream, headers, duplex: "half" };
    return edge.send("PUT", "/keys/big", init);
  }
}

const lengths = { announced: true, streamed: false };

describe.each(Object.entries(lengths))("a value whose length is %s", (_, isAnnounced) => {
  const headersFor = (size: number): Readonly<Record<string, string>> =>
    isAnnounced ? { "Content-Length": String(size) } : {};

  test("may have 1 MiB, in one piece", async () => {
    const edge = EdgeUnderTest.withLeader();
    const response = await new Upload(maxValueBytes).put(edge, headersFor(maxValueBytes));
    expect(response.status).toBe(201);
    const got = await edge.get("big");
    expect(got.headers.get("Content-Length")).toBe("1048576");
    expect(new Uint8Array(await got.arrayBuffer())).toEqual(new Uint8Array(maxValueBytes).fill(7));
  });

  test.each([maxValueBytes - 1, maxValueBytes + 1, 3 * maxValueBytes, maxLargeBytes])(
    "may have %d bytes, in as many parts as it takes",
    async (size) => {
      const store = new StoreUnderTest();
      expect((await new Upload(size).put(store, headersFor(size))).status).toBe(201);
      const got = await store.get("big");
      expect(got.headers.get("Content-Length")).toBe(String(size));
      const bytes = Buffer.from(await got.arrayBuffer());
      expect(bytes.equals(Buffer.alloc(size, 7))).toBe(true);
      expect(await store.revision()).toBe(1);
    },
  );

  test("may not have one byte more than 25 MiB", async () => {
    const store = new StoreUnderTest();
    const size = maxLargeBytes + 1;
    const problem = await problemIn(await new Upload(size).put(store, headersFor(size)));
    expect(problem).toMatchObject({ status: 413, code: "value_too_large", outcome: "not_applied" });
    expect(await store.revision()).toBe(0);
  });
});

test("a value that is announced far too long is not read at all", async () => {
  const edge = EdgeUnderTest.withLeader();
  const upload = new Upload(Number.POSITIVE_INFINITY);
  const response = await upload.put(edge, { "Content-Length": "99999999999" });
  expect(response.status).toBe(413);
  expect(upload).toMatchObject({ pulledBytes: 0, isCancelled: true });
});

test("a value that is not far too long is taken in, so that its sender sees the answer", async () => {
  const store = new StoreUnderTest();
  const size = 2 * maxLargeBytes;
  for (const headers of [{}, { "Content-Length": String(size) }]) {
    const upload = new Upload(size);
    expect(await lineOf(await upload.put(store, headers))).toBe("413 value_too_large");
    expect(upload).toMatchObject({ pulledBytes: size, isCancelled: false });
  }
});

test("a value without end is not", async () => {
  const upload = new Upload(Number.POSITIVE_INFINITY);
  expect((await upload.put(new StoreUnderTest())).status).toBe(413);
  expect(upload.isCancelled).toBe(true);
  expect(upload.pulledBytes).toBeLessThanOrEqual(2 * maxLargeBytes + 64 * 1024);
});

test.each([
  ["/keys/%ff", {}],
  ["/keys/a?timeout=0", {}],
  ["/keys/a", { "If-Match": "1" }],
  ["/keys/a?ttl=0", {}],
  ["/keys/a", { "KV-Metadata": "{" }],
])(
  "a request that is bad in other ways is refused before its body is read: %s",
  async (path, headers) => {
    const upload = new Upload(10);
    const init = { body: upload.stream, headers, duplex: "half" } as RequestInit;
    expect((await EdgeUnderTest.withLeader().send("PUT", path, init)).status).toBe(400);
    expect(upload.pulledBytes).toBe(0);
  },
);

test("a value longer than it was announced is still counted", async () => {
  const upload = new Upload(maxLargeBytes + 1);
  const response = await upload.put(new StoreUnderTest(), { "Content-Length": "1" });
  expect(await lineOf(response)).toBe("413 value_too_large");
});

test("one chunk beyond the limit is refused too", async () => {
  const upload = new Upload(3 * maxLargeBytes, { chunkBytes: 3 * maxLargeBytes });
  expect((await upload.put(new StoreUnderTest())).status).toBe(413);
});

test("a value in single bytes is put together", async () => {
  const edge = EdgeUnderTest.withLeader();
  expect((await new Upload(3000, { chunkBytes: 1 }).put(edge)).status).toBe(201);
  expect((await edge.get("big")).headers.get("Content-Length")).toBe("3000");
});

test("a large upload that breaks leaves the key as it was", async () => {
  const store = new StoreUnderTest();
  await store.put("big", "old");
  const upload = new Upload(5 * maxValueBytes, { breaksAt: 3 * maxValueBytes });
  expect(await lineOf(await upload.put(store))).toBe("400 bad_body");
  expect(await store.valueOf("big")).toBe("old");
  expect(await store.revision()).toBe(1);
});

test.each([0, 64 * 1024])(
  "an upload that breaks after %d bytes changes nothing",
  async (breaksAt) => {
    const edge = EdgeUnderTest.withLeader();
    const response = await new Upload(200_000, { breaksAt }).put(edge);
    expect(await gist(response)).toBe("400 bad_body not_applied");
    expect(edge.group.calls).toEqual([]);
  },
);

describe("a content type", () => {
  const ofLength = (bytes: number): string => `text/plain; x=${"y".repeat(bytes - 14)}`;

  test("may have 256 bytes", async () => {
    const edge = EdgeUnderTest.withLeader();
    const contentType = ofLength(maxContentTypeBytes);
    await edge.put("a", "x", { "Content-Type": contentType });
    expect((await edge.get("a")).headers.get("Content-Type")).toBe(contentType);
  });

  test("may not have 257, and then the value is not even read", async () => {
    const edge = EdgeUnderTest.withLeader();
    const upload = new Upload(10);
    const response = await upload.put(edge, { "Content-Type": ofLength(257) });
    expect(await gist(response)).toBe("400 bad_content_type not_applied");
    expect(upload.pulledBytes).toBe(0);
    expect(edge.group.calls).toEqual([]);
  });

  test("must be ASCII: other bytes would not come back as they were", async () => {
    const edge = EdgeUnderTest.withLeader();
    const response = await edge.put("a", "x", { "Content-Type": "text/é" });
    expect(await gist(response)).toBe("400 bad_content_type not_applied");
  });

  test("is no matter to a delete", async () => {
    const edge = EdgeUnderTest.withLeader();
    const init = { headers: { "Content-Type": ofLength(1000) } };
    expect((await edge.send("DELETE", "/keys/a", init)).status).toBe(204);
  });
});
