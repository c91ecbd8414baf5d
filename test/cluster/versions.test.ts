import { afterEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Build, type OldBuild, RollingCluster } from "../support/rolling-cluster.ts";
import {
  type Answer,
  type Problem,
  StoreClient,
  Writer,
  isWritten,
  missing,
} from "../support/store-client.ts";

let cluster: RollingCluster;

/** A log waits for one that is away for ten election timeouts. */
const cut = { withinMs: 20_000 };
afterEach(() => cluster.stop());

/** Clients of two edges: that of a Worker of the new build, and that of replica 3's. */
const clients = (): StoreClient[] => ["1", "3"].map((id) => new StoreClient(cluster.url(id)));
const start = (each: StoreClient, n: number): Writer => new Writer(each, `writer-${n}`).start();

/** Everything that was acknowledged can be read, through one of the edges or the other. */
async function nothingIsLost(writers: readonly Writer[]): Promise<void> {
  for (const [i, { acknowledged }] of writers.entries()) {
    expect(acknowledged.size).toBeGreaterThan(10);
    expect(await missing(clients()[i]!, acknowledged)).toEqual([]);
  }
}

/** Replica 3 stays behind by more than the log keeps, and catches up by snapshot. */
async function fallFarBehind(old: OldBuild): Promise<void> {
  const { lastLogIndex } = await cluster.replica("3", "1");
  await cluster.kill("3");
  const isCut = async (): Promise<boolean> =>
    (await cluster.replica("1", "1")).firstLogIndex! > lastLogIndex! + 1;
  await eventually("the log is cut", isCut, cut);
  await cluster.restart("3", old);
  await eventually("it is back among the others", async () => {
    const { firstLogIndex, lastApplied } = await cluster.replica("3", "1");
    const { commitIndex } = await cluster.replica("1", "1");
    return firstLogIndex! > lastLogIndex! + 1 && commitIndex! - lastApplied! < 50;
  });
}

/** Replica 2 stays behind in the same way, while replica 3 leads. */
async function bringForward(): Promise<void> {
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
}

test.each<[OldBuild, string, () => Promise<void>]>([
  // The snapshots of both are of one format: one of them is enough for those that it sends itself.
  ["version-1", "leads, sends snapshots", bringForward],
  ["version-2", "leads", () => Promise.resolve()],
])(
  "a replica of %s follows, catches up by log and by snapshot, %s, and is upgraded amid writes",
  async (old, _, whileItLeads) => {
    cluster = await RollingCluster.halfway(old, "20000");
    for (const client of clients()) expect(isWritten(await client.put("before", "1"))).toBe(true);
    await cluster.settled("1");

    // It counts: without it there is no majority.
    await cluster.kill("2");
    for (const client of clients()) {
      expect(isWritten(await client.put("with-two", "2"))).toBe(true);
    }
    await cluster.restart("2", "new");
    await cluster.settled("1");

    // By log: it was away for a moment.
    await cluster.handOver("1", "1");
    await cluster.kill("3");
    for (let i = 0; i < 5; i++) await clients()[0]!.put(`short-${i}`, "x");
    await cluster.restart("3", old);
    await cluster.settled("3");

    // The other edge goes away with replica 3.
    const writers = [clients()[0]!, clients()[0]!].map(start);
    for (const writer of writers) await writer.progress(20, 10_000);
    await fallFarBehind(old);
    await cluster.handOver("3", "1");
    await writers[0]!.progress(20, 10_000);
    await whileItLeads();

    // It is upgraded while it leads, with all that it has.
    await cluster.restart("3", "new");
    for (const writer of writers) await writer.progress(20, 10_000);
    await Promise.all(writers.map((writer) => writer.stop()));
    await cluster.settled("1");
    await nothingIsLost(writers);
    await cluster.handOver("3", "3");
    expect((await clients()[1]!.get("before")).body).toBe("1");
  },
);

test("a group of version 1 is upgraded replica by replica amid writes, though one has version 2 meanwhile", async () => {
  cluster = await RollingCluster.start(["version-1", "version-1", "version-1"], "20000");
  const writers = clients().map(start);
  const steps: readonly [id: string, build: Build][] = [
    ["2", "version-2"],
    ["3", "new"],
    ["2", "new"],
    ["1", "new"],
  ];
  for (const [id, build] of steps) {
    await Promise.all(writers.map((writer) => writer.progress(20, 10_000)));
    await cluster.restart(id, build);
  }
  await Promise.all(writers.map((writer) => writer.progress(20, 10_000)));
  await Promise.all(writers.map((writer) => writer.stop()));
  const { replicas } = await cluster.settled("1");
  expect(new Set(replicas.map(({ stateHash }) => stateHash)).size).toBe(1);
  await nothingIsLost(writers);
});

test("members cannot change while a replica of version 1 is there, and can once it is upgraded", async () => {
  cluster = await RollingCluster.halfway("version-1", "20000");
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
  await cluster.restart("3", "version-1");
  const without = await client.get("a", "?timeout=1s");
  expect(without.status).toBe(503);
  expect(cluster.log("3")).toContain("storage has schema version 4; this code knows 2");
  await cluster.restart("3", "new");
  expect((await client.get("a")).body).toBe("3");
});

/** A request that code of before version 3 does not know. */
type New = (client: StoreClient) => Promise<Answer>;

// Edges look for another leader for so long when one of old code refuses.
const soon = "timeout=1s";

/** What is written in a way that is new, and how it is answered where all know that way. */
const newWrites: Readonly<Record<string, readonly [status: number, send: New]>> = {
  "a put on a condition": [
    200,
    (client) => client.send("PUT", `/keys/plain?${soon}`, "of new", { "If-Match": "*" }),
  ],
  "a delete on a condition": [
    204,
    (client) => client.send("DELETE", `/keys/bound?${soon}`, undefined, { "If-Match": "*" }),
  ],
  "a put with metadata": [
    201,
    (client) => client.send("PUT", `/keys/marked?${soon}`, "x", { "KV-Metadata": "{}" }),
  ],
  "a put that its client has named": [
    201,
    (client) => client.send("PUT", `/keys/named?${soon}`, "x", { "Idempotency-Key": "n" }),
  ],
  "a put that is to go": [201, (client) => client.put("brief", "x", `?ttl=1s&${soon}`)],
  "a transaction": [
    200,
    (client) => client.send("POST", `/txn?${soon}`, '{"then":[{"op":"increment","key":"n"}]}'),
  ],
  "a delete of a range": [200, (client) => client.send("DELETE", `/keys?prefix=m&${soon}`)],
  "a lease": [200, (client) => client.send("POST", `/leases?ttl=1h&${soon}`)],
  "a lock": [200, (client) => client.send("POST", `/locks/lock?ttl=1h&${soon}`, "me")],
  "a history": [200, (client) => client.send("PUT", `/history?keep=1h&${soon}`)],
};

/** What is read in a way that is new. */
const newReads: Readonly<Record<string, New>> = {
  "a list": (client) => client.send("GET", `/keys?${soon}`),
  "a count": (client) => client.send("GET", `/keys?count&${soon}`),
  "many keys": (client) => client.send("POST", `/get?${soon}`, '{"keys":["plain"]}'),
  "a transaction": (client) =>
    client.send("POST", `/txn?${soon}`, '{"then":[{"op":"get","key":"plain"}]}'),
};

/** How everything new is answered while a replica leads: the writes, and then the reads. */
async function answersUnder(leader: string): Promise<[writes: string[], reads: string[]]> {
  await cluster.handOver(leader, "1");
  const [fresh] = clients();
  const gist = async (answer: Promise<Answer>): Promise<string> => {
    const { status, body } = await answer;
    if (status < 400) return String(status);
    const { code, outcome } = JSON.parse(body) as Problem;
    return `${status} ${code} ${outcome}`;
  };
  const writes = Object.values(newWrites).map(([, send]) => gist(send(fresh!)));
  const reads = Object.values(newReads).map((send) => gist(send(fresh!)));
  return [await Promise.all(writes), await Promise.all(reads)];
}

/** Puts, gets and deletes of keys through both edges. Returns the revision of the last of them. */
async function plainWorks(): Promise<number> {
  let revision = 0;
  for (const client of clients()) {
    for (const key of ["plain", "bound", "gone"]) {
      const put = await client.put(key, "of old");
      expect(isWritten(put)).toBe(true);
      expect((await client.get(key)).body).toBe("of old");
    }
    const deleted = await client.delete("gone");
    expect(deleted.status).toBe(204);
    expect((await client.get("gone")).status).toBe(404);
    revision = Number(deleted.headers.get("KV-Revision"));
  }
  return revision;
}

test.each<[OldBuild, knows: number, ledBy: string]>([
  ["version-1", 2, "3"],
  ["version-2", 3, "1"],
])("what a replica of %s does not know waits until it is upgraded", async (old, knows, ledBy) => {
  cluster = await RollingCluster.halfway(old, "1000000");
  const [fresh] = clients() as [StoreClient, StoreClient];
  const refused = Object.keys(newWrites).map(() => "503 not_ready not_applied");
  const notRead = Object.keys(newReads).map(() => "503 not_ready not_applied");
  const isRead = Object.keys(newReads).map(() => "200");

  let revision = 0;
  for (const leader of ["3", "1"]) {
    await cluster.handOver(leader, "1");
    revision = await plainWorks();
    // Where one of old code leads there is nobody to ask.
    const all = [refused, leader === "3" ? notRead : isRead];
    await eventually(
      `everything new is refused under ${leader}`,
      async () => {
        expect(await answersUnder(leader)).toEqual(all);
        return true;
      },
      { withinMs: 20_000 },
    );
    // Who watches is told by the others.
    const watched = await fresh.send("GET", `/watch?from=${revision - 1}&wait=1s`);
    expect(JSON.parse(watched.body)).toMatchObject({ events: [{ type: "delete", key: "gone" }] });
  }

  // Nothing of it has happened.
  const { body: list } = await fresh.send("GET", "/keys?values");
  expect(JSON.parse(list)).toMatchObject({
    keys: ["bound", "first", "plain"].map((name) => ({ name, value: "of old", expires: null })),
    revision,
  });
  const { body: history } = await fresh.send("GET", "/history");
  expect(JSON.parse(history)).toMatchObject({ keep: null });

  await cluster.restart("3", "new");
  // Whoever led before finds out with time; whoever has not, at once.
  await cluster.handOver(ledBy, "1");
  for (const [what, [status, send]] of Object.entries(newWrites)) {
    const isTaken = async (): Promise<Answer | false> => {
      const answer = await send(fresh);
      return answer.status !== 503 && answer;
    };
    const answer = await eventually(what, isTaken, { withinMs: 20_000 });
    expect(answer.status, `${what}: ${answer.body}`).toBe(status);
  }
  for (const send of Object.values(newReads)) expect((await send(fresh)).status).toBe(200);
  for (const client of clients()) {
    await eventually(
      "what is to go is gone",
      async () => (await client.get("brief")).status === 404,
    );
  }
  const { body: after } = await fresh.send("GET", "/keys");
  expect(JSON.parse(after)).toMatchObject({
    keys: ["first", "lock", "n", "named", "plain"].map((name) => ({ name })),
  });
  await cluster.settled("1");

  // Code of before must not touch what it would not understand, and nobody takes it for one to wait for.
  await cluster.restart("3", old);
  await eventually("it says so", () =>
    cluster.log("3").includes(`storage has schema version 4; this code knows ${knows}`),
  );
  await cluster.handOver("1", "1");
  const brief = await fresh.put("brief", "x", "?ttl=1h");
  expect(brief.status, `${brief.body} ${cluster.log("1")}`).toBe(201);
});
