import type { Hono } from "hono";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { control } from "../../src/cluster/control.ts";
import { faults } from "../../src/cluster/faults.ts";
import { createApp } from "../../src/edge/app.ts";
import type { EdgeEnv } from "../../src/edge/env.ts";
import { problemIn } from "./edge-under-test.ts";

// The replica itself needs workerd; what the control endpoints use of its file are two paths.
vi.mock("../../src/cluster/local-replica.ts", () => ({
  abortPath: "/_local/abort",
  resumePath: "/_local/resume",
}));

const app: Hono<EdgeEnv> = createApp().route("/_local", control);

/** The calls that reach replicas, as "name path"; all of them fail, as a call that aborts does. */
const calls: string[] = [];
const env = {
  REPLICAS: "3",
  REGIONS: "local",
  HEARTBEAT_MS: "50",
  ELECTION_MIN_MS: "150",
  ELECTION_MAX_MS: "300",
  REPLICA: {
    idFromName: (name: string) => name,
    get: (name: string) => ({
      fetch: async (url: string) => {
        calls.push(`${name} ${new URL(url).pathname}`);
        throw new Error("killed");
      },
    }),
  },
};

const post = async (path: string, body?: string): Promise<Response> =>
  app.request(`/_local${path}`, { method: "POST", ...(body === undefined ? {} : { body }) }, env);

beforeEach(() => {
  calls.length = 0;
  faults.killed.clear();
  faults.paused.clear();
  faults.groups = null;
  faults.namespaces.clear();
  faults.namespaces.add("shop").add("default");
});

test("the faults in force can be read", async () => {
  const response = await app.request("/_local", {}, env);
  expect(response.headers.get("Content-Type")).toBe("application/json");
  expect(await response.json()).toEqual({ killed: [], paused: [], groups: null });
});

describe("a replica", () => {
  test("that is killed has its object aborted in every namespace in use", async () => {
    const response = await post("/replicas/2/kill");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ killed: ["2"], paused: [], groups: null });
    expect(calls.filter((call) => call.endsWith("/abort"))).toEqual([
      "shop/2 /_local/abort",
      "default/2 /_local/abort",
    ]);
  });

  test("that is killed while it is paused is let go, to find that it is dead", async () => {
    await post("/replicas/2/pause");
    expect(await (await post("/replicas/2/kill")).json()).toMatchObject({
      killed: ["2"],
      paused: [],
    });
    expect(calls[0]).toBe("shop/2 /_local/resume");
  });

  test("that is killed twice is dead once", async () => {
    await post("/replicas/2/kill");
    expect(await (await post("/replicas/2/kill")).json()).toMatchObject({ killed: ["2"] });
  });

  test("that is restarted is poked, since it has no timer", async () => {
    await post("/replicas/2/kill");
    calls.length = 0;
    expect(await (await post("/replicas/2/restart")).json()).toMatchObject({ killed: [] });
    expect(calls).toEqual(["shop/2 /poke", "default/2 /poke"]);
  });

  test("that is restarted while it is paused is let go first, since a poke would wait", async () => {
    await post("/replicas/2/pause");
    expect(await (await post("/replicas/2/restart")).json()).toMatchObject({
      killed: [],
      paused: [],
    });
    expect(calls[0]).toBe("shop/2 /_local/resume");
    expect(calls.at(-1)).toBe("default/2 /poke");
  });

  test("is paused without a call, and resumed by one", async () => {
    expect(await (await post("/replicas/1/pause")).json()).toMatchObject({ paused: ["1"] });
    expect(calls).toEqual([]);
    expect(await (await post("/replicas/1/resume")).json()).toMatchObject({ paused: [] });
    expect(calls).toEqual(["shop/1 /_local/resume", "default/1 /_local/resume"]);
  });

  test.each(["0", "4", "x", "%31%00", "__proto__", "1%2F"])("%s there is not", async (id) => {
    for (const action of ["kill", "restart", "pause", "resume"]) {
      const problem = await problemIn(await post(`/replicas/${id}/${action}`));
      expect(problem).toMatchObject({ status: 404, code: "replica_not_found" });
    }
    expect([calls, faults.killed.size, faults.paused.size]).toEqual([[], 0, 0]);
  });

  test.each(["explode", "Kill", "constructor"])("cannot be told to %s", async (action) => {
    const problem = await problemIn(await post(`/replicas/1/${action}`));
    expect(problem).toMatchObject({ status: 404, code: "route_not_found" });
  });
});

describe("a partition", () => {
  test.each([
    '{"groups":[["1"],["2","3"]]}',
    '{"groups":[["1","2","3"]]}',
    '{"groups":[["2"]]}',
    '{"groups":[[]]}',
    '{"groups":[]}',
  ])("of %s is in force until it heals", async (body) => {
    const { groups } = JSON.parse(body) as { groups: string[][] };
    expect(await (await post("/partition", body)).json()).toMatchObject({ groups });
    expect(await (await app.request("/_local", {}, env)).json()).toMatchObject({ groups });
    expect(await (await post("/heal")).json()).toMatchObject({ groups: null });
  });

  test("replaces the one before", async () => {
    await post("/partition", '{"groups":[["1"],["2","3"]]}');
    await post("/partition", '{"groups":[["3"],["1","2"]]}');
    expect(faults.groups).toEqual([["3"], ["1", "2"]]);
  });

  test.each([
    [undefined, "bad_body"],
    ["", "bad_body"],
    ["{", "bad_body"],
    ["null", "bad_body"],
    ["[]", "bad_body"],
    ["1", "bad_body"],
    ['"groups"', "bad_body"],
    ["{}", "bad_body"],
    ['{"groups":null}', "bad_body"],
    ['{"groups":{}}', "bad_body"],
    ['{"groups":"1"}', "bad_body"],
    ['{"groups":["1"]}', "bad_body"],
    ['{"groups":[["1"],"2"]}', "bad_body"],
    ['{"groups":[["1","1"]]}', "bad_body"],
    ['{"groups":[["1"],["1","2"]]}', "bad_body"],
    ['{"groups":[["4"]]}', "replica_not_found"],
    ['{"groups":[[1],[2,3]]}', "bad_body"],
    ['{"groups":[[null]]}', "bad_body"],
    ['{"groups":[[["1"]]]}', "bad_body"],
    ['{"groups":[[{}]]}', "bad_body"],
  ])("of %j is refused, and changes nothing", async (body, code) => {
    await post("/partition", '{"groups":[["1"],["2","3"]]}');
    const problem = await problemIn(await post("/partition", body));
    expect(problem).toMatchObject({ code, outcome: "not_applied" });
    expect(faults.groups).toEqual([["1"], ["2", "3"]]);
  });
});

test.each([
  ["GET", "/_local/heal"],
  ["PUT", "/_local/partition"],
  ["POST", "/_local"],
  ["POST", "/_local/abort"],
  ["POST", "/_local/replicas/1"],
  ["GET", "/_local/replicas/1/kill"],
])("%s %s is nothing", async (method, path) => {
  const problem = await problemIn(await app.request(path, { method }, env));
  expect(problem).toMatchObject({ status: 404, code: "route_not_found" });
  expect(faults.killed.size).toBe(0);
});
