import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { leaderOf, settled } from "../support/cluster-status.ts";
import { type Problem, StoreClient, Writer, isWritten, missing } from "../support/store-client.ts";

let cluster: Cluster;
let client: StoreClient;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 5 });
  client = new StoreClient(cluster.url);
});

afterAll(() => cluster.stop());

test("five replicas serve with two dead, refuse honestly with three, and lose nothing", async () => {
  const writer = new Writer(client, "five").start();
  await writer.progress(20, 5000);
  const first = await leaderOf(cluster);
  await cluster.kill(first);
  await writer.progress(20, 2000);
  const second = await leaderOf(cluster);
  await cluster.kill(second);
  await writer.progress(20, 2000);
  await writer.stop();

  const third = await leaderOf(cluster);
  await cluster.kill(third);
  await expectHonestRefusals();

  for (const id of [first, second, third]) await cluster.restart(id);
  await settled(cluster, 10_000);
  expect(await missing(client, writer.acknowledged)).toEqual([]);
  expect(isWritten(await client.put("after", "all is well"))).toBe(true);
});

/**
 * Without a majority nothing is served, and every answer says within its deadline what became of
 * the request.
 */
async function expectHonestRefusals(): Promise<void> {
  const startMs = performance.now();
  const answers = await Promise.all([
    client.put("refused", "x", "?timeout=1000"),
    client.get("five/0", "?timeout=1000"),
    client.put("refused", "y", "?timeout=2s"),
  ]);
  expect(performance.now() - startMs).toBeLessThan(4000);
  for (const [i, { status, body, headers }] of answers.entries()) {
    expect(headers.get("content-type")).toMatch(/^application\/problem\+json/);
    const { outcome } = JSON.parse(body) as Problem;
    if (status === 503) expect(outcome).toBe("not_applied");
    else {
      expect([status, outcome]).toEqual([504, "unknown"]);
      expect(i).not.toBe(1);
    }
  }
}
