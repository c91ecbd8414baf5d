import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { leaderOf, settled } from "../support/cluster-status.ts";
import { eventually } from "../support/eventually.ts";
import { StoreClient, Writer, isWritten, missing } from "../support/store-client.ts";

let cluster: Cluster;
let client: StoreClient;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 3 });
  client = new StoreClient(cluster.url);
});

afterAll(() => cluster.stop());

const others = (id: string): string[] => ["1", "2", "3"].filter((other) => other !== id);

test("a leader cut off with a minority steps down, and the majority goes on", async () => {
  const writer = new Writer(client, "cut").start();
  await writer.progress(20, 5000);
  const old = await leaderOf(cluster);
  await cluster.partition([[old], others(old)]);
  // Written where it cannot be replicated: it waits there, and must not be acknowledged.
  const stranded = client.send("PUT", `/replicas/${old}/keys/stranded`, "never");
  await writer.progress(20, 3000);
  const { status, body } = await stranded;
  expect([307, 503, 504]).toContain(status);
  if (status === 504) expect(JSON.parse(body)).toMatchObject({ outcome: "unknown" });
  await eventually("the old leader has stepped down", async () => {
    const { replicas } = await cluster.status();
    return replicas.find(({ id }) => id === old)!.role !== "leader";
  });
  await cluster.heal();
  await writer.progress(20, 3000);
  await writer.stop();
  await settled(cluster, 5000);
  expect(await missing(client, writer.acknowledged)).toEqual([]);
  expect((await client.get("stranded")).status).toBe(404);
});

test("a read sent to the old leader during a partition never returns an old value", async () => {
  for (let round = 0; round < 5; round++) {
    expect(isWritten(await client.put("fresh", `old ${round}`))).toBe(true);
    const old = await leaderOf(cluster);
    await cluster.partition([[old], others(old)]);
    const reads: Promise<{ status: number; body: string }>[] = [];
    const read = (): void => {
      reads.push(client.send("GET", `/replicas/${old}/keys/fresh?timeout=1000`));
    };
    read();
    await eventually("the majority takes a write", async () => {
      read();
      return isWritten(await client.put("fresh", `new ${round}`, "?timeout=1000"));
    });
    const before = reads.length;
    for (let i = 0; i < 5; i++) read();
    const answers = await Promise.all(reads);
    for (const [i, { status, body }] of answers.entries()) {
      // Those sent before the new value was acknowledged may see either; none may see the old one
      // after.
      if (i >= before) expect([status, body]).not.toEqual([200, `old ${round}`]);
    }
    await cluster.heal();
    await settled(cluster, 5000);
    expect((await client.get("fresh")).body).toBe(`new ${round}`);
  }
});

test("without any majority side, every replica answers within the deadline and none serves", async () => {
  await cluster.partition([["1"], ["2"], ["3"]]);
  await eventually("nobody leads", async () => (await cluster.status()).leader === null);
  const { status } = await client.put("nowhere", "x", "?timeout=500");
  expect([503, 504]).toContain(status);
  expect((await client.get("fresh", "?timeout=500")).status).toBe(503);
  await cluster.heal();
  await settled(cluster, 5000);
});
