import { afterEach, describe, expect, test, vi } from "vitest";
import { createApp } from "../../src/edge/app.ts";
import { EdgeUnderTest, gist, problemIn } from "./edge-under-test.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const keyMethods = "GET, HEAD, PUT, DELETE";
const readMethods = "GET, HEAD";
const methods = ["GET", "PUT", "POST", "DELETE", "PATCH", "PROPFIND", "LOCK"];

/** A path, and the methods it has. */
const paths: readonly [string, string][] = [
  ["/", readMethods],
  ["/livez", readMethods],
  ["/readyz", readMethods],
  ["/v1/ns/shop/cluster", readMethods],
  ["/v1/ns/shop/keys/a", keyMethods],
  ["/v1/ns/shop/keys/a/b%2Fc", keyMethods],
  ["/v1/ns/shop/keys/", keyMethods],
  ["/v1/ns/shop/replicas/1/keys/a", keyMethods],
  ["/v1/ns/shop/keys", "GET, HEAD, DELETE"],
  ["/v1/ns/shop/txn", "POST"],
  ["/v1/ns/shop/get", "POST"],
  ["/v1/ns/shop/leases", "POST"],
  ["/v1/ns/shop/leases/1", keyMethods],
  ["/v1/ns/shop/cluster/leader", "POST"],
  ["/v1/ns/shop/cluster/rebuild", "POST"],
  ["/v1/ns/shop/cluster/members", "GET, HEAD, POST"],
  ["/v1/ns/shop/cluster/members/1", "DELETE"],
];

describe.each(paths)("%s", (path, allow) => {
  const others = methods.filter((method) => !allow.split(", ").includes(method));

  test.each(others)("answers 405 to %s", async (method) => {
    const edge = EdgeUnderTest.withLeader();
    const response = await edge.fetch(path, { method });
    expect(response.headers.get("Allow")).toBe(allow);
    const problem = await problemIn(response);
    expect(problem).toMatchObject({ status: 405, code: "method_not_allowed", retryable: false });
    expect(problem.detail).toContain(method);
    expect(edge.group.calls).toEqual([]);
  });
});

test.each([
  "/v1",
  "/v2/ns/shop/keys/a",
  "/v1/ns",
  "/v1/ns/shop",
  "/v1/ns/shop/key/a",
  "/v1/ns/shop/keyss",
  "/v1/ns/shop/txn/",
  "/v1/ns/shop/txn/a",
  "/v1/ns/shop/get/a",
  "/v1/ns/shop/leases/1/2",
  "/v1/ns/shop/replicas/1/txn",
  "/v1/ns/shop/cluster/1",
  "/v1/ns/shop/replicas/1",
  "/v1/ns/shop/replicas/1/cluster",
  "/v1/ns/shop/keys%2Fa",
  "/V1/ns/shop/keys/a",
  "//v1/ns/shop/keys/a",
  "/livez/x",
  "/favicon.ico",
  "/client",
  "/peer",
  "/status",
  "/poke",
  "/_local",
  "/_local/partition",
  "/_local/replicas/1/kill",
])("%s is no path of a deployed Worker, for any method", async (path) => {
  const edge = EdgeUnderTest.withLeader();
  for (const method of ["GET", "PUT", "POST", "DELETE", "PATCH"]) {
    const problem = await problemIn(await edge.fetch(path, { method }));
    expect(problem).toMatchObject({ status: 404, code: "route_not_found", outcome: "not_applied" });
    expect(problem.instance).toBe(path);
  }
  expect(edge.group.got).toEqual([]);
});

test("a head of an unknown path has no body", async () => {
  const response = await EdgeUnderTest.withLeader().fetch("/nothing", { method: "HEAD" });
  expect([response.status, response.body]).toEqual([404, null]);
});

test.each(["/", "/livez", "/readyz", "/v1/ns/never/cluster", "/v1/ns/shop/keys/%ff", "/nothing"])(
  "%s may not be kept by anybody, nor guessed at",
  async (path) => {
    const { headers } = await new EdgeUnderTest({ replicas: 1 }).fetch(path);
    expect(headers.get("Cache-Control")).toBe("no-store");
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
  },
);

test.each(["/", "/v1/ns/shop/keys/a", "/v1/ns/shop/txn", "/nothing"])(
  "%s may be asked by a page of any site, which is told what it may say",
  async (path) => {
    const headers = {
      Origin: "https://other.example",
      "Access-Control-Request-Method": "PUT",
      "Access-Control-Request-Headers": "if-match,kv-metadata",
    };
    const edge = new EdgeUnderTest();
    const answer = await edge.fetch(path, { method: "OPTIONS", headers });
    expect(answer.status).toBe(204);
    expect(answer.headers.get("Access-Control-Allow-Origin")).toBe("*");
    expect(answer.headers.get("Access-Control-Allow-Credentials")).toBeNull();
    expect(answer.headers.get("Access-Control-Allow-Methods")).toBe("GET,HEAD,PUT,POST,DELETE");
    const allowed = answer.headers.get("Access-Control-Allow-Headers")!.split(",");
    for (const name of [
      "Content-Type",
      "If-Match",
      "If-None-Match",
      "Idempotency-Key",
      "KV-Metadata",
    ]) {
      expect(allowed).toContain(name);
    }
    expect(edge.group.got).toEqual([]);
  },
);

test.each(["/", "/nothing", "/v1/ns/shop/keys/%ff"])(
  "%s says how long it took, and what of it a page of another site may see",
  async (path) => {
    const { headers } = await new EdgeUnderTest().fetch(path);
    expect(headers.get("Server-Timing")).toMatch(/^edge;dur=\d+$/);
    expect(headers.get("Access-Control-Allow-Origin")).toBe("*");
    const exposed = headers.get("Access-Control-Expose-Headers")!.split(",");
    for (const name of ["ETag", "KV-Revision", "KV-Metadata", "Idempotency-Replayed"]) {
      expect(exposed).toContain(name);
    }
  },
);

test("the root says what to type", async () => {
  const response = await EdgeUnderTest.withLeader().fetch("/");
  expect(response.headers.get("Content-Type")).toMatch(/^text\/plain/);
  expect(await response.text()).toContain(
    "\n  curl -i http://localhost/v1/ns/default/keys/hello\n",
  );
});

test("a problem names the path as it was sent, without the query", async () => {
  const edge = EdgeUnderTest.withLeader();
  const path = `/v1/ns/${edge.group.namespace}/keys/a%2Fb"<`;
  const { instance } = await problemIn(await edge.fetch(`${path}?timeout=1s`));
  expect(instance).toBe(`/v1/ns/${edge.group.namespace}/keys/a%2Fb%22%3C`);
});

describe("with settings that are wrong", () => {
  test.each([
    [{ REPLICAS: "2" }, "REPLICAS must be odd, not 2"],
    [{ REPLICAS: "9" }, "REPLICAS must be a whole number from 1 to 7"],
    [{ REGIONS: "wnam,moon" }, 'REGIONS has "moon"'],
    [{ HEARTBEAT_MS: "0" }, "HEARTBEAT_MS must be a whole number from 10"],
    [{ ELECTION_MIN_MS: "99" }, "ELECTION_MIN_MS must be a whole number from 100"],
    [{ ELECTION_MAX_MS: "150" }, "ELECTION_MAX_MS must be a whole number from 151"],
  ])("%o is named, and no write is in doubt", async (vars, detail) => {
    const edge = EdgeUnderTest.withLeader();
    for (const method of ["GET", "PUT"]) {
      const problem = await problemIn(await edge.fetch("/v1/ns/shop/keys/a", { method }, vars));
      expect(problem).toMatchObject({ status: 500, code: "misconfigured", outcome: "not_applied" });
      expect(problem.detail).toContain(detail);
    }
    expect(edge.group.got).toEqual([]);
  });

  test("a missing binding is named too", async () => {
    const { REPLICA: _, ...vars } = new EdgeUnderTest().group.env();
    const response = await createApp().request("/v1/ns/shop/keys/a", {}, vars);
    expect((await problemIn(response)).detail).toContain("no Durable Object binding REPLICA");
  });

  test("a bad request is still told so", async () => {
    const edge = EdgeUnderTest.withLeader();
    const response = await edge.fetch("/v1/ns/shop/keys/%ff", {}, { REPLICAS: "4" });
    expect(await gist(response)).toBe("400 bad_key not_applied");
  });
});

describe("when the edge itself fails", () => {
  const broken = {
    get REPLICA(): never {
      throw new Error("a secret detail");
    },
  };
  const send = async (method: string): Promise<Response> => {
    const env = Object.defineProperties(
      new EdgeUnderTest().group.env(),
      Object.getOwnPropertyDescriptors(broken),
    );
    return createApp().request("/v1/ns/shop/keys/a", { method }, env);
  };

  test.each([
    ["GET", "not_applied"],
    ["PUT", "unknown"],
    ["DELETE", "unknown"],
  ])("a %s answers 500 and %s, and the log says why", async (method, outcome) => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const problem = await problemIn(await send(method));
    expect(problem).toMatchObject({ status: 500, code: "internal_error", outcome });
    expect(JSON.stringify(problem)).not.toContain("secret");
    expect(log).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/\/keys\/a: .*a secret/s));
  });

  test("a head answers 500 without a body", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const response = await send("HEAD");
    expect([response.status, response.body]).toEqual([500, null]);
  });
});
