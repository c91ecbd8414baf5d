import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { type Problem, StoreClient, isWritten } from "../support/store-client.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 3 });
});

afterAll(() => cluster.stop());

const longKey = "k".repeat(2049);
const bigValue = new Uint8Array(25 * 1024 * 1024 + 1);

/** Method, path, body, and the code of the problem it must be answered with. */
const badRequests: readonly [string, string, string | Uint8Array | null, string][] = [
  ["PUT", "/v1/ns/default/keys/", "x", "bad_key"],
  ["GET", "/v1/ns/default/keys/", null, "bad_key"],
  ["PUT", `/v1/ns/default/keys/${longKey}`, "x", "key_too_long"],
  ["PUT", "/v1/ns/default/keys/a%2F..%2Fb", "x", "bad_key"],
  ["PUT", "/v1/ns/default/keys/.%2Fa", "x", "bad_key"],
  ["PUT", "/v1/ns/default/keys/..", "x", "route_not_found"],
  ["PUT", "/v1/ns/default/keys/%ff", "x", "bad_key"],
  ["PUT", "/v1/ns/default/keys/big", bigValue, "value_too_large"],
  ["PUT", "/v1/ns/Default/keys/a", "x", "bad_namespace"],
  ["PUT", "/v1/ns/-/keys/a", "x", "bad_namespace"],
  ["GET", `/v1/ns/${"n".repeat(64)}/keys/a`, null, "bad_namespace"],
  ["GET", "/v1/ns/default/keys/a?timeout=soon", null, "bad_parameter"],
  ["GET", "/v1/ns/default/keys/a?consistency=strong", null, "bad_parameter"],
  ["PATCH", "/v1/ns/default/keys/a", "x", "method_not_allowed"],
  ["GET", "/v1/ns/default/replicas/9/keys/a", null, "replica_not_found"],
  ["GET", "/v2", null, "route_not_found"],
  ["POST", "/_local/partition", "{", "bad_body"],
  ["POST", "/_local/partition", "null", "bad_body"],
  ["POST", "/_local/partition", '{"groups":["1"]}', "bad_body"],
  ["POST", "/_local/partition", '{"groups":[["1"],["1","2"]]}', "bad_body"],
  ["POST", "/_local/partition", '{"groups":[["1"],["4"]]}', "replica_not_found"],
  ["POST", "/_local/replicas/4/kill", null, "replica_not_found"],
  ["POST", "/_local/replicas/1/explode", null, "route_not_found"],
];

test.each(badRequests)("%s %.60s is refused", async (method, path, body, code) => {
  const response = await fetch(cluster.url + path, {
    method,
    ...(body === null ? {} : { body: body as RequestInit["body"] & {} }),
  });
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await response.json()) as Problem;
  expect(problem).toMatchObject({ code, status: response.status, outcome: "not_applied" });
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(response.status).toBeLessThan(500);
});

test("the cluster serves on, with all its replicas", async () => {
  const client = new StoreClient(cluster.url);
  expect(isWritten(await client.put("still", "here"))).toBe(true);
  expect((await client.get("still")).body).toBe("here");
  const { replicas } = await cluster.status();
  expect(replicas.every(({ reachable }) => reachable)).toBe(true);
});
