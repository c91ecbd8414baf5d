import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { leaderOf, settled } from "../support/cluster-status.ts";
import { eventually } from "../support/eventually.ts";
import { type Answer, StoreClient, isWritten } from "../support/store-client.ts";

let cluster: Cluster;
let client: StoreClient;

/** Requests of the local cluster come from the middle of North America; so replica 2 is the nearest. */
const vars = { REGIONS: "weur,enam,oc", SLEEP_AFTER_MS: "0" };

beforeAll(async () => {
  cluster = await startCluster({ replicas: 3, vars });
  client = new StoreClient(cluster.url);
  expect(isWritten(await client.put("a", "0"))).toBe(true);
  if ((await leaderOf(cluster)) !== "1") {
    await client.send("POST", "/cluster/leader", '{"replica":"1"}');
  }
  await settled(cluster, 5000);
});

afterAll(() => cluster.stop());

/** A read at a level, perhaps with what somebody has seen. */
async function read(query: string, bookmark?: string): Promise<Answer> {
  const headers = bookmark === undefined ? {} : { "KV-Bookmark": bookmark };
  const url = `${cluster.url}/v1/ns/default/keys/a?${query}`;
  const response = await fetch(url, { headers, redirect: "manual" });
  return { status: response.status, body: await response.text(), headers: response.headers };
}

/** Writes, and returns what the answer says to come back with. */
async function put(value: string): Promise<string> {
  const answer = await client.put("a", value);
  if (!isWritten(answer)) throw new Error(`put: ${answer.status} ${answer.body}`);
  return answer.headers.get("KV-Bookmark")!;
}

/** What was shown, at which level, and by whom. */
const told = ({ body, headers }: Answer): string =>
  `${body} ${headers.get("KV-Consistency")} ${headers.get("KV-Served-By")}`;

const follower = "enam/follower/2";
const leader = "weur/leader/1";
const ageOf = ({ headers }: Answer): number => Number(headers.get("KV-Staleness-Ms") ?? Number.NaN);

test("all levels but linearizable are served by the nearest replica", async () => {
  const bookmark = await put("1");
  expect(told(await read("consistency=session", bookmark))).toBe(`1 session ${follower}`);
  expect(told(await read("consistency=any"))).toBe(`1 any ${follower}`);
  const bounded = await read("consistency=bounded&max_staleness=10s");
  expect(told(bounded)).toBe(`1 bounded ${follower}`);
  expect(ageOf(bounded)).toBeLessThan(10_000);
  const plain = await read("");
  expect([told(plain), ageOf(plain)]).toEqual([`1 linearizable ${leader}`, 0]);
});

test("a client reads its own writes through a follower that learns of each a little later", async () => {
  const servedBy = new Set<string>();
  for (let i = 0; i < 25; i++) {
    const bookmark = await put(`own ${i}`);
    const answer = await read("consistency=session", bookmark);
    expect(answer.body).toBe(`own ${i}`);
    servedBy.add(answer.headers.get("KV-Served-By")!);
  }
  expect([...servedBy]).toEqual([follower]);
});

test("a bounded read shows nothing older than that, while somebody writes all the time", async () => {
  const written: { readonly value: number; readonly atMs: number }[] = [];
  const writing = new AbortController();
  const writer = (async () => {
    for (let n = 0; !writing.signal.aborted; n++) {
      await put(String(n));
      written.push({ value: n, atMs: performance.now() });
    }
  })();
  await eventually("something is written", async () => written.length > 0);
  const ages: number[] = [];
  for (let i = 0; i < 40; i++) {
    const sentMs = performance.now();
    const answer = await read("consistency=bounded&max_staleness=150ms");
    expect([answer.status, answer.headers.get("KV-Consistency")]).toEqual([200, "bounded"]);
    ages.push(ageOf(answer));
    const least = written.findLast(({ atMs }) => atMs < sentMs - 150)?.value ?? 0;
    expect(Number(answer.body)).toBeGreaterThanOrEqual(least);
  }
  writing.abort();
  await writer;
  expect(Math.max(...ages)).toBeLessThanOrEqual(150);
  expect(ages.filter((age) => age > 0).length, "most were not asked for").toBeGreaterThan(10);
});

describe("a follower that is cut off", () => {
  let bookmark: string;

  beforeAll(async () => {
    const old = await put("old");
    expect(told(await read("consistency=session", old))).toBe(`old session ${follower}`);
    await cluster.partition([["2"], ["1", "3"]]);
    bookmark = await put("new");
    await sleep(300);
  });

  test("shows what it has to whoever takes anything, and says how old it is", async () => {
    const answer = await read("consistency=any");
    expect(answer.body).toBe("old");
    expect(answer.headers.get("KV-Served-By")).toMatch(/^enam\/\w+\/2$/);
    expect(ageOf(answer)).toBeGreaterThan(300);
    expect((await client.send("GET", "/replicas/2/keys/a?consistency=any")).body).toBe("old");
  });

  test("leaves to others what it cannot know", async () => {
    for (const query of ["consistency=bounded&max_staleness=200ms", "consistency=session"]) {
      const answer = await read(query, query.endsWith("session") ? bookmark : undefined);
      expect(answer.body).toBe("new");
      expect(answer.headers.get("KV-Served-By")).toBe(leader);
    }
    // It knows of no leader to send anybody to.
    const path = "/replicas/2/keys/a?consistency=bounded&max_staleness=200ms";
    expect([307, 503]).toContain((await client.send("GET", path)).status);
  });

  test("serves again when it is back, and not what it had before", async () => {
    await cluster.heal();
    await eventually("it serves again", async () => {
      const answer = await read("consistency=session", bookmark);
      expect(answer.body).toBe("new");
      return answer.headers.get("KV-Served-By")!.endsWith("/2");
    });
  });
});

test("a bookmark of another life of the namespace is refused", async () => {
  const answer = await read("consistency=session", "1.1.999999.default");
  expect([answer.status, JSON.parse(answer.body)]).toMatchObject([400, { code: "bad_bookmark" }]);
});

test("reads of anything do not wake a group that sleeps, and others do", async () => {
  const sleeper = await startCluster({ vars: { ...vars, SLEEP_AFTER_MS: "400" } });
  try {
    const base = `${sleeper.url}/v1/ns/default/keys/a`;
    const { headers } = await fetch(base, { method: "PUT", body: "1" });
    const seen = { "KV-Bookmark": headers.get("KV-Bookmark")! };
    const quiet = async (): Promise<string> => {
      const { requests: _, ...counts } = await sleeper.counts();
      return JSON.stringify(counts);
    };
    await eventually(
      "all sleep",
      async () => {
        const before = await quiet();
        await sleep(400);
        return (await quiet()) === before;
      },
      { withinMs: 10_000 },
    );
    const before = await quiet();
    for (let i = 0; i < 20; i++) {
      expect(await (await fetch(`${base}?consistency=any`)).text()).toBe("1");
      const session = await fetch(`${base}?consistency=session`, { headers: seen });
      expect(await session.text()).toBe("1");
    }
    await sleep(500);
    expect(await quiet()).toBe(before);
    const bounded = await fetch(`${base}?consistency=bounded&max_staleness=1s`);
    expect(await bounded.text()).toBe("1");
    expect(await quiet()).not.toBe(before);
  } finally {
    await sleeper.stop();
  }
});
