import { expect, test } from "vitest";
import { startCluster } from "../../src/cluster/start.ts";
import { settled } from "../support/cluster-status.ts";
import { eventually } from "../support/eventually.ts";
import { StoreClient, isWritten } from "../support/store-client.ts";

const confirm = "I accept that acknowledged writes may be lost";

const rebuild = (client: StoreClient, survivor: string, lost: readonly string[]) =>
  client.send("POST", "/cluster/rebuild", JSON.stringify({ survivor, lost, confirm }));

test("a group that has lost its quorum goes on from one replica, and the lost ones stay out", async () => {
  const cluster = await startCluster();
  try {
    const client = new StoreClient(cluster.url);
    expect(isWritten(await client.put("kept", "1"))).toBe(true);
    const { leader } = await settled(cluster, 5000);
    const [survivor, other] = ["1", "2", "3"].filter((id) => id !== leader);
    const lost = [leader!, other!];

    // As long as there is a quorum there is nothing to rebuild.
    expect((await rebuild(client, survivor!, lost)).status).toBe(409);
    for (const id of lost) await cluster.kill(id);
    expect((await client.put("x", "2", "?timeout=500ms")).status).toBeGreaterThanOrEqual(503);
    expect((await rebuild(client, survivor!, [other!])).status).toBe(400);
    expect((await rebuild(client, other!, [survivor!, leader!])).status).toBe(404);

    const before = (await client.send("GET", "/cluster")).body;
    const rebuilt = await rebuild(client, survivor!, lost);
    expect(rebuilt.status, `${rebuilt.body} ${before}`).toBe(200);
    expect(JSON.parse(rebuilt.body)).toMatchObject({ leader: survivor, epoch: 2 });
    const kept = await client.get("kept");
    expect(kept).toMatchObject({ status: 200, body: "1" });
    expect(isWritten(await client.put("after", "3"))).toBe(true);
    // What comes has revisions that nothing lost ever had.
    const { headers } = await client.get("after");
    expect(Number(headers.get("KV-Revision"))).toBeGreaterThan(100_000_000_000_000);

    // Those that come back have no say, though they are a majority of what was before.
    for (const id of lost) await cluster.restart(id);
    await eventually("both have left", async () => {
      const { replicas } = await cluster.status();
      expect(replicas.map(({ id }) => id)).toEqual([survivor]);
      return true;
    });
    for (const id of lost) {
      expect((await client.get("after")).body).toBe("3");
      const answer = await client.send("GET", `/replicas/${id}/keys/after?timeout=500ms`);
      expect(answer.status).toBe(503);
    }
    for (let n = 0; n < 2; n++) {
      const added = await client.send("POST", "/cluster/members", '{"region":"local"}');
      expect(added.status, added.body).toBe(201);
    }
    expect(isWritten(await client.put("after", "4"))).toBe(true);
    expect(await client.get("after")).toMatchObject({ body: "4" });
    const { replicas } = await settled(cluster, 5000);
    expect(replicas).toHaveLength(3);
  } finally {
    await cluster.stop();
  }
});
