import { expect, test } from "vitest";
import { startCluster } from "../../src/cluster/start.ts";
import { leaderOf, settled } from "../support/cluster-status.ts";
import { StoreClient, Writer, isWritten, missing } from "../support/store-client.ts";

test("the leadership goes round under load, and no write is refused or lost", async () => {
  const cluster = await startCluster();
  try {
    const client = new StoreClient(cluster.url);
    expect(isWritten(await client.put("first", "1"))).toBe(true);
    await settled(cluster, 5000);
    const writers = [1, 2, 3].map((n) => new Writer(client, `transfer-${n}`).start());
    for (const replica of ["2", "3", "1", "3"]) {
      await Promise.all(writers.map((writer) => writer.progress(5, 10_000)));
      const answer = await client.send("POST", "/cluster/leader", JSON.stringify({ replica }));
      expect(answer.status, answer.body).toBe(200);
      expect(JSON.parse(answer.body)).toMatchObject({ leader: replica });
      expect(await leaderOf(cluster)).toBe(replica);
    }
    await Promise.all(writers.map((writer) => writer.stop()));
    for (const { acknowledged, refusals } of writers) {
      expect(refusals).toEqual([]);
      expect(await missing(client, acknowledged)).toEqual([]);
    }
  } finally {
    await cluster.stop();
  }
});
