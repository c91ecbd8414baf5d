import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { leaderOf } from "../support/cluster-status.ts";
import { StoreClient, isWritten } from "../support/store-client.ts";

let cluster: Cluster;
let client: StoreClient;

/** With timers so long that whoever waits for one most likely fails. */
beforeAll(async () => {
  const vars = { HEARTBEAT_MS: "100", ELECTION_MIN_MS: "400", ELECTION_MAX_MS: "300000" };
  cluster = await startCluster({ vars });
  client = new StoreClient(cluster.url);
  expect(isWritten(await client.put("a", "1"))).toBe(true);
});

afterAll(() => cluster.stop());

test("a leader that restarts leads again, in a new term, without anybody's timeout", async () => {
  const before = await cluster.status();
  const leader = await leaderOf(cluster);
  // It must have been heard for that long, or it counts as one that restarts all the time.
  await new Promise((resolve) => setTimeout(resolve, 800));
  await cluster.kill(leader);
  await cluster.restart(leader);
  expect(isWritten(await client.put("a", "2"))).toBe(true);
  const after = await cluster.status();
  expect(after.leader).toBe(leader);
  expect(after.term).toBe(before.term + 1);
});

test("all replicas that restart at once serve again without anybody's timeout", async () => {
  for (const id of ["1", "2", "3"]) await cluster.kill(id);
  for (const id of ["1", "2", "3"]) await cluster.restart(id);
  expect((await client.get("a")).body).toBe("2");
  expect(isWritten(await client.put("a", "3"))).toBe(true);
});
