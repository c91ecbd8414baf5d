import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { StatusResult } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import worker from "../../src/worker.ts";
import { GroupUnderTest, putRequest } from "./group-under-test.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";

const secret = "a-secret-of-the-tests";
const open = { ...env, REPLICA_SECRET: secret };
const authorization = { Authorization: `Bearer ${secret}` };
const context = {} as ExecutionContext;

function call(path: string, init: RequestInit = {}, settings: object = open): Promise<Response> {
  const request = new Request(`https://quorumkv.example${path}`, init);
  return Promise.resolve(worker.fetch(request as never, settings as typeof env, context));
}

describe("The gateway to the replicas", () => {
  test("passes on to the replica, body and all, and back", async () => {
    const group = new GroupUnderTest();
    await group.settled();
    const at = (id: string, path: string): string => `/_replica/${group.namespace}/${id}${path}`;
    for (const id of group.ids) {
      const response = await call(at(id, "/status"), { headers: authorization });
      expect(response.status).toBe(200);
      expect(fromBytes<StatusResult>(await response.arrayBuffer())).toMatchObject({ id });
    }
    const { id } = await group.settled();
    const body = toBytes({ version: 1, requests: [putRequest("a", "by the gateway")] });
    const put = await call(at(id, replicaPath.client), {
      method: "POST",
      headers: authorization,
      body,
    });
    expect([put.status, (await put.arrayBuffer()).byteLength > 0]).toEqual([200, true]);
    expect(await group.get("a")).toBe("by the gateway");
    const garbled = await call(at(id, replicaPath.peer), {
      method: "POST",
      headers: authorization,
      body: "?",
    });
    expect(garbled.status, "what the replica itself answers").toBe(400);
  });

  test.each([
    replicaPath.client,
    replicaPath.members,
    replicaPath.peer,
    replicaPath.rebuild,
    replicaPath.retire,
    replicaPath.transfer,
  ])("passes on what comes for %s", async (path) => {
    const { namespace } = new GroupUnderTest();
    const init = { method: "POST", headers: authorization, body: "?" };
    const response = await call(`/_replica/${namespace}/1${path}`, init);
    expect(await response.text()).toContain("not a map of fields");
    expect(response.status).toBe(400);
  });

  test.each([
    ["no secret", {}],
    ["another secret", { Authorization: "Bearer another-secret-of-the-tests" }],
    ["the beginning of it", { Authorization: `Bearer ${secret.slice(0, -1)}` }],
    ["more than it", { Authorization: `Bearer ${secret}x` }],
    ["another scheme", { Authorization: `Basic ${secret}` }],
    ["no scheme", { Authorization: secret }],
  ])("answers 401 to %s, whatever is asked", async (_, headers) => {
    for (const path of ["/_replica/shop/1/status", "/_replica/", "/_replica/shop/1/nothing"]) {
      const response = await call(path, { headers });
      expect([response.status, response.headers.get("WWW-Authenticate")]).toEqual([401, "Bearer"]);
    }
  });

  test.each([
    "/_replica/",
    "/_replica/shop/1",
    "/_replica/shop/1/",
    "/_replica/shop/1/nothing",
    "/_replica/shop/1/status/more",
    "/_replica/shop/1//status",
    "/_replica/Shop/1/status",
    "/_replica/shop%2F1/status",
    "/_replica/-shop/1/status",
    "/_replica/shop/0/status",
    "/_replica/shop/01/status",
    "/_replica/shop/one/status",
    "/_replica/shop/1%2F/status",
    "/_replica/shop/12345/status",
  ])("answers 404 to %s, which is no replica's", async (path) => {
    expect((await call(path, { headers: authorization })).status).toBe(404);
  });

  test("is not there without a secret in the settings", async () => {
    const response = await call("/_replica/shop/1/status", { headers: authorization }, env);
    expect([response.status, await response.json()]).toMatchObject([
      404,
      { code: "route_not_found" },
    ]);
  });

  test("says which setting is wrong, and lets nobody in", async () => {
    const short = { ...env, REPLICA_SECRET: "short" };
    const headers = { Authorization: "Bearer short" };
    const response = await call("/_replica/shop/1/status", { headers }, short);
    expect([response.status, await response.text()]).toEqual([
      500,
      expect.stringContaining("REPLICA_SECRET must be at least 16 characters"),
    ]);
  });

  test("leaves all other paths to the API", async () => {
    expect(await (await call("/livez")).text()).toContain("ok");
  });
});
