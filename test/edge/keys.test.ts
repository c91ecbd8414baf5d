import { describe, expect, test } from "vitest";
import { EdgeUnderTest, gist, problemIn } from "./edge-under-test.ts";

/** All headers but those that every answer has: see app.test.ts. */
const headersOf = (response: Response): Record<string, string> =>
  Object.fromEntries(
    [...response.headers].filter(([name]) => !/^(?:access-control-|server-timing|vary)/.test(name)),
  );

describe("a put", () => {
  test("of a new key answers 201 with its revision, and no body", async () => {
    const edge = EdgeUnderTest.withLeader();
    const response = await edge.put("a");
    expect(response.status).toBe(201);
    expect(await response.text()).toBe("");
    expect(headersOf(response)).toEqual({
      "cache-control": "no-store",
      etag: '"1"',
      "kv-bookmark": `1.1.1.${edge.group.namespace}`,
      "kv-revision": "1",
      "kv-served-by": "local/leader/1",
      "x-content-type-options": "nosniff",
    });
  });

  test("of a key that has a value answers 200 with the new revision", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a", "old");
    const response = await edge.put("a", "new");
    expect(response.status).toBe(200);
    expect(response.headers.get("ETag")).toBe('"2"');
    expect(await (await edge.get("a")).text()).toBe("new");
  });

  test("after a delete creates anew", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a");
    await edge.send("DELETE", "/keys/a");
    expect((await edge.put("a")).status).toBe(201);
    const { headers } = await edge.get("a");
    expect([headers.get("KV-Create-Revision"), headers.get("KV-Version")]).toEqual(["3", "1"]);
  });

  test("without a body keeps an empty value", async () => {
    const edge = EdgeUnderTest.withLeader();
    expect((await edge.put("a", null)).status).toBe(201);
    const response = await edge.get("a");
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Length")).toBe("0");
    expect(await response.text()).toBe("");
  });

  test("is a request of its own each time", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a", "same");
    await edge.put("a", "same");
    expect((await edge.get("a")).headers.get("KV-Version")).toBe("2");
  });

  test.each(["If-Modified-Since", "If-Unmodified-Since", "If-Range"])(
    "with %s is refused rather than done without it",
    async (name) => {
      const edge = EdgeUnderTest.withLeader();
      for (const method of ["PUT", "DELETE"]) {
        const init = { headers: { [name.toLowerCase()]: '"1"' } };
        const problem = await problemIn(await edge.send(method, "/keys/a", init));
        expect(problem).toMatchObject({ status: 400, code: "unsupported_condition" });
        expect(problem.detail).toContain(name);
      }
      expect(edge.group.calls).toEqual([]);
    },
  );

  test.each([
    ["If-Match", '"7"', { condition: { type: "revision", revision: 7 } }],
    ["If-Match", "*", { condition: { type: "exists" } }],
    ["If-None-Match", "*", { condition: { type: "absent" } }],
    ["Idempotency-Key", "k1", { idempotency: { name: "k1", fingerprint: expect.any(String) } }],
  ])("with %s: %s has it in what replicas get", async (name, value, part) => {
    const edge = EdgeUnderTest.withLeader();
    for (const method of ["PUT", "DELETE"]) {
      await edge.send(method, "/keys/a", { headers: { [name]: value } });
      expect(edge.group.calls.at(-1)?.request).toMatchObject(part);
    }
  });

  test("without any of these asks for nothing that older replicas do not know", async () => {
    const edge = EdgeUnderTest.withLeader();
    for (const method of ["PUT", "DELETE"]) await edge.send(method, "/keys/a");
    const requests = edge.group.calls.map(({ request }) => request);
    expect(requests.map((request) => Object.keys(request).toSorted().join(" "))).toEqual([
      "contentType floor key requestId type value",
      "floor key requestId type",
    ]);
  });

  test.each([
    ["Content-Range", "bytes 0-1/6", "a part would replace the whole"],
    ["Content-Encoding", "gzip", "a reader would not be told of it"],
  ])("with %s: %s is refused, since %s", async (name, value) => {
    const edge = EdgeUnderTest.withLeader();
    const response = await edge.put("a", "x", { [name]: value });
    expect(await gist(response)).toBe("400 unsupported_header not_applied");
    expect(edge.group.calls).toEqual([]);
  });
});

describe("a get", () => {
  test("answers the value with all that is known of it", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("other");
    await edge.put("a", "first", { "Content-Type": "text/plain" });
    await edge.put("a", '{"n":1}', { "Content-Type": "application/json" });
    const response = await edge.get("a");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('{"n":1}');
    expect(headersOf(response)).toEqual({
      "cache-control": "no-store, no-transform",
      "content-length": "7",
      "content-security-policy": "sandbox",
      "content-type": "application/json",
      etag: '"3"',
      "kv-bookmark": `1.1.3.${edge.group.namespace}`,
      "kv-consistency": "linearizable",
      "kv-create-revision": "2",
      "kv-revision": "3",
      "kv-served-by": "local/leader/1",
      "kv-staleness-ms": "0",
      "kv-version": "2",
      "x-content-type-options": "nosniff",
    });
  });

  test("of a key without a value answers 404, as of a revision", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("other");
    const response = await edge.get("a");
    const { headers } = response;
    expect(await gist(response)).toBe("404 key_not_found not_applied");
    expect(headers.get("KV-Revision")).toBe("1");
    expect(headers.get("KV-Consistency")).toBe("linearizable");
    expect(headers.get("KV-Served-By")).toBe("local/leader/1");
    expect(headers.get("ETag")).toBeNull();
  });

  test("of a version that the reader has says just that", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a");
    const response = await edge.get("a", { "If-None-Match": '"1"' });
    expect([response.status, response.body]).toEqual([304, null]);
  });

  test("takes no notice of headers that only writes have", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a");
    const headers = { "If-Match": '"9"', "If-Modified-Since": "x", "Idempotency-Key": "" };
    expect((await edge.get("a", headers)).status).toBe(200);
  });
});

describe("a head", () => {
  test("answers as a get does, without the value and without asking for it", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a", "four", { "Content-Type": "text/plain" });
    const [got, head] = [await edge.get("a"), await edge.send("HEAD", "/keys/a")];
    expect(head.status).toBe(200);
    expect(headersOf(head)).toEqual(headersOf(got));
    expect(head.body).toBeNull();
    expect(edge.group.calls.at(-1)?.request).toMatchObject({ type: "get", metadataOnly: true });
  });

  test("of a key without a value answers 404 without a body", async () => {
    const head = await EdgeUnderTest.withLeader().send("HEAD", "/keys/a");
    expect(head.status).toBe(404);
    expect(head.body).toBeNull();
    expect(head.headers.get("KV-Revision")).toBe("0");
  });
});

describe("a delete", () => {
  test("answers 204 and says that there was a value", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a");
    const response = await edge.send("DELETE", "/keys/a");
    expect(response.status).toBe(204);
    expect(response.body).toBeNull();
    expect(headersOf(response)).toEqual({
      "cache-control": "no-store",
      "kv-bookmark": `1.1.2.${edge.group.namespace}`,
      "kv-deleted": "1",
      "kv-revision": "2",
      "kv-served-by": "local/leader/1",
      "x-content-type-options": "nosniff",
    });
    expect((await edge.get("a")).status).toBe(404);
  });

  test("answers 204 and the present revision when there is nothing to delete", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("other");
    const response = await edge.send("DELETE", "/keys/a");
    expect(response.status).toBe(204);
    expect(response.headers.get("KV-Deleted")).toBe("0");
    expect(response.headers.get("KV-Revision")).toBe("1");
  });

  test("ignores a body", async () => {
    const edge = EdgeUnderTest.withLeader();
    expect((await edge.send("DELETE", "/keys/a", { body: "x" })).status).toBe(204);
  });
});

describe("what is put", () => {
  test("comes back byte by byte, whatever the bytes", async () => {
    const edge = EdgeUnderTest.withLeader();
    const bytes = Uint8Array.from({ length: 1024 }, (_, i) => i % 256);
    await edge.put("bytes", bytes);
    expect(new Uint8Array(await (await edge.get("bytes")).arrayBuffer())).toEqual(bytes);
  });

  test("comes back whole from a body of many chunks, empty ones among them", async () => {
    const edge = EdgeUnderTest.withLeader();
    const body = new Blob(["one", "", "two", new Uint8Array([0, 255])]).stream();
    const init = { body, duplex: "half" } as RequestInit;
    expect((await edge.send("PUT", "/keys/a", init)).status).toBe(201);
    const value = new Uint8Array(await (await edge.get("a")).arrayBuffer());
    expect(value).toEqual(new Uint8Array([...new TextEncoder().encode("onetwo"), 0, 255]));
  });

  test.each([
    "text/plain",
    "application/json; charset=utf-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=none",
    "not a type at all",
  ])("keeps the content type %s, and is not parsed by it", async (contentType) => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a", "{not=json&a=%zz", { "Content-Type": contentType });
    const response = await edge.get("a");
    expect(response.headers.get("Content-Type")).toBe(contentType);
    expect(await response.text()).toBe("{not=json&a=%zz");
  });

  test.each([{}, { "Content-Type": "" }])(
    "without a content type comes back without one: %o",
    async (headers) => {
      const edge = EdgeUnderTest.withLeader();
      await edge.put("a", "value", headers);
      expect((await edge.get("a")).headers.get("Content-Type")).toBeNull();
      expect(edge.group.table.rows.get("a")?.contentType).toBeNull();
    },
  );

  test("loses its content type to a put that has none", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a", "x", { "Content-Type": "text/plain" });
    await edge.put("a", "y");
    expect((await edge.get("a")).headers.get("Content-Type")).toBeNull();
  });

  test("cannot become a page of this site", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a", "<script>alert(1)</script>", { "Content-Type": "text/html" });
    const { headers } = await edge.get("a");
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(headers.get("Content-Security-Policy")).toBe("sandbox");
  });
});
