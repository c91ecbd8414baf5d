import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { leaderOf } from "../support/cluster-status.ts";
import { eventually } from "../support/eventually.ts";
import { StoreClient, isWritten } from "../support/store-client.ts";

/** Nothing has been done for a while, in which whoever is awake would have done much. */
async function asleep(cluster: Cluster, withinMs = 10_000): Promise<void> {
  await eventually(
    "all sleep",
    async () => {
      const before = JSON.stringify(await cluster.counts());
      await sleep(400);
      return JSON.stringify(await cluster.counts()) === before;
    },
    { withinMs },
  );
}

describe("A group that nobody wants anything of", () => {
  let cluster: Cluster;
  let client: StoreClient;

  beforeAll(async () => {
    cluster = await startCluster({ vars: { SLEEP_AFTER_MS: "300" } });
    client = new StoreClient(cluster.url);
    expect(isWritten(await client.put("a", "1"))).toBe(true);
  });

  afterAll(() => cluster.stop());

  test("does nothing at all: no alarm, no request, no row", async () => {
    const awake = await cluster.counts();
    expect(awake.rowsWritten).toBeGreaterThan(0);
    await asleep(cluster);
    const before = await cluster.counts();
    expect(before.peerRequests).toBeGreaterThan(awake.peerRequests);
    expect(before.alarmsTakenBack).toBeGreaterThanOrEqual(3);
    await sleep(3000);
    expect(await cluster.counts()).toEqual(before);
  });

  test("answers at once when somebody does, and sleeps again", async () => {
    for (let round = 2; round < 6; round++) {
      await asleep(cluster);
      expect((await client.get("a")).body).toBe(String(round - 1));
      await asleep(cluster);
      expect(isWritten(await client.put("a", String(round)))).toBe(true);
    }
    const { term } = await cluster.status();
    await asleep(cluster);
    expect((await cluster.status()).term).toBe(term);
  });

  test("replaces a leader that died in its sleep: requests are late, and right", async () => {
    const leader = await leaderOf(cluster);
    await asleep(cluster);
    await cluster.kill(leader);
    await asleep(cluster);
    const before = await client.get("a");
    expect(before.body).toBe("5");
    expect(isWritten(await client.put("a", "6"))).toBe(true);
    await cluster.restart(leader);
    expect((await client.get("a")).body).toBe("6");
    expect(await leaderOf(cluster)).not.toBe(leader);
    await asleep(cluster);
  });

  test("wakes when all of it was lost in its sleep", async () => {
    await asleep(cluster);
    for (const id of ["1", "2", "3"]) await cluster.kill(id);
    for (const id of ["1", "2", "3"]) await cluster.restart(id);
    expect((await client.get("a")).body).toBe("6");
    await asleep(cluster);
  });
});

test("A leader that dies in its sleep and restarts leads again without anybody's timeout", async () => {
  const vars = { HEARTBEAT_MS: "100", ELECTION_MIN_MS: "400", ELECTION_MAX_MS: "300000" };
  const cluster = await startCluster({ vars: { ...vars, SLEEP_AFTER_MS: "500" } });
  try {
    const client = new StoreClient(cluster.url);
    expect(isWritten(await client.put("a", "1"))).toBe(true);
    await asleep(cluster);
    const before = await cluster.status();
    await cluster.kill(before.leader!);
    await cluster.restart(before.leader!);
    expect(isWritten(await client.put("a", "2"))).toBe(true);
    expect((await client.get("a")).body).toBe("2");
    expect(await cluster.status()).toMatchObject({ leader: before.leader, term: before.term + 1 });
  } finally {
    await cluster.stop();
  }
});

/** To found a group takes a slow disk a quarter of a second, so `npm run bench:idle` has the thousand. */
const groups = 40;

test(`${groups} groups sleep in one process, and any of them answers`, async () => {
  // Timers that a machine keeps which founds groups as fast as it can.
  const vars = { HEARTBEAT_MS: "300", ELECTION_MIN_MS: "2000", ELECTION_MAX_MS: "4000" };
  const cluster = await startCluster({ vars: { ...vars, SLEEP_AFTER_MS: "300" } });
  try {
    let next = 0;
    const found = async (): Promise<void> => {
      for (let n = next++; n < groups; n = next++) {
        const answer = await new StoreClient(cluster.url, `g${n}`).put("a", String(n));
        if (!isWritten(answer)) throw new Error(`group ${n} answers ${JSON.stringify(answer)}`);
      }
    };
    await Promise.all(Array.from({ length: 8 }, found));
    await asleep(cluster, 60_000);
    const before = await cluster.counts();
    expect(before.starts).toBeGreaterThanOrEqual(3 * groups);
    await sleep(3000);
    expect(await cluster.counts()).toEqual(before);
    for (const n of [0, 1, groups - 1]) {
      expect((await new StoreClient(cluster.url, `g${n}`).get("a")).body).toBe(String(n));
    }
    await asleep(cluster, 20_000);
  } finally {
    await cluster.stop();
  }
});
