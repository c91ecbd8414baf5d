import { expect, test } from "vitest";
import { startCluster } from "../../src/cluster/start.ts";
import { leaderOf, settled } from "../support/cluster-status.ts";
import { eventually } from "../support/eventually.ts";
import { StoreClient, Writer, isWritten, missing } from "../support/store-client.ts";

test("a follower that was away while the log was cut catches up amid writes, and can lead", async () => {
  const cluster = await startCluster({ vars: { LOG_BYTES: "20000" } });
  try {
    const client = new StoreClient(cluster.url);
    expect(isWritten(await client.put("before", "1"))).toBe(true);
    const leader = await leaderOf(cluster);
    const [away, other] = ["1", "2", "3"].filter((id) => id !== leader) as [string, string];
    const of = async (id: string) =>
      (await cluster.status()).replicas.find((replica) => replica.id === id)!;
    const { lastLogIndex } = await of(away);
    await cluster.kill(away);
    const writers = [1, 2, 3].map((n) => new Writer(client, `snapshot-${n}`).start());
    await eventually("the log no longer has what the follower lacks", async () => {
      return (await of(leader)).firstLogIndex! > lastLogIndex! + 1;
    });
    await cluster.restart(away);
    await eventually("the follower is back among the others", async () => {
      const { firstLogIndex, lastApplied } = await of(away);
      const { commitIndex } = await of(leader);
      return firstLogIndex! > lastLogIndex! + 1 && commitIndex! - lastApplied! < 50;
    });
    await Promise.all(writers.map((writer) => writer.stop()));
    await settled(cluster, 5000);

    // Without it there would be no majority now.
    await cluster.kill(other);
    expect(isWritten(await client.put("after", "2"))).toBe(true);
    await cluster.restart(other);
    await settled(cluster, 5000);
    await cluster.kill(leader);
    for (const writer of writers) {
      expect(writer.acknowledged.size).toBeGreaterThan(10);
      expect(await missing(client, writer.acknowledged)).toEqual([]);
    }
    expect((await client.get("before")).body).toBe("1");
    await cluster.restart(leader);
    const { replicas } = await settled(cluster, 5000);
    for (const { logBytes } of replicas) expect(logBytes).toBeLessThan(40_000);
  } finally {
    await cluster.stop();
  }
});
