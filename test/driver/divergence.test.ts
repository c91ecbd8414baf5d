import { describe, expect, test } from "vitest";
import { toBytes } from "../../src/protocol/codec.ts";
import type { Message } from "../../src/raft/messages.ts";
import { type Entry, asIndex, asTerm } from "../../src/raft/types.ts";
import { DriverBench, append, id, put, stateOf } from "../support/driver-bench.ts";
import { MemoryDisk } from "../support/memory-storage.ts";

const firstEntries: readonly Entry[] = [1, 2, 3, 4].map((index) => {
  const data = toBytes([put(`r${index}`)]);
  return { term: asTerm(1), index: asIndex(index), type: "command", data };
});

/** A follower of replica 2 that has applied four entries, and compares every second. */
function follower(disk = new MemoryDisk()): DriverBench {
  const bench = new DriverBench({ disk, digestEvery: 2 });
  bench.driver.receiveCall("2", [append({ entries: firstEntries, leaderCommit: 4 })]);
  return bench;
}

const verdict = (hash: string | null) => ({ index: asIndex(4), formula: 2, hash });
const told = (hash: string | null): Message => ({
  ...append({ prev: id(1, 4), leaderCommit: 4 }),
  verdict: verdict(hash),
});

describe("A driver", () => {
  test("says what the state was at each agreed index, also within a batch", () => {
    const bench = follower();
    const { hash } = bench.driver.machine.state;
    const [two, four] = bench.driver.raft.audit.digests;
    expect(two).toMatchObject({ index: 2, formula: 2 });
    expect(four).toEqual({ index: 4, formula: 2, hash });
    expect(two!.hash).not.toBe(hash);
  });

  test("stores that in the turn in which the entries are applied", () => {
    const bench = follower();
    const trace = bench.takeTrace();
    const saved = trace.findIndex((line) => line.startsWith("save machine at 4"));
    expect(trace[saved + 1]).toMatch(/^persist #2 audit 2=2:\S+ 4=2:\S+$/);
  });

  test("sounds the alarm once, and not again after a restart", async () => {
    const disk = new MemoryDisk();
    const bench = follower(disk);
    await bench.settle();
    bench.takeTrace();
    for (let i = 0; i < 3; i++) bench.driver.receiveCall("2", [told("2.other")]);
    await bench.settle();
    const alarms = bench.takeTrace().filter((line) => line.startsWith("diverged"));
    expect(alarms).toEqual(["diverged at 4"]);
    const next = new DriverBench({ disk, digestEvery: 2 });
    next.driver.boot();
    next.driver.receiveCall("2", [told("2.other")]);
    expect(next.driver.raft.audit.divergedIndex).toBe(4);
    expect(next.takeTrace().filter((line) => line.startsWith("diverged"))).toEqual([]);
  });

  test("[A6] serves no read of a state that it finds wrong before it gets to it", async () => {
    // It knows less to be committed than others have applied.
    const disk = new MemoryDisk();
    const before = new DriverBench({ disk, digestEvery: 2 });
    before.driver.receiveCall("2", [append({ entries: firstEntries, leaderCommit: 0 })]);
    await before.settle();
    const bench = new DriverBench({ disk, digestEvery: 2 });
    bench.driver.campaign();
    const grant = { from: "2", to: "1", granted: true } as const;
    const { term } = bench.driver.raft;
    for (const type of ["preVoteResponse", "requestVoteResponse"] as const) {
      bench.driver.receiveAnswer([{ ...grant, type, term: (term + 1) as typeof term }]);
      await bench.settle();
    }
    const read = bench.driver.read([{ type: "get", key: "r1", metadataOnly: false }]);
    for (const from of ["2", "3"]) {
      const result = { type: "accepted", matchIndex: asIndex(4) } as const;
      const digest = { index: asIndex(4), formula: 2, hash: "2.other" };
      bench.driver.receiveAnswer([
        {
          type: "appendEntriesResponse",
          from,
          to: "1",
          term: bench.driver.raft.term,
          round: 0,
          result,
          digest,
        },
      ]);
    }
    expect(bench.driver.raft.role).toBe("leader");
    bench.accept("2", 5);
    expect(bench.driver.raft).toMatchObject({ role: "follower", audit: { divergedIndex: 4 } });
    expect(await stateOf(read)).toEqual([{ type: "notLeader", leader: null }]);
    expect(await stateOf(bench.driver.write([put("late")]))).toMatchObject([{ type: "notLeader" }]);
  });

  test("[A10] goes on from the state that repairs it, with all that follows", async () => {
    const bench = follower();
    const right = bench.driver.machine.state;
    await bench.settle();
    bench.disk.tamper(({ rows }) => rows.set("r1", { ...rows.get("r1")!, version: 7 }));
    bench.driver.receiveCall("2", [told("2.other")]);
    await bench.settle();
    // The state after the first two entries.
    const source = new DriverBench({ digestEvery: 2 });
    source.driver.receiveCall("2", [
      append({ entries: firstEntries.slice(0, 2), leaderCommit: 2 }),
    ]);
    const { configuration } = source.driver.raft.log;
    const snapshots = source.storage.openExport(source.driver.machine.state);
    const { term } = bench.driver.raft;
    const head = { type: "installSnapshotRequest", from: "2", to: "1", term } as const;
    bench.takeTrace();
    let answer: Message | undefined;
    for (let chunk = 0, isLast = false; !isLast; chunk++) {
      const read = snapshots.read(chunk);
      ({ isLast } = read);
      const message: Message = {
        ...head,
        snapshot: id(1, 2),
        configuration,
        shipment: 1,
        chunk,
        ...read,
      };
      [answer] = bench.driver.receiveCall("2", [message]);
    }
    expect(answer).toMatchObject({ result: { type: "accepted", matchIndex: 4 } });
    expect(bench.takeTrace()).toContain("repaired");
    expect(bench.driver.machine.state).toEqual(right);
    expect(bench.storage.table.get("r1")).toMatchObject({ version: 1 });
    await bench.settle();
    expect(bench.disk.durable).toMatchObject({ appliedIndex: 4, audit: { divergedIndex: null } });
    expect(bench.aborts).toEqual([]);
  });
});
