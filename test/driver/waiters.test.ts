import { describe, expect, test } from "vitest";
import { windowSize } from "../../src/kv/request-window.ts";
import { toBytes } from "../../src/protocol/codec.ts";
import { DriverBench, append, id, put, stateOf } from "../support/driver-bench.ts";
import { bare } from "../support/row.ts";

const get = (key: string) => ({ type: "get", key, metadataOnly: false }) as const;
const created = (revision: number) => ({ type: "put", created: true, revision }) as const;

describe("A write", () => {
  test("answers with the results of its commands in their order", async () => {
    const bench = new DriverBench();
    await bench.lead();
    const answer = bench.driver.write([
      put("1", "a"),
      put("2", "b"),
      { type: "delete", requestId: "3", floor: 0, key: "a" },
      { type: "delete", requestId: "4", floor: 0, key: "z" },
      put("5", "b"),
    ]);
    bench.accept("2", 2);
    expect(await answer).toEqual([
      created(1),
      created(2),
      { type: "deleted", deleted: true, revision: 3 },
      { type: "deleted", deleted: false, revision: 3 },
      { type: "put", created: false, revision: 4 },
    ]);
  });

  test("each of many under way gets its own results, also when one acknowledgement covers them all", async () => {
    const bench = new DriverBench();
    await bench.lead();
    const answers = ["a", "b", "c", "d"].map((key) => bench.driver.write([put(key)]));
    bench.accept("2", 3);
    bench.accept("2", 5);
    expect(await Promise.all(answers)).toEqual([1, 2, 3, 4].map((revision) => [created(revision)]));
  });

  test("is not proposed at a replica that does not lead, and names the leader it knows", async () => {
    const bench = new DriverBench();
    expect(await bench.driver.write([put("a"), put("b")])).toEqual([
      { type: "notLeader", leader: null },
      { type: "notLeader", leader: null },
    ]);
    bench.driver.receiveCall("2", [append({})]);
    expect(await bench.driver.write([put("a")])).toEqual([{ type: "notLeader", leader: "2" }]);
    expect(bench.driver.raft.log.last.index).toBe(0);
  });

  test("is dropped, all of it, when too much is under way", async () => {
    const bench = new DriverBench({ config: { maxUncommittedBytes: 100 } });
    await bench.lead();
    const first = bench.driver.write([put("a")]);
    expect(await bench.driver.write([put("b"), put("c")])).toEqual([
      { type: "dropped" },
      { type: "dropped" },
    ]);
    bench.accept("2", 2);
    expect(await first).toEqual([created(1)]);
  });

  test("that was sent again gets the first answer, though the key has changed since", async () => {
    const bench = new DriverBench();
    await bench.lead();
    const answers = [put("1", "a"), put("2", "a"), put("1", "a")].map((c) =>
      bench.driver.write([c]),
    );
    bench.accept("2", 4);
    expect((await Promise.all(answers)).flat()).toEqual([
      created(1),
      { type: "put", created: false, revision: 2 },
      created(1),
    ]);
  });
});

describe("When the leader steps down", () => {
  test("each write and read ends exactly once: what was committed as done, the rest as not known", async () => {
    const bench = new DriverBench({ config: { maxApplyBytes: 1 } });
    await bench.lead();
    bench.storage.hold();
    const committed = ["a", "b"].map((key) => bench.driver.write([put(key)]));
    const lost = ["c", "d"].map((key) => bench.driver.write([put(key), put(`${key}2`)]));
    const reads = ["a", "b"].map((key) => bench.driver.read([get(key), get("z")]));
    // Replicas 2 and 3 hold a and b; the message that tells of it is overtaken by nothing.
    bench.accept("2", 3);
    bench.accept("3", 3);
    bench.depose();
    expect(await Promise.all(committed)).toEqual([[created(1)], [created(2)]]);
    expect((await Promise.all(lost)).flat()).toEqual(Array(4).fill({ type: "unknown" }));
    expect((await Promise.all(reads)).flat()).toEqual(
      Array(4).fill({ type: "notLeader", leader: null }),
    );
    expect(bench.aborts).toEqual([]);
  });

  test("a write under way is not answered by what the next leader puts in its place", async () => {
    const bench = new DriverBench();
    await bench.lead();
    const answer = bench.driver.write([put("mine", "k")]);
    const data = toBytes([put("theirs", "k")]);
    const entries = [{ ...id(2, 2), type: "command" as const, data }];
    bench.driver.receiveCall("2", [append({ term: 2, prev: id(1, 1), entries, leaderCommit: 2 })]);
    expect(await answer).toEqual([{ type: "unknown" }]);
    expect(bench.driver.machine.state.revision).toBe(1);
    expect(bench.aborts).toEqual([]);
  });

  test("because it heard from no quorum, the same holds", async () => {
    const bench = new DriverBench();
    await bench.lead();
    const [write, read] = [bench.driver.write([put("a")]), bench.driver.read([get("a")])];
    // The first check still finds what was heard before it.
    for (const passed of [150, 150]) {
      bench.nowMs += passed;
      bench.driver.checkTime();
    }
    expect(bench.driver.raft.role).not.toBe("leader");
    expect(await write).toEqual([{ type: "unknown" }]);
    expect(await read).toEqual([{ type: "notLeader", leader: null }]);
  });

  test("a write whose entry then commits under the next leader takes effect once, also when it is sent again", async () => {
    const bench = new DriverBench();
    await bench.lead();
    const answer = bench.driver.write([put("a")]);
    bench.driver.receiveCall("2", [append({ term: 2, prev: id(1, 2), leaderCommit: 2 })]);
    // The commit came in the very message that deposed it, so it may be known either way; never
    // twice.
    expect(["unknown", "put"]).toContain((await answer)[0]!.type);
    const again = [{ ...id(2, 3), type: "command" as const, data: toBytes([put("a")]) }];
    bench.driver.receiveCall("2", [
      append({ term: 2, prev: id(1, 2), entries: again, leaderCommit: 3 }),
    ]);
    expect(bench.storage.table.get("a")?.version).toBe(1);
  });
});

describe("A read", () => {
  test("is answered only once a quorum has confirmed a round begun after it", async () => {
    const bench = new DriverBench();
    await bench.lead();
    const answer = bench.driver.read([get("a")]);
    expect(await stateOf(answer)).toBe("open");
    bench.accept("2", 1, 0);
    expect(await stateOf(answer), "an answer to an older message confirms nothing").toBe("open");
    bench.accept("2", 1, 1);
    expect(await answer).toEqual([{ type: "absent", revision: 0 }]);
  });

  test("sees every write that was answered before it, and answers for all its keys at one moment", async () => {
    const bench = new DriverBench();
    await bench.lead();
    const write = bench.driver.write([put("1", "a")]);
    bench.accept("2", 2);
    await write;
    const answer = bench.driver.read([get("a"), get("b"), { ...get("a"), metadataOnly: true }]);
    bench.accept("2", 2, 1);
    const revisions = { createRevision: 1, modRevision: 1, version: 1 };
    const row = { ...revisions, ...bare, contentType: null, size: 1 };
    expect(await answer).toEqual([
      { type: "value", value: new TextEncoder().encode("1"), ...row },
      { type: "absent", revision: 1 },
      { type: "value", value: null, ...row },
    ]);
  });

  test("waits for the leader's first commit of its own term", async () => {
    const bench = new DriverBench();
    await bench.lead({ commit: false });
    const answer = bench.driver.read([get("a")]);
    bench.accept("2", 0, 0);
    expect(await stateOf(answer)).toBe("open");
    bench.accept("2", 1, 0);
    expect(await stateOf(answer)).toBe("open");
    bench.accept("2", 1, 1);
    expect(await answer).toEqual([{ type: "absent", revision: 0 }]);
  });

  test("of a new leader sees what its predecessor committed", async () => {
    const disk = new DriverBench();
    const data = toBytes([put("old")]);
    const entries = [{ ...id(1, 1), type: "command" as const, data }];
    disk.driver.receiveCall("2", [append({ entries })]);
    await disk.settle();

    const bench = new DriverBench({ disk: disk.disk });
    expect(bench.storage.table.get("old"), "not yet known to be committed").toBeNull();
    bench.driver.campaign();
    const granted = { from: "2", to: "1", term: id(2, 0).term, granted: true } as const;
    bench.driver.receiveAnswer([{ type: "preVoteResponse", ...granted }]);
    bench.driver.receiveAnswer([{ type: "requestVoteResponse", ...granted }]);
    await bench.settle();
    const answer = bench.driver.read([get("old")]);
    bench.accept("2", 2, 0);
    bench.accept("2", 2, 1);
    expect(await answer).toMatchObject([{ type: "value", modRevision: 1 }]);
  });

  test("of a group of one needs nobody", async () => {
    const bench = new DriverBench({ voters: ["1"] });
    bench.driver.campaign();
    await bench.settle();
    expect(await bench.driver.read([get("a")])).toEqual([{ type: "absent", revision: 0 }]);
  });

  test("that waited for the first commit of the term sees all that it commits, not what was applied before", async () => {
    const first = new DriverBench({ voters: ["1"] });
    first.driver.campaign();
    await first.settle();
    first.storage.hold();
    void first.driver.write([put("a")]);
    first.storage.endTurn();
    first.storage.crash(1);

    const bench = new DriverBench({ voters: ["1"], disk: first.disk });
    bench.storage.hold();
    bench.driver.campaign();
    bench.storage.endTurn();
    bench.storage.flush();
    await bench.settle();
    expect(bench.driver.raft.role, "its vote is durable, its noop is not").toBe("leader");
    const answer = bench.driver.read([get("a")]);
    expect(await stateOf(answer)).toBe("open");
    bench.storage.release();
    expect(await answer).toMatchObject([{ type: "value", modRevision: 1 }]);
  });

  test("at a replica that does not lead ends at once", async () => {
    const bench = new DriverBench();
    bench.driver.receiveCall("2", [append({})]);
    expect(await bench.driver.read([get("a")])).toEqual([{ type: "notLeader", leader: "2" }]);
  });
});

describe("A write that is too old to be told from a repetition", () => {
  const old = put("old", "k", 0);

  async function afterWholeWindow(): Promise<DriverBench> {
    const bench = new DriverBench({ voters: ["1"] });
    bench.driver.campaign();
    await bench.settle();
    await bench.driver.write([put("first", "first", 0)]);
    const fillers = Array.from({ length: windowSize }, (_, i) => put(`f${i}`, "f", 1));
    await bench.driver.write(fillers);
    expect(bench.driver.machine.state.sequence).toBe(windowSize + 1);
    return bench;
  }

  test("is refused without an entry in the log; what goes along in its batch is not", async () => {
    const bench = await afterWholeWindow();
    const { index } = bench.driver.raft.log.last;
    expect(await bench.driver.write([old])).toEqual([{ type: "expired" }]);
    expect(bench.driver.raft.log.last.index).toBe(index);
    expect(await bench.driver.write([put("x", "k", 1), old, put("y", "k", 1)])).toMatchObject([
      { type: "put", created: true },
      { type: "expired" },
      { type: "expired" },
    ]);
    // The last one was in time when it came, and expired by what went before it in the same batch.
    expect(bench.storage.table.get("k")?.version).toBe(1);
  });

  test("is answered from the record if there is one", async () => {
    const bench = await afterWholeWindow();
    const [again] = await bench.driver.write([{ ...put("f0", "f", 1), floor: 0 }]);
    expect(again).toMatchObject({ type: "put", created: true, revision: 2 });
    expect(await bench.driver.write([put("first", "first", 0)])).toEqual([{ type: "expired" }]);
  });

  test("a replica that does not lead leaves the question to the leader", async () => {
    const full = await afterWholeWindow();
    const bench = new DriverBench({ disk: full.disk });
    expect(await bench.driver.write([old])).toEqual([{ type: "notLeader", leader: null }]);
  });
});
