/** Reads that say how old may be what they show: who is asked, in which order, and what is told. */
import { describe, expect, test } from "vitest";
import { createApp } from "../../src/edge/app.ts";
import type { EdgeBindings } from "../../src/edge/env.ts";
import {
  type ClientBatch,
  type ClientBatchResult,
  type ClientRequest,
  type ClientResult,
  type Level,
  objectName,
} from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";
import { UnknownVersion } from "../../src/protocol/version.ts";
import { statusOf, votersNamed } from "../support/fake-group.ts";
import { gist, problemIn } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

/** What a replica does with a read. */
type Act =
  | "shows"
  | "leads"
  | "not here"
  | `not here, ask ${string}`
  | "drops"
  | "is dead"
  | "hangs"
  | "is old";

interface Call {
  readonly replica: string;
  readonly version: number;
  readonly request: ClientRequest;
}

let groups = 0;

/** Three replicas, and an edge before them. */
class Scene {
  readonly namespace = `near-${groups++}`;
  readonly calls: Call[] = [];
  /** What the state of each has reached. */
  revision = 42;
  epoch = 1;
  stalenessMs: number | null = 180;
  readonly #acts: Readonly<Record<string, Act>>;
  readonly #regions: string;
  readonly #app = createApp();

  constructor(acts: Readonly<Record<string, Act>>, regions = "wnam,enam,weur") {
    this.#acts = acts;
    this.#regions = regions;
  }

  /** Who was asked, and at which level. */
  get asked(): string {
    const told = ({ replica, request }: Call): string =>
      `${replica} ${(levelIn(request)?.type ?? "plain") as string}`;
    return this.calls.map(told).join(", ");
  }

  send(
    path: string,
    { cf, ...init }: Omit<RequestInit, "cf"> & { readonly cf?: object } = {},
  ): Promise<Response> {
    const url = `https://kv/v1/ns/${this.namespace}${path}`;
    const request = Object.assign(new Request(url, init), { cf });
    return Promise.resolve(this.#app.fetch(request, this.#env()));
  }

  /** A read of a key, from Paris unless said otherwise. */
  get(query: string, headers: HeadersInit = {}, cf: object = paris): Promise<Response> {
    return this.send(`/keys/a${query}`, { headers, cf });
  }

  /** Lets the edge know who leads. */
  async meetLeader(): Promise<void> {
    await this.send("/keys/a", { cf: paris });
    this.calls.length = 0;
  }

  #env(): EdgeBindings {
    const REPLICA = {
      idFromName: (name: string) => name,
      get: (name: string) => ({
        fetch: (url: string, init: RequestInit) => this.#fetch(name, url, init),
      }),
    };
    return {
      REPLICAS: "3",
      REGIONS: this.#regions,
      HEARTBEAT_MS: "100",
      ELECTION_MIN_MS: "200",
      ELECTION_MAX_MS: "400",
      REPLICA: REPLICA as object as DurableObjectNamespace,
    };
  }

  async #fetch(name: string, url: string, init: RequestInit): Promise<Response> {
    const id = name.split("/")[1]!;
    expect(name).toBe(objectName(this.namespace, id));
    const act = this.#acts[id] ?? "is dead";
    if (act === "is dead") throw new Error(`${id} is dead`);
    if (act === "hangs") return hang(init.signal!);
    const { pathname } = new URL(url);
    if (pathname !== replicaPath.client) {
      const leader = Object.keys(this.#acts).find((each) => this.#acts[each] === "leads") ?? null;
      const role = act === "leads" ? "leader" : "follower";
      const members = this.#regions
        .split(",")
        .flatMap((region, i) => votersNamed([String(i + 1)], region));
      return new Response(toBytes({ ...statusOf(id, role, leader), members }));
    }
    const { version, requests } = fromBytes<ClientBatch>(init.body as unknown as ArrayBuffer);
    for (const request of requests) this.calls.push({ replica: id, version, request });
    if (act === "is old" && version > 1) {
      return new UnknownVersion("client", version, [1]).toResponse();
    }
    const answer: ClientBatchResult = {
      version,
      results: requests.map((request) => this.#result(act, request)),
      servedBy: {
        replica: id,
        region: this.#regions.split(",")[Number(id) - 1]!,
        role: act === "leads" ? "leader" : "follower",
        term: 1,
        epoch: this.epoch,
      },
      sequence: 0,
      revision: this.revision,
    };
    return new Response(toBytes(answer));
  }

  #result(act: Act, request: ClientRequest): ClientResult {
    const [, leader] = /^not here, ask (.+)$/.exec(act) ?? [];
    if (leader !== undefined) return { type: "notLeader", leader };
    if (act === "not here") return { type: "notLeader", leader: null };
    if (act === "drops") return { type: "dropped" };
    const level = levelIn(request);
    if (level === undefined && act !== "leads") return { type: "notLeader", leader: null };
    const { stalenessMs, revision } = this;
    const shown = level === undefined ? {} : { shown: { level: level.type, stalenessMs } };
    switch (request.type) {
      case "get":
        if (request.key === "nothing") return { type: "absent", revision, ...shown };
        return { ...value, ...shown };
      case "list":
        return { type: "listed", items: [], rest: null, revision, isKept: true, ...shown };
      case "count":
        return { type: "counted", count: 0, rest: null, revision, ...shown };
      case "query": {
        const results = request.then.map(() => ({ type: "get" as const, found: null }));
        const succeeded = request.if.length === 0;
        return { type: "transaction", succeeded, failed: [0], revision, results, ...shown };
      }
      case "lease":
        return { type: "noLease", revision, ...shown };
      case "openView":
        return { type: "viewOpened", view: "v1", revision, ...shown };
      case "page":
        return { type: "page", items: [], rest: null };
      case "put":
        return { type: "put", created: true, revision };
      case "delete":
        return { type: "mismatch", current: null, revision };
      default:
        throw new Error(`nobody asked for ${request.type}`);
    }
  }
}

const levelIn = (request: ClientRequest): Level | undefined =>
  "level" in request ? request.level : undefined;

const value: ClientResult = {
  type: "value",
  value: new TextEncoder().encode("x"),
  size: 1,
  contentType: null,
  metadata: null,
  expiresMs: null,
  lease: null,
  large: null,
  createRevision: 7,
  modRevision: 9,
  version: 2,
};

const paris = { continent: "EU", longitude: "2.3" };
const tokyo = { continent: "AS", longitude: "139.7" };

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });
}

const worthOf = ({ headers }: Response): Record<string, string | null> =>
  Object.fromEntries(
    ["KV-Consistency", "KV-Staleness-Ms", "KV-Served-By", "KV-Revision", "KV-Bookmark"].map(
      (name) => [name, headers.get(name)],
    ),
  );

const all = { "1": "leads", "2": "shows", "3": "shows" } as const;

describe("what is asked for", () => {
  test.each<[string, Record<string, string>, Level | undefined]>([
    ["", {}, undefined],
    ["?consistency=linearizable", {}, undefined],
    ["", { "KV-Consistency": "linearizable" }, undefined],
    ["?consistency=any", {}, { type: "any" }],
    ["", { "KV-Consistency": "any" }, { type: "any" }],
    ["?consistency=any", { "KV-Consistency": "any" }, { type: "any" }],
    ["?consistency=session", {}, { type: "any" }],
    ["?consistency=bounded&max_staleness=2s", {}, { type: "bounded", maxStalenessMs: 2000 }],
    ["?consistency=bounded&max_staleness=2", {}, { type: "bounded", maxStalenessMs: 2000 }],
    ["?consistency=bounded&max_staleness=100ms", {}, { type: "bounded", maxStalenessMs: 100 }],
    ["?consistency=bounded&max_staleness=1h", {}, { type: "bounded", maxStalenessMs: 3_600_000 }],
    [
      "?max_staleness=0.5",
      { "KV-Consistency": "bounded" },
      { type: "bounded", maxStalenessMs: 500 },
    ],
  ])("by %j and %j is %j", async (query, headers, level) => {
    const scene = new Scene(all);
    expect((await scene.get(query, headers)).status).toBe(200);
    const { request, version } = scene.calls[0]!;
    expect(levelIn(request)).toEqual(level);
    expect(version, "what older replicas know is asked in their words").toBe(
      level === undefined ? 1 : 2,
    );
  });

  test("a bookmark goes to the replica as what it stands for, with how long it may wait", async () => {
    const scene = new Scene(all);
    const bookmark = { "KV-Bookmark": `1.1.40.${scene.namespace}` };
    const level = { type: "session", epoch: 1, revision: 40 };
    await scene.get("?consistency=session", bookmark);
    expect(levelIn(scene.calls[0]!.request)).toEqual({ ...level, maxWaitMs: 50 });
    await scene.get("?consistency=session&timeout=200", bookmark);
    expect(levelIn(scene.calls[1]!.request)).toEqual({ ...level, maxWaitMs: 25 });
  });

  test.each<[string, Record<string, string>]>([
    ["?consistency=", {}],
    ["?consistency=strong", {}],
    ["?consistency=Any", {}],
    ["?consistency=any&consistency=any", {}],
    ["", { "KV-Consistency": "" }],
    ["", { "KV-Consistency": "any, session" }],
    ["?consistency=any", { "KV-Consistency": "session" }],
    ["?consistency=linearizable", { "KV-Consistency": "any" }],
    ["?consistency=bounded", {}],
    ["?consistency=bounded&max_staleness=", {}],
    ["?consistency=bounded&max_staleness=99ms", {}],
    ["?consistency=bounded&max_staleness=0", {}],
    ["?consistency=bounded&max_staleness=-1", {}],
    ["?consistency=bounded&max_staleness=61m", {}],
    ["?consistency=bounded&max_staleness=soon", {}],
    ["?max_staleness=2s", {}],
    ["?consistency=linearizable&max_staleness=2s", {}],
    ["?consistency=any&max_staleness=2s", {}],
    ["?consistency=session&max_staleness=2s", {}],
    ["", { "KV-Bookmark": "1.1.1.x" }],
    ["?consistency=any", { "KV-Bookmark": "1.1.1.x" }],
    ["?consistency=bounded&max_staleness=2s", { "KV-Bookmark": "1.1.1.x" }],
  ])("%j with %j makes no sense, and is refused", async (query, headers) => {
    const scene = new Scene(all);
    expect(await gist(await scene.get(query, headers))).toBe("400 bad_parameter not_applied");
    expect(scene.calls).toEqual([]);
  });

  test.each(["", "nonsense", "1.1.5", "1.1.5.another"])(
    "KV-Bookmark: %j is none of this namespace",
    async (bookmark) => {
      const scene = new Scene(all);
      const answer = await scene.get("?consistency=session", { "KV-Bookmark": bookmark });
      expect(await gist(answer)).toBe("400 bad_bookmark not_applied");
      expect(scene.calls).toEqual([]);
    },
  );

  test("a write is linearizable, and does not take another word for it", async () => {
    const scene = new Scene(all);
    const put = (query: string, headers = {}): Promise<Response> =>
      scene.send(`/keys/a${query}`, { method: "PUT", body: "x", headers });
    expect(await gist(await put("?consistency=any"))).toBe("400 bad_parameter not_applied");
    expect(await gist(await put("", { "KV-Consistency": "session" }))).toMatch(
      /^400 bad_parameter/,
    );
    const body = JSON.stringify({ then: [{ op: "put", key: "a", value: "x" }] });
    const path = "/txn?consistency=any";
    expect(await gist(await scene.send(path, { method: "POST", body }))).toMatch(
      /^400 bad_parameter/,
    );
    expect(scene.calls).toEqual([]);
    expect((await put("?consistency=linearizable")).status).toBe(201);
  });
});

/** Each way to read, and what it is answered with. */
const reads: readonly [string, string, Omit<RequestInit, "cf">, number][] = [
  ["a key", "/keys/a", {}, 200],
  ["a key's headers", "/keys/a", { method: "HEAD" }, 200],
  ["a key that one has", "/keys/a", { headers: { "If-None-Match": '"9"' } }, 304],
  ["a key without a value", "/keys/nothing", {}, 404],
  ["a list", "/keys", {}, 200],
  ["a count", "/keys?count", {}, 200],
  ["a stream", "/keys", { headers: { Accept: "application/x-ndjson" } }, 200],
  ["many keys", "/get", { method: "POST", body: '{"keys":["a"]}' }, 200],
  [
    "a transaction that only reads",
    "/txn",
    { method: "POST", body: '{"then":[{"op":"get","key":"a"}]}' },
    200,
  ],
  [
    "one whose condition does not hold",
    "/txn",
    { method: "POST", body: '{"if":[{"key":"a","exists":true}],"then":[]}' },
    412,
  ],
  ["a lease", "/leases/1", {}, 404],
];

describe.each(reads)("a read of %s", (_, path, init, status) => {
  const at = (query: string): string => `${path}${path.includes("?") ? "&" : "?"}${query}`;

  test("goes to the nearest replica, and says what it is worth", async () => {
    const scene = new Scene(all);
    const answer = await scene.send(at("consistency=bounded&max_staleness=2s"), {
      ...init,
      cf: paris,
    });
    expect(answer.status).toBe(status);
    expect(scene.asked).toMatch(/^3 bounded/);
    expect(worthOf(answer)).toEqual({
      "KV-Consistency": "bounded",
      "KV-Staleness-Ms": "180",
      "KV-Served-By": "weur/follower/3",
      "KV-Revision": path === "/keys/a" ? "9" : "42",
      "KV-Bookmark": `1.1.42.${scene.namespace}`,
    });
    await answer.body?.cancel();
  });

  test("goes to the leader when it says nothing, and is current", async () => {
    const scene = new Scene(all);
    const answer = await scene.send(path, { ...init, cf: paris });
    expect(answer.status).toBe(status);
    expect(scene.asked).toMatch(/^1 plain/);
    expect(worthOf(answer)).toMatchObject({
      "KV-Consistency": "linearizable",
      "KV-Staleness-Ms": "0",
      "KV-Served-By": "wnam/leader/1",
      "KV-Bookmark": `1.1.42.${scene.namespace}`,
    });
    await answer.body?.cancel();
  });
});

describe("an answer", () => {
  test("leaves out how old it is where that is not known", async () => {
    const scene = new Scene(all);
    scene.stalenessMs = null;
    const { headers } = await scene.get("?consistency=any");
    expect([headers.get("KV-Consistency"), headers.has("KV-Staleness-Ms")]).toEqual(["any", false]);
  });

  test("to a write has a bookmark, also to one that was not made since a condition did not hold", async () => {
    const scene = new Scene(all);
    const put = await scene.send("/keys/a", { method: "PUT", body: "x" });
    expect([put.status, put.headers.get("KV-Bookmark")]).toEqual([
      201,
      `1.1.42.${scene.namespace}`,
    ]);
    expect(put.headers.has("KV-Consistency")).toBe(false);
    const mismatch = await scene.send("/keys/a", { method: "DELETE" });
    expect(mismatch.status).toBe(412);
    expect(mismatch.headers.get("KV-Bookmark")).toBe(`1.1.42.${scene.namespace}`);
  });

  test("has the epoch in its bookmark", async () => {
    const scene = new Scene(all);
    scene.epoch = 3;
    const { headers } = await scene.get("?consistency=any");
    expect(headers.get("KV-Bookmark")).toBe(`1.3.42.${scene.namespace}`);
  });
});

describe("who is asked", () => {
  test("depends on where the request comes from", async () => {
    const scene = new Scene(all);
    await scene.get("?consistency=any", {}, tokyo);
    await scene.get("?consistency=any", {}, paris);
    expect(scene.asked).toBe("1 any, 3 any");
  });

  test("where nothing tells replicas apart, is who leads, or the first", async () => {
    const scene = new Scene({ "1": "shows", "2": "leads", "3": "shows" }, "local,local,local");
    await scene.get("?consistency=any");
    expect(scene.asked).toBe("1 any");
    await scene.meetLeader();
    await scene.get("?consistency=any");
    expect(scene.asked).toBe("2 any");
  });

  test.each<[Act]>([["not here"], ["not here, ask 1"], ["drops"], ["is dead"], ["is old"]])(
    "after one that %s is the next",
    async (act) => {
      const scene = new Scene({ ...all, "3": act });
      const answer = await scene.get("?consistency=any");
      expect(answer.headers.get("KV-Served-By")).toBe("enam/follower/2");
    },
  );

  test("at last is who leads, in the words of any code, and as linearizable", async () => {
    const scene = new Scene({ "1": "leads", "2": "not here", "3": "not here" }, "oc,enam,weur");
    const answer = await scene.get("?consistency=bounded&max_staleness=1s");
    expect(scene.asked).toBe("3 bounded, 2 bounded, 1 bounded");
    expect(answer.headers.get("KV-Consistency")).toBe("bounded");

    const old = new Scene({ "1": "is old", "2": "is old", "3": "is old" });
    const served = await inVirtualTime(() => old.get("?consistency=any&timeout=200"));
    expect(old.calls.map(({ version }) => version).slice(0, 3)).toEqual([2, 2, 2]);
    expect(old.calls.slice(3).every(({ version }) => version === 1)).toBe(true);
    expect(await gist(served.value)).toBe("503 no_leader not_applied");
  });

  test("one that is not in the way of others when it hangs", async () => {
    const scene = new Scene({ "1": "leads", "2": "hangs", "3": "hangs" });
    await scene.meetLeader();
    const { value: answer, tookMs } = await inVirtualTime(() =>
      scene.get("?consistency=any&timeout=2s"),
    );
    expect(answer.headers.get("KV-Served-By")).toBe("wnam/leader/1");
    expect(tookMs).toBeLessThanOrEqual(1500);
  });

  test("when nobody is there, time is up at the deadline", async () => {
    const scene = new Scene({ "1": "hangs", "2": "hangs", "3": "hangs" });
    const { value: answer, tookMs } = await inVirtualTime(() =>
      scene.get("?consistency=any&timeout=400"),
    );
    expect(await gist(answer)).toBe("503 unavailable not_applied");
    expect(tookMs).toBeLessThanOrEqual(400);
  });

  test("for a lease in a session is who leads: leases have no revision that could be compared", async () => {
    const scene = new Scene(all);
    await scene.meetLeader();
    const headers = { "KV-Consistency": "session", "KV-Bookmark": `1.1.5.${scene.namespace}` };
    const answer = await scene.send("/leases/1", { headers, cf: paris });
    expect(scene.asked).toBe("1 plain");
    expect(answer.headers.get("KV-Consistency")).toBe("linearizable");
    scene.calls.length = 0;
    await scene.send("/leases/1", { headers: { "KV-Consistency": "any" }, cf: paris });
    expect(scene.asked).toBe("3 any");
  });
});

describe("one replica that is asked itself", () => {
  const at = (query: string): string => `/replicas/2/keys/a${query}`;

  test("answers at the level that is wanted, and nobody else is asked", async () => {
    const scene = new Scene(all);
    const answer = await scene.send(at("?consistency=any"), { cf: paris });
    expect([scene.asked, answer.headers.get("KV-Consistency")]).toEqual(["2 any", "any"]);
  });

  test("sends on to the leader whoever wants what it does not have", async () => {
    const scene = new Scene({ ...all, "2": "not here, ask 1" });
    const answer = await scene.send(at("?consistency=bounded&max_staleness=1s"));
    expect(answer.status).toBe(307);
    const path = `/v1/ns/${scene.namespace}/replicas/1/keys/a?consistency=bounded&max_staleness=1s`;
    expect(answer.headers.get("Location")).toBe(path);
    expect(scene.asked).toBe("2 bounded");
  });

  test("says so when it knows of nobody", async () => {
    const scene = new Scene({ ...all, "2": "not here" });
    expect(await gist(await scene.send(at("?consistency=any")))).toBe("503 no_leader not_applied");
  });

  test("sends on whoever says nothing, as ever", async () => {
    const scene = new Scene({ ...all, "2": "not here, ask 1" });
    const answer = await scene.send(at(""));
    expect([answer.status, scene.asked]).toEqual([307, "2 plain"]);
  });
});

describe("a session", () => {
  const read = (scene: Scene, bookmark: string): Promise<Response> =>
    scene.get("?consistency=session", { "KV-Bookmark": `${bookmark}.${scene.namespace}` });

  test("is answered by who has what it has seen", async () => {
    const scene = new Scene(all);
    const answer = await read(scene, "1.1.42");
    expect([answer.status, answer.headers.get("KV-Consistency")]).toEqual([200, "session"]);
  });

  test.each([
    ["of before the group was rebuilt", "1.1.42", 2],
    ["that nothing has reached, since the namespace was made anew", "1.1.43", 1],
    ["of an epoch that there has not been", "1.3.1", 2],
  ])("with a bookmark %s is told so, and not shown something older", async (_, bookmark, epoch) => {
    const scene = new Scene({ "1": "leads", "2": "not here", "3": "not here" });
    scene.epoch = epoch;
    const problem = await problemIn(await read(scene, bookmark));
    expect(problem).toMatchObject({ status: 400, code: "bad_bookmark", outcome: "not_applied" });
    expect(problem.detail).toContain("begin a new session");
  });
});
