import { describe, expect, test } from "vitest";
import { parseKeyPath } from "../../src/edge/key-path.ts";
import { EdgeUnderTest, gist, problemIn } from "./edge-under-test.ts";

/** What stands in the path, and the key that it is. */
const keys: readonly [string, string][] = [
  ["a", "a"],
  ["a/b", "a/b"],
  ["a%2Fb", "a/b"],
  ["a%2fb", "a/b"],
  ["a%252Fb", "a%2Fb"],
  ["%252F", "%2F"],
  ["%25", "%"],
  ["%2525", "%25"],
  ["%00", "\0"],
  ["a%00b", "a\0b"],
  ["a%0Ab", "a\nb"],
  ["a%0D%0Ab", "a\r\nb"],
  ["a%E2%80%A8b", "a\u2028b"],
  ["%F0%9F%98%80", "😀"],
  ["😀", "😀"],
  ["é", "é"],
  ["e%CC%81", "e\u0301"],
  ["%EF%BB%BFx", "\uFEFFx"],
  ["%EF%BF%BF", "\uFFFF"],
  ["%EF%BF%BD", "\uFFFD"],
  ["/", "/"],
  ["//", "//"],
  ["/a", "/a"],
  ["a/", "a/"],
  ["a//b", "a//b"],
  ["...", "..."],
  ["a/.../b", "a/.../b"],
  [".a", ".a"],
  ["..a/b..", "..a/b.."],
  ["%252e%252e", "%2e%2e"],
  ["a%5C..%5Cb", "a\\..\\b"],
  ["+", "+"],
  ["%2B", "+"],
  ["%20", " "],
  ["a;b=c,d", "a;b=c,d"],
  ["%3F%23", "?#"],
  ["a:b@c", "a:b@c"],
  ["keys/a", "keys/a"],
  ["replicas/1/keys/a", "replicas/1/keys/a"],
  ["__proto__", "__proto__"],
];

describe.each(keys)("%j in the path", (raw, key) => {
  test(`is the key ${JSON.stringify(key)}, for a write and for a read`, async () => {
    const edge = EdgeUnderTest.withLeader();
    expect((await edge.put(raw)).status).toBe(201);
    expect([...edge.group.table.rows.keys()]).toEqual([key]);
    expect((await edge.get(raw)).status).toBe(200);
    expect((await edge.get(encodeURIComponent(key))).status).toBe(200);
  });
});

test("a/b and a%2Fb are one key, and a%252Fb is another", async () => {
  const edge = EdgeUnderTest.withLeader();
  await edge.put("a/b", "one");
  await edge.put("a%252Fb", "another");
  expect(await (await edge.get("a%2Fb")).text()).toBe("one");
});

test("keys that look alike stay apart: nothing is normalised", async () => {
  const edge = EdgeUnderTest.withLeader();
  const forms = ["%C3%A9", "e%CC%81", "A", "a", "a/", "/a", "a//b", "a/b", "%00", "%00%00"];
  for (const form of forms) expect((await edge.put(form)).status, form).toBe(201);
});

describe("a dot segment", () => {
  test.each([
    ["a/../b", "b"],
    ["a/./b", "a/b"],
    ["a/%2e%2e/b", "b"],
    ["a/%2E%2E/b", "b"],
    ["a/.%2e/b", "b"],
    ["a/%2E/b", "a/b"],
    ["a/..", ""],
    ["a\\..\\b", "b"],
  ])("is resolved before it gets here: %s is the path of %j", async (raw, key) => {
    const edge = EdgeUnderTest.withLeader();
    const response = await edge.put(raw);
    expect(response.status).toBe(key === "" ? 400 : 201);
    expect([...edge.group.table.rows.keys()]).toEqual(key === "" ? [] : [key]);
  });

  test.each(["..%2Fb", "a%2F..", "a%2F..%2Fb", "a%2F.%2Fb", ".%2Fa", "a%2F%2E%2E%2Fb", "%2e%2Fa"])(
    "that only percent-encoding brought here is refused: %s",
    async (raw) => {
      const edge = EdgeUnderTest.withLeader();
      expect(await gist(await edge.put(raw))).toBe("400 bad_key not_applied");
      expect(await gist(await edge.get(raw))).toBe("400 bad_key not_applied");
      expect(edge.group.calls).toEqual([]);
    },
  );

  test.each([
    ["..", "404 route_not_found not_applied"],
    ["%2e%2e", "404 route_not_found not_applied"],
    ["../keys", "405 method_not_allowed not_applied"],
    [".", "400 bad_key not_applied"],
  ])("alone, %s, leads to a path that has no key", async (raw, expected) => {
    expect(await gist(await EdgeUnderTest.withLeader().put(raw))).toBe(expected);
  });

  test("can lead to another namespace: a path is what the URL makes of it", async () => {
    const edge = EdgeUnderTest.withLeader();
    const { namespace } = edge.group;
    const response = await edge.fetch(`/v1/ns/other/keys/../../${namespace}/keys/a`, {
      method: "PUT",
    });
    expect(response.status).toBe(201);
  });
});

test.each([
  ["an escape without digits", "a%"],
  ["an escape with one digit", "a%4"],
  ["an escape of other letters", "%zz"],
  ["a byte that is no UTF-8", "%ff"],
  ["half a character", "%E2%82"],
  ["an overlong slash", "%C0%AF"],
  ["an overlong NUL", "%C0%80"],
  ["a lone high surrogate", "%ED%A0%80"],
  ["a lone low surrogate", "%ED%BF%BF"],
  ["a pair of surrogates, as CESU-8 has them", "%ED%A0%BD%ED%B8%80"],
  ["a code point beyond Unicode", "%F4%90%80%80"],
  ["good and bad together", "a%2Fb/%ff"],
])("%s is no key: %s", async (_, raw) => {
  const edge = EdgeUnderTest.withLeader();
  for (const method of ["PUT", "GET", "DELETE"]) {
    const problem = await problemIn(await edge.send(method, `/keys/${raw}`));
    expect(problem).toMatchObject({ status: 400, code: "bad_key", outcome: "not_applied" });
  }
  expect(edge.group.calls).toEqual([]);
});

test.each(["/keys/", "/keys/?timeout=1s"])("a path without a key is refused: %s", async (path) => {
  const edge = EdgeUnderTest.withLeader();
  for (const method of ["PUT", "GET", "DELETE"]) {
    expect(await gist(await edge.send(method, path))).toBe("400 bad_key not_applied");
  }
});

describe("a key's length is counted in bytes of UTF-8, after decoding", () => {
  const fitting = ["k".repeat(2048), `${"€".repeat(682)}ab`, "😀".repeat(512), "/".repeat(2048)];

  test.each(fitting)("2048 fit: %.8s", async (key) => {
    const edge = EdgeUnderTest.withLeader();
    expect((await edge.put(encodeURIComponent(key))).status).toBe(201);
    expect([...edge.group.table.rows.keys()]).toEqual([key]);
  });

  test.each(fitting)("2049 don't: %.8s", async (key) => {
    const edge = EdgeUnderTest.withLeader();
    const problem = await problemIn(await edge.put(encodeURIComponent(`${key}k`)));
    expect(problem).toMatchObject({ status: 414, code: "key_too_long", outcome: "not_applied" });
    expect(problem.detail).toContain("2049");
    expect(edge.group.calls).toEqual([]);
  });
});

describe("a namespace name", () => {
  const app = EdgeUnderTest.withLeader();
  const good = ["a", "7", "a-b", "a_b", "a--__b", `n${"-".repeat(61)}n`, "n".repeat(63), "keys"];
  const bad = [
    "n".repeat(64),
    "-",
    "_",
    "-a",
    "a-",
    "_a",
    "a_",
    "A",
    "shoP",
    "a.b",
    "a b",
    "a%20b",
    "a%2Fb",
    "%41",
    "%ff",
    "a%0A",
    "é",
    "a:b",
    "a~",
    "%00",
    "%",
  ];

  test("is the same however it is escaped", async () => {
    const edge = EdgeUnderTest.withLeader();
    const escaped = edge.group.namespace.replace("e", "%65");
    const paths = ["keys/a", "replicas/%31/keys/a"];
    for (const path of paths) {
      const response = await edge.fetch(`/v1/ns/${escaped}/${path}`, { method: "PUT" });
      expect(response.status).toBeLessThan(300);
    }
  });

  test.each(good)("may be %s", (name) => {
    expect(parseKeyPath(`https://kv/v1/ns/${name}/keys/a`).namespace).toBe(name);
  });

  test.each(bad)("may not be %s", async (name) => {
    for (const path of [`/v1/ns/${name}/keys/a`, `/v1/ns/${name}/replicas/1/keys/a`]) {
      for (const method of ["GET", "PUT", "DELETE"]) {
        expect(await gist(await app.fetch(path, { method }))).toBe("400 bad_namespace not_applied");
      }
    }
  });

  test.each(bad)("may not be %s of a cluster", async (name) => {
    const response = await app.fetch(`/v1/ns/${name}/cluster`);
    expect(await gist(response)).toBe("400 bad_namespace not_applied");
  });

  test("may not be empty", async () => {
    expect((await app.fetch("/v1/ns//keys/a")).status).toBe(404);
  });
});

test.each(["/v1/ns/a/%6Beys/b", "/v1/%6Es/a/keys/b", "/v1/ns/a/%72eplicas/1/keys/b"])(
  "an escape in the fixed part of a path does no harm: %s",
  async (path) => {
    const edge = EdgeUnderTest.withLeader();
    const { status } = await problemIn(await edge.fetch(path, { method: "PUT" }));
    expect([400, 404]).toContain(status);
    expect(edge.group.calls).toEqual([]);
  },
);

test("a key path keeps the key as it was sent, for a Location", () => {
  expect(parseKeyPath("https://kv/v1/ns/shop/replicas/2/keys/a%2Fb//%C3%A9?timeout=1s")).toEqual({
    namespace: "shop",
    replica: "2",
    key: "a/b//é",
    rawKey: "a%2Fb//%C3%A9",
  });
});
