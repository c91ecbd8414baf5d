import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { Changer, complaintAbout } from "../support/changer.ts";
import { leaderOf, settled } from "../support/cluster-status.ts";
import { EventSource, historyAfter } from "../support/event-source.ts";
import { eventually } from "../support/eventually.ts";
import { SocketSource } from "../support/socket-source.ts";
import { StoreClient, isWritten } from "../support/store-client.ts";

let cluster: Cluster;
const logs: string[] = [];

beforeAll(async () => {
  cluster = await startCluster({ replicas: 3, onLog: (line) => logs.push(line) });
});

afterAll(() => cluster.stop());

const others = (id: string): string[] => ["1", "2", "3"].filter((other) => other !== id);

/** Hands the leadership to another replica. */
async function transfer(client: StoreClient, to: string): Promise<void> {
  const { status, body } = await client.send(
    "POST",
    "/cluster/leader",
    JSON.stringify({ replica: to }),
  );
  expect(status, body).toBe(200);
}

test("Who watches sees what was committed, all of it and once, whatever becomes of leaders", async () => {
  const client = new StoreClient(cluster.url);
  const url = `${cluster.url}/v1/ns/default/watch?prefix=w/`;
  const changers = ["a", "b", "c"].map((name) => new Changer(client, name, "w/").start());
  const progress = async (count: number): Promise<void> => {
    await Promise.all(changers.map((changer) => changer.progress(count, 10_000)));
  };
  const streams: EventSource[] = [];
  const join = (): unknown => streams.push(new EventSource(`${url}&from=0`).start());
  await progress(20);
  join();
  const socket = new SocketSource(url).start();
  await progress(10);

  const killed = await leaderOf(cluster);
  await cluster.kill(killed);
  await progress(20);
  await cluster.restart(killed);
  join();
  await progress(10);

  // Those that watch stay where they are, which is then a follower.
  await transfer(client, others(await leaderOf(cluster))[0]!);
  await progress(20);
  join();
  await progress(10);

  const cut = await leaderOf(cluster);
  await cluster.partition([[cut], others(cut)]);
  await progress(20);
  const told = Math.max(...streams.map(({ revision }) => revision));
  await progress(10);
  await eventually("nobody waits where the leader is cut off", () =>
    streams.every(({ revision }) => revision > told),
  );
  await cluster.heal();
  await progress(10);

  for (const id of ["1", "2", "3"]) await cluster.kill(id);
  await sleep(100);
  for (const id of ["1", "2", "3"]) await cluster.restart(id);
  await progress(20);

  await Promise.all(changers.map((changer) => changer.stop()));
  await settled(cluster, 5000);
  const history = await historyAfter(url, 0);
  const attempts = changers.flatMap((changer) => changer.attempts);
  expect(complaintAbout(history, attempts)).toBeNull();
  expect(history.length).toBeGreaterThan(200);
  const last = history.at(-1)!.revision;
  // A runtime that is told to close a socket may take ten seconds until its client hears of it.
  const all = [...streams, socket];
  await eventually(
    "all have been told everything",
    () => all.every(({ revision }) => revision >= last),
    { withinMs: 15_000 },
  );
  await Promise.all(all.map((source) => source.stop()));
  for (const { events } of all) expect(events).toEqual(history);
  expect(socket.codes.length).toBeGreaterThan(1);
  expect(logs.filter((line) => line.startsWith("error"))).toEqual([]);
});

test("A reader that stands still for a while is told all in the end", async () => {
  const client = new StoreClient(cluster.url);
  const { revision } = (await cluster.status()).replicas[0]!;
  const { hostname, port } = new URL(cluster.url);
  const connection = connect(Number(port), hostname);
  const path = `/v1/ns/default/watch?key=large&from=${revision}`;
  connection.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  connection.pause();
  // More than fits into all buffers on the way.
  const value = "v".repeat(60_000);
  for (let i = 0; i < 150; i++) expect(isWritten(await client.put("large", value))).toBe(true);
  let told = "";
  connection.on("data", (bytes: Buffer) => {
    told += bytes.toString("latin1");
  });
  connection.resume();
  const last = revision! + 150;
  await eventually("the last is told", () => told.includes(`id: ${last}\n`));
  connection.destroy();
  const ids = [...told.matchAll(/^event: put\r?\nid: (\d+)$/gm)].map(([, id]) => Number(id));
  expect(ids).toEqual(Array.from({ length: 150 }, (_, i) => revision! + 1 + i));
});

test("A group sleeps while it is watched, and who watches is told what wakes it", async () => {
  const sleepy = await startCluster({ vars: { SLEEP_AFTER_MS: "300" } });
  try {
    const client = new StoreClient(sleepy.url);
    await client.put("a", "x");
    const url = `${sleepy.url}/v1/ns/default/watch?prefix=`;
    const stream = new EventSource(`${url}&from=0`).start();
    const socket = new SocketSource(url).start();
    const both = [stream, socket];
    await eventually("both are told", () => both.every(({ revision }) => revision === 1));
    const counts = async (): Promise<string> => JSON.stringify(await sleepy.counts());
    const asleep = await eventually(
      "all sleep",
      async () => {
        const before = await counts();
        await sleep(500);
        return (await counts()) === before && before;
      },
      { withinMs: 10_000 },
    );
    await sleep(1000);
    expect(await counts()).toBe(asleep);
    await client.put("b", "x");
    await eventually("both are told", () => both.every(({ revision }) => revision === 2));
    expect(stream.visits).toHaveLength(1);
    expect(socket.codes).toEqual([]);
    await Promise.all(both.map((source) => source.stop()));
  } finally {
    await sleepy.stop();
  }
});
