import { describe, expect, test } from "vitest";
import { type Act, statusOf, votersNamed } from "../support/fake-group.ts";
import { EdgeUnderTest, gist } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

/** What replica 2 does, one request after another; the answers to a put and to a get of it. */
const cases: readonly [readonly Act[], string, string][] = [
  [["leads"], "201", "404 key_not_found not_applied"],
  [["follows 3"], "307", "307"],
  [["follows"], "503 no_leader not_applied", "503 no_leader not_applied"],
  [["drops"], "503 overloaded not_applied", "503 overloaded not_applied"],
  [["is at it"], "409 idempotency_key_in_flight not_applied", "404 key_not_found not_applied"],
  [["has to wait"], "503 not_ready not_applied", "404 key_not_found not_applied"],
  [["is dead"], "504 outcome_unknown unknown", "503 unavailable not_applied"],
  [["hangs"], "504 outcome_unknown unknown", "503 unavailable not_applied"],
  [["is unsure"], "504 outcome_unknown unknown", "503 no_leader not_applied"],
  [["applies, then breaks"], "504 outcome_unknown unknown", "503 unavailable not_applied"],
  [["refuses"], "504 outcome_unknown unknown", "503 unavailable not_applied"],
  [["babbles"], "504 outcome_unknown unknown", "503 unavailable not_applied"],
];

describe.each(cases)("a replica that is asked itself and %s", (acts, put, get) => {
  test.each([
    ["PUT", put],
    ["DELETE", put === "201" ? "204" : put],
    ["GET", get],
  ])("answers a %s with %s, and nobody else is asked", async (method, expected) => {
    const edge = new EdgeUnderTest();
    edge.group.script("1", "leads").script("2", ...acts);
    const path = "/replicas/2/keys/a?timeout=200";
    const { value, tookMs } = await inVirtualTime(() => edge.send(method, path));
    expect(await gist(value)).toBe(expected);
    expect(edge.group.asked).toBe("2");
    expect(edge.group.pokes).toEqual([]);
    expect(tookMs).toBeLessThanOrEqual(200);
  });
});

test("a replica has the whole timeout to itself", async () => {
  const edge = new EdgeUnderTest();
  edge.group.latencyMs = 180;
  edge.group.script("2", "leads");
  const path = "/replicas/2/keys/a?timeout=200";
  const { value, tookMs } = await inVirtualTime(() => edge.send("PUT", path));
  expect([value.status, tookMs]).toEqual([201, 180]);
});

test("a write with a floor too old is made again, at the same replica", async () => {
  const edge = new EdgeUnderTest();
  edge.group.table.pass(50_000);
  edge.group.script("2", "leads");
  expect((await edge.send("PUT", "/replicas/2/keys/a")).status).toBe(201);
  const floors = edge.group.calls.map(({ request }) => (request as { floor: number }).floor);
  expect(floors).toEqual([0, 50_000]);
});

test("a write that is always too late ends with the deadline", async () => {
  const edge = new EdgeUnderTest();
  edge.group.latencyMs = 20;
  edge.group.script("2", "expires");
  const path = "/replicas/2/keys/a?timeout=100";
  const { value, tookMs } = await inVirtualTime(() => edge.send("PUT", path));
  expect(value.status).toBeGreaterThanOrEqual(503);
  expect(tookMs).toBeLessThanOrEqual(100);
});

describe("a redirect", () => {
  const edge = new EdgeUnderTest();
  edge.group.script("2", "follows 3").script("3", "leads");

  test.each([
    "a",
    "a/b",
    "a%2Fb",
    "a%252Fb",
    "%F0%9F%98%80",
    "a//b/",
    "a?timeout=2s",
    "a%3Fb?timeout=2s&consistency=linearizable",
    "%E9%9F%B3?timeout=%32s",
    "a'b(c)*!~",
    "a:b@c",
    "%23",
    "%0D%0AX-Evil:%201",
  ])("leads to the same key and query at the leader: %s", async (rest) => {
    for (const method of ["PUT", "GET", "DELETE", "HEAD"]) {
      const response = await edge.send(method, `/replicas/2/keys/${rest}`);
      expect(response.status).toBe(307);
      expect(await response.text()).toBe("");
      const location = response.headers.get("Location");
      expect(location).toBe(`/v1/ns/${edge.group.namespace}/replicas/3/keys/${rest}`);
    }
  });

  test("can be followed", async () => {
    const { headers } = await edge.send("PUT", "/replicas/2/keys/x%2Fy?timeout=1s");
    const response = await edge.fetch(headers.get("Location")!, { method: "PUT" });
    expect(response.status).toBe(201);
    expect([...edge.group.table.rows.keys()]).toContain("x/y");
  });
});

test.each(["0", "4", "9", "01", "1.0", "x", "%34", "%ff", "-1", "1%2F", "__proto__", "1 "])(
  "there is no replica %s, and none is made",
  async (id) => {
    const edge = EdgeUnderTest.withLeader();
    for (const method of ["GET", "PUT", "DELETE"]) {
      const response = await edge.send(method, `/replicas/${id}/keys/a`);
      expect(await gist(response)).toBe("404 replica_not_found not_applied");
    }
    const names = new Set(edge.group.got.map(({ name }) => name));
    const { namespace } = edge.group;
    expect(names).toEqual(new Set(["1", "2", "3"].map((member) => `${namespace}/${member}`)));
    expect(edge.group.calls).toEqual([]);
  },
);

test("a member that the group was founded with is there when the settings name fewer", async () => {
  const edge = new EdgeUnderTest();
  const members = votersNamed(["1", "2", "3", "4", "5"]);
  edge.group.script("1", "follows 5").script("5", "leads");
  edge.group.statuses.set("2", { ...statusOf("2", "follower", "5"), members });
  const { headers } = await edge.send("PUT", "/replicas/1/keys/a");
  const response = await edge.fetch(headers.get("Location")!, { method: "PUT" });
  expect([response.status, response.headers.get("KV-Served-By")]).toEqual([201, "local/leader/5"]);
});

test("without a replica's name there is no such path", async () => {
  const response = await EdgeUnderTest.withLeader().send("GET", "/replicas//keys/a");
  expect(response.status).toBe(404);
});

test("a key that is asked of one replica keeps all other rules", async () => {
  const edge = EdgeUnderTest.withLeader();
  const expectations: readonly [string, string][] = [
    ["/replicas/1/keys/", "400 bad_key not_applied"],
    ["/replicas/1/keys/%ff", "400 bad_key not_applied"],
    [`/replicas/1/keys/${"k".repeat(2049)}`, "414 key_too_long not_applied"],
    ["/replicas/1/keys/a?timeout=9s", "400 bad_parameter not_applied"],
  ];
  for (const [path, expected] of expectations) {
    expect(await gist(await edge.send("PUT", path))).toBe(expected);
  }
});
