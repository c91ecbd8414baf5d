import { describe, expect, test } from "vitest";
import { toBytes } from "../../src/protocol/codec.ts";
import { asTerm } from "../../src/raft/types.ts";
import type { LogLimits } from "../../src/replica/compaction.ts";
import { DriverBench, append, id, put, stateOf } from "../support/driver-bench.ts";
import { MemoryDisk } from "../support/memory-storage.ts";
import { foundedBy } from "../support/members.ts";

const short: LogLimits = { maxBytes: 100, keepBytes: 0, mostBytes: 10_000 };

/** What a leader of three applies, and says to replica 2 that has been away for all of it. */
async function leaderAhead(limits: LogLimits = short): Promise<DriverBench> {
  const bench = new DriverBench({ limits, config: { patienceMs: 300 } });
  await bench.lead();
  bench.accept("3", 1);
  bench.nowMs += 300;
  for (let i = 2; i < 6; i++) {
    const answer = bench.driver.write([put(`r${i}`)]);
    bench.accept("3", i);
    await bench.settle();
    expect(await stateOf(answer)).toMatchObject([{ type: "put" }]);
  }
  return bench;
}

describe("A log that has grown too long", () => {
  test("is cut right after entries were applied, in the same turn", async () => {
    const bench = new DriverBench({ limits: short });
    await bench.lead();
    bench.accept("3", 1);
    const answer = bench.driver.write([put("a"), put("b")]);
    bench.takeTrace();
    for (const from of ["2", "3"]) bench.accept(from, 2);
    expect(bench.takeTrace()).toEqual([
      "arm 50",
      "put a",
      "put b",
      "save machine at 2 with a,b",
      "persist #4 compact to 1/2",
      "arm 50",
    ]);
    expect(await stateOf(answer)).toHaveLength(2);
  });

  test("takes with it no entry whose effect is not stored", async () => {
    const bench = new DriverBench({ limits: { ...short, maxBytes: 1 } });
    await bench.lead();
    bench.takeTrace();
    // The entry that opens the term has no effect, so that it was applied is stored only now.
    const entries = [{ ...id(2, 2), type: "noop" as const, data: new Uint8Array(0) }];
    bench.driver.receiveCall("2", [append({ term: 2, prev: id(1, 1), entries, leaderCommit: 2 })]);
    const trace = bench.takeTrace();
    const saved = trace.findIndex((line) => line.startsWith("save machine"));
    expect(saved).toBeGreaterThan(-1);
    expect(trace[saved + 1]).toMatch(/^persist #\d compact/);
  });
});

test("A log whose entries are applied in several rounds of each step is cut as well", async () => {
  const limits = { maxBytes: 3000, keepBytes: 1500, mostBytes: 1_000_000 };
  const bench = new DriverBench({ limits, config: { maxApplyBytes: 1 } });
  await bench.lead();
  bench.accept("3", 1);
  for (let last = 3; last < 200; last += 2) {
    void bench.driver.write([put(`a${last}`)]);
    void bench.driver.write([put(`b${last}`)]);
    for (const from of ["2", "3"]) bench.accept(from, last);
    await bench.settle();
  }
  expect(bench.driver.raft.appliedIndex).toBe(199);
  expect(bench.driver.logBytes).toBeLessThan(4000);
});

describe("A snapshot", () => {
  test("goes from one driver to another, which then serves what is in it", async () => {
    const sender = await leaderAhead();
    expect(sender.driver.raft.log.base.index).toBeGreaterThan(1);
    const receiver = new DriverBench();
    receiver.driver.receiveCall("1", []);
    sender.sent.length = 0;
    sender.accept("2", 0);
    const answers = [];
    for (let message = sender.sent[0]; message !== undefined; message = sender.sent.shift()) {
      if (message.to !== "2") continue;
      // The receiver under test is replica 1 as well, so it takes what is for 2.
      const turned = { ...message, from: "2", to: "1" };
      sender.sent.length = 0;
      for (const answer of receiver.driver.receiveCall("2", [turned])) {
        answers.push(answer);
        sender.driver.receiveAnswer([{ ...answer, from: "2", to: "1" }]);
      }
    }
    expect(answers.map(({ type }) => type)).toContain("installSnapshotResponse");
    expect(receiver.driver.raft.appliedIndex).toBe(sender.driver.raft.appliedIndex);
    expect(receiver.driver.machine.state).toEqual(sender.driver.machine.state);
    for (const key of ["r2", "r3", "r4", "r5"]) {
      expect(receiver.storage.table.get(key)).toEqual(sender.storage.table.get(key));
    }
    // A request that is repeated is recognised by who never applied it.
    const repeated = toBytes([put("r3")]);
    const at = receiver.driver.raft.appliedIndex;
    receiver.driver.receiveCall("2", [
      append({
        prev: id(1, at),
        entries: [{ ...id(1, at + 1), type: "command", data: repeated }],
        leaderCommit: at + 1,
      }),
    ]);
    expect(receiver.driver.machine.state.revision).toBe(sender.driver.machine.state.revision);
    expect(receiver.aborts).toEqual([]);
  });

  test("that can't be read stops the instance, and leaves the disk as it was", async () => {
    const disk = new MemoryDisk();
    const bench = new DriverBench({ disk });
    const answer = bench.driver.receiveCall("2", [
      {
        type: "installSnapshotRequest",
        from: "2",
        to: "1",
        term: asTerm(1),
        snapshot: id(1, 9),
        configuration: foundedBy(["1", "2", "3"]),
        shipment: 1,
        chunk: 0,
        data: toBytes({ format: 9 }),
        isLast: true,
      },
    ]);
    expect(answer).toEqual([]);
    expect(bench.aborts).toMatchObject([
      { error: { message: "snapshot format 9; this code knows 1, 2" } },
    ]);
    expect(disk.durable.appliedIndex).toBe(0);
  });
});
