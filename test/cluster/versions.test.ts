import { afterEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { RollingCluster } from "../support/rolling-cluster.ts";
import { StoreClient, Writer, isWritten, missing } from "../support/store-client.ts";

let cluster: RollingCluster;

/** A log waits for one that is away for ten election timeouts. */
const cut = { withinMs: 20_000 };
afterEach(() => cluster.stop());

/** Clients of two edges: that of a Worker of the new build, and that of replica 3's. */
const clients = (): StoreClient[] => ["1", "3"].map((id) => new StoreClient(cluster.url(id)));
const start = (each: StoreClient, n: number): Writer => new Writer(each, `writer-${n}`).start();

/** Everything that was acknowledged can be read, through both edges. */
async function nothingIsLost(writers: readonly Writer[]): Promise<void> {
  for (const client of clients()) {
    for (const writer of writers) {
      expect(writer.acknowledged.size).toBeGreaterThan(10);
      expect(await missing(client, writer.acknowledged)).toEqual([]);
    }
  }
}

test("a replica of version 1 follows, catches up by log and by snapshot, leads, and is upgraded amid writes", async () => {
  cluster = await RollingCluster.halfway("20000");
  for (const client of clients()) expect(isWritten(await client.put("before", "1"))).toBe(true);
  await cluster.settled("1");

  // It counts: without it there is no majority.
  await cluster.kill("2");
  for (const client of clients()) expect(isWritten(await client.put("with-two", "2"))).toBe(true);
  await cluster.restart("2", "new");
  await cluster.settled("1");

  // By log: it was away for a moment.
  await cluster.handOver("1", "1");
  await cluster.kill("3");
  for (let i = 0; i < 5; i++) await clients()[0]!.put(`short-${i}`, "x");
  await cluster.restart("3", "old");
  await cluster.settled("3");

  // The other edge goes away with replica 3.
  const writers = [clients()[0]!, clients()[0]!].map(start);
  for (const writer of writers) await writer.progress(20, 10_000);

  // By snapshot: the log no longer has what it lacks.
  const { lastLogIndex } = await cluster.replica("3", "1");
  await cluster.kill("3");
  const isCut = async (): Promise<boolean> =>
    (await cluster.replica("1", "1")).firstLogIndex! > lastLogIndex! + 1;
  await eventually("the log is cut", isCut, cut);
  await cluster.restart("3", "old");
  await eventually("it is back among the others", async () => {
    const { firstLogIndex, lastApplied } = await cluster.replica("3", "1");
    const { commitIndex } = await cluster.replica("1", "1");
    return firstLogIndex! > lastLogIndex! + 1 && commitIndex! - lastApplied! < 50;
  });

  // It leads, and sends snapshots too.
  await cluster.handOver("3", "1");
  await writers[0]!.progress(20, 10_000);
  const behind = (await cluster.replica("2", "1")).lastLogIndex!;
  await cluster.kill("2");
  const isCutBy3 = async (): Promise<boolean> => {
    const { role, firstLogIndex } = await cluster.replica("3", "1");
    if (role !== "leader") await cluster.handOver("3", "1");
    return firstLogIndex! > behind + 1;
  };
  await eventually("the log of replica 3 is cut", isCutBy3, cut);
  await cluster.restart("2", "new");
  await eventually("replica 2 is back", async () => {
    const { firstLogIndex, lastApplied } = await cluster.replica("2", "1");
    const { commitIndex } = await cluster.replica("3", "1");
    return firstLogIndex! > behind + 1 && commitIndex! - lastApplied! < 50;
  });

  // It is upgraded while it leads, with all that it has.
  await cluster.restart("3", "new");
  for (const writer of writers) await writer.progress(20, 10_000);
  await Promise.all(writers.map((writer) => writer.stop()));
  await cluster.settled("1");
  await nothingIsLost(writers);
  await cluster.handOver("3", "3");
  expect((await clients()[1]!.get("before")).body).toBe("1");
});

test("a group of version 1 is upgraded replica by replica amid writes", async () => {
  cluster = await RollingCluster.start(["old", "old", "old"], "20000");
  const writers = clients().map(start);
  for (const id of ["3", "2", "1"]) {
    await Promise.all(writers.map((writer) => writer.progress(20, 10_000)));
    await cluster.restart(id, "new");
  }
  await Promise.all(writers.map((writer) => writer.progress(20, 10_000)));
  await Promise.all(writers.map((writer) => writer.stop()));
  const { replicas } = await cluster.settled("1");
  expect(new Set(replicas.map(({ stateHash }) => stateHash)).size).toBe(1);
  await nothingIsLost(writers);
});

test("members cannot change while a replica of version 1 is there, and can once it is upgraded", async () => {
  cluster = await RollingCluster.halfway("20000");
  const [client] = clients() as [StoreClient, StoreClient];
  expect(isWritten(await client.put("a", "1"))).toBe(true);
  await cluster.settled("1");
  await cluster.handOver("1", "1");
  await cluster.settled("1");
  const { body } = await client.send("GET", "/cluster/members");
  expect(JSON.parse(body)).toMatchObject({ leader: "1", members: [{}, {}, { role: "voter" }] });

  // Neither does the leader do it that knows better, nor one that does not.
  for (const leader of ["1", "3"]) {
    await cluster.handOver(leader, "1");
    // For ten seconds 1 takes 2 for old as well, if it has called it before that was upgraded.
    await eventually(
      "replica 3 alone is named",
      async () => {
        const { body: refusal } = await client.send("DELETE", "/cluster/members/2");
        expect(JSON.parse(refusal)).toMatchObject({ code: "not_ready", outcome: "not_applied" });
        expect(refusal).toContain("replica 3 runs code that knows no change of members");
        return true;
      },
      { withinMs: 20_000 },
    );
  }
  expect(isWritten(await client.put("a", "2"))).toBe(true);

  await cluster.restart("3", "new");
  await eventually(
    "replica 2 goes",
    async () => {
      const { status, body: text } = await client.send("DELETE", "/cluster/members/2");
      if (status !== 200) throw new Error(text);
      return true;
    },
    { withinMs: 20_000 },
  );
  expect(isWritten(await client.put("a", "3"))).toBe(true);
  // Code of before must not touch what it would not understand.
  await cluster.restart("3", "old");
  const without = await client.get("a", "?timeout=1s");
  expect(without.status).toBe(503);
  expect(cluster.log("3")).toContain("storage has schema version 3; this code knows 2");
  await cluster.restart("3", "new");
  expect((await client.get("a")).body).toBe("3");
});
