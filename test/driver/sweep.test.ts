import { describe, expect, test } from "vitest";
import type { ClientCommand, Command, Expiry } from "../../src/kv/command.ts";
import { toBytes } from "../../src/protocol/codec.ts";
import { asIndex, asTerm } from "../../src/raft/types.ts";
import { DriverBench, append, id, put, stateOf } from "../support/driver-bench.ts";

const get = (key: string) => ({ type: "get", key, metadataOnly: false }) as const;

/** A put of a value that is to go after so long. */
const brief = (requestId: string, ttlMs: number): ClientCommand => {
  const expiry: Expiry = { type: "ttl", ttlMs };
  return { ...put(requestId), expiry };
};

/** A replica that is a group of its own. */
async function alone(): Promise<DriverBench> {
  const bench = new DriverBench({ voters: ["1"] });
  bench.driver.campaign();
  await bench.settle();
  return bench;
}

describe("What is due", () => {
  test("goes when the alarm rings, and the alarm is set for what is due next, though nothing else happens", async () => {
    const bench = await alone();
    void bench.driver.write([brief("a", 1000), brief("b", 5000)]);
    await bench.settle();
    expect(bench.takeTrace().at(-1)).toBe("arm 1000");
    bench.nowMs = 2000;
    bench.driver.checkTime();
    await bench.settle();
    expect(bench.storage.table.get("a")).toBeNull();
    expect(bench.storage.table.get("b")).not.toBeNull();
    expect(bench.takeTrace().at(-1)).toBe("arm 5000");
    bench.nowMs = 6000;
    bench.driver.checkTime();
    await bench.settle();
    expect(bench.storage.table.get("b")).toBeNull();
    expect(bench.takeTrace().at(-1)).toBe("arm never");
    expect(bench.driver.machine.state).toMatchObject({ revision: 4, nowMs: 6000 });
  });

  test("in greater number than one entry lets go of goes in several, one right after the other", async () => {
    const bench = await alone();
    void bench.driver.write(Array.from({ length: 600 }, (_, i) => brief(`k${i}`, 1000)));
    await bench.settle();
    const before = bench.driver.raft.log.last.index;
    bench.nowMs = 2000;
    bench.driver.checkTime();
    await bench.settle();
    expect(bench.storage.table.count({ from: "", to: null }, 999)).toBe(0);
    expect(bench.driver.raft.log.last.index).toBe(before + 3);
  });

  test("is gone before a read tells of it, though no alarm has rung", async () => {
    const bench = await alone();
    void bench.driver.write([brief("a", 1000)]);
    await bench.settle();
    bench.nowMs = 2500;
    const answer = bench.driver.read([get("a")]);
    await bench.settle();
    expect(await stateOf(answer)).toEqual([{ type: "absent", revision: 2 }]);
  });

  test("stays as long as a member runs code that knows nothing of it, and goes once it is upgraded", async () => {
    const bench = new DriverBench();
    await bench.lead();
    void bench.driver.write([brief("a", 1000)]);
    bench.accept("2", 2);
    await bench.settle();
    bench.older.add("3");
    bench.nowMs += 1000;
    bench.driver.checkTime();
    bench.accept("2", 2);
    await bench.settle();
    expect(bench.driver.raft.log.last.index).toBe(2);
    expect(await stateOf(bench.driver.write([brief("b", 1000)]))).toEqual([{ type: "tooOld" }]);
    bench.older.clear();
    bench.driver.checkTime();
    await bench.settle();
    bench.accept("2", 3);
    await bench.settle();
    expect(bench.storage.table.get("a")).toBeNull();
  });
});

describe("Who sleeps through what is due", () => {
  /** A follower that its leader, replica 2, has sent to sleep with these commands applied. */
  async function asleep(bench: DriverBench, prev: number, ...commands: Command[]): Promise<void> {
    const index = asIndex(prev + 1);
    const entry = { type: "command", term: asTerm(1), index, data: toBytes(commands) } as const;
    const before = prev === 0 ? {} : { prev: id(1, prev) };
    bench.driver.receiveCall("2", [append({ ...before, entries: [entry], leaderCommit: index })]);
    await bench.settle();
    sleep(bench, index);
  }

  function sleep(bench: DriverBench, index: number): void {
    const mark = append({ prev: id(1, index), leaderCommit: index, round: 9 });
    bench.driver.receiveCall("2", [{ ...mark, sleep: true }]);
    expect(bench.driver.raft.isAsleep).toBe(true);
    bench.sent.length = 0;
  }

  test("wakes the leader once, and not time and again while that cannot say what time it is", async () => {
    const bench = new DriverBench();
    const { driver } = bench;
    await asleep(bench, 0, { type: "tick", nowMs: 1000 }, brief("a", 1000), brief("b", 5000));
    expect(driver.wakeAtMs).toBe(2600);
    bench.nowMs = 2600;
    driver.checkTime();
    expect(bench.sent).toMatchObject([{ to: "2", type: "appendEntriesResponse" }]);

    // The leader knows somebody that runs older code.
    bench.nowMs += 10_000;
    sleep(bench, 1);
    expect(driver.wakeAtMs).toBe(602_600);
    driver.checkTime();
    expect(driver.raft.isAsleep).toBe(true);
    bench.nowMs = 602_600;
    driver.checkTime();
    expect(bench.sent).toMatchObject([{ to: "2", type: "appendEntriesResponse" }]);

    // What is due next has a time of its own.
    await asleep(bench, 1, { type: "tick", nowMs: 602_600 }, brief("c", 1000));
    expect(driver.wakeAtMs).toBe(604_200);
  });
});
