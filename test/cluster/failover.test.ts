import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { StoreClient, Writer, missing } from "../support/store-client.ts";
import { leaderOf, settled } from "../support/cluster-status.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 3 });
});

afterAll(() => cluster.stop());

test("ten times in a row, the leader is killed under load and nothing acknowledged is lost", async () => {
  const client = new StoreClient(cluster.url);
  for (let round = 1; round <= 10; round++) {
    const writer = new Writer(client, `round-${round}`).start();
    await writer.progress(20, 5000);
    const leader = await leaderOf(cluster);
    await cluster.kill(leader);
    await writer.progress(20, 2000);
    await cluster.restart(leader);
    await writer.progress(20, 2000);
    await writer.stop();
    await settled(cluster, 5000);
    expect(await missing(client, writer.acknowledged)).toEqual([]);
  }
});

test("a paused leader is replaced, and does no harm when it goes on", async () => {
  const client = new StoreClient(cluster.url);
  const writer = new Writer(client, "paused").start();
  await writer.progress(20, 5000);
  const leader = await leaderOf(cluster);
  await cluster.pause(leader);
  await writer.progress(20, 5000);
  await cluster.resume(leader);
  await writer.progress(20, 5000);
  await writer.stop();
  await settled(cluster, 5000);
  expect(await missing(client, writer.acknowledged)).toEqual([]);
});

test("all replicas killed and restarted serve again with all they had", async () => {
  const client = new StoreClient(cluster.url);
  const writer = new Writer(client, "all").start();
  await writer.progress(20, 5000);
  for (const id of ["1", "2", "3"]) await cluster.kill(id);
  await writer.stop();
  for (const id of ["1", "2", "3"]) await cluster.restart(id);
  await settled(cluster, 5000);
  expect(await missing(client, writer.acknowledged)).toEqual([]);
});
