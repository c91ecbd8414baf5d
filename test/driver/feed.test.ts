import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { allKeys } from "../../src/kv/key-range.ts";
import { asTerm } from "../../src/raft/types.ts";
import { DriverBench, append, id, put, stateOf } from "../support/driver-bench.ts";
import { foundedBy } from "../support/members.ts";

/** Whether a wait for something to be changed has ended. */
async function hasEnded(wait: Promise<void>): Promise<boolean> {
  return (await stateOf(wait.then(() => []))) !== "open";
}

const longMs = 60_000;

/** A driver that leads, and has put something. */
async function leading(): Promise<DriverBench> {
  const bench = new DriverBench();
  await bench.lead();
  void bench.driver.write([put("a")]);
  await bench.settle();
  bench.accept("2", 2);
  expect(bench.driver.feed.revision).toBe(1);
  return bench;
}

describe("Who waits for something to be changed", () => {
  test("is woken when it is, and not before", async () => {
    const bench = await leading();
    const { driver } = bench;
    const wait = driver.feed.changed(longMs);
    void driver.write([put("b")]);
    await bench.settle();
    // It is proposed, but nobody else has it.
    expect([await hasEnded(wait), bench.changes]).toEqual([false, 1]);
    bench.accept("2", 3);
    expect([await hasEnded(wait), bench.changes]).toEqual([true, 2]);
    expect(driver.feed.after(1, allKeys)).toMatchObject({ events: [{ key: "b", revision: 2 }] });
    expect(driver.feed.size).toBe(0);
  });

  test("is not woken by what changes nothing: nobody is told of that", async () => {
    const bench = await leading();
    const { driver } = bench;
    const wait = driver.feed.changed(longMs);
    const refused = { ...put("b", "a"), condition: { type: "absent" } as const };
    const answer = driver.write([refused]);
    await bench.settle();
    bench.accept("2", 3);
    expect(await stateOf(answer)).toMatchObject([{ type: "mismatch" }]);
    expect([await hasEnded(wait), bench.changes]).toEqual([false, 1]);
    driver.feed.end();
    expect(await hasEnded(wait)).toBe(true);
  });

  test("is woken by a snapshot that takes the place of the state", async () => {
    const source = await leading();
    const bench = new DriverBench();
    const wait = bench.driver.feed.changed(longMs);
    const whole = source.storage.openExport(source.driver.machine.state);
    for (let chunk = 0, isLast = false; !isLast; chunk++) {
      expect([await hasEnded(wait), bench.changes]).toEqual([false, 0]);
      const read = whole.read(chunk);
      ({ isLast } = read);
      bench.driver.receiveCall("2", [
        {
          type: "installSnapshotRequest",
          from: "2",
          to: "1",
          term: asTerm(1),
          snapshot: id(1, 2),
          configuration: foundedBy(["1", "2", "3"]),
          shipment: 1,
          chunk,
          ...read,
        },
      ]);
    }
    expect(bench.aborts).toEqual([]);
    expect(bench.driver.feed.revision).toBe(1);
    expect(await hasEnded(wait)).toBe(true);
    expect(bench.driver.feed.after(0, allKeys)).toMatchObject({ events: [{ key: "a" }] });
    expect(bench.changes).toBe(1);
  });

  test("is woken on a follower", async () => {
    const bench = new DriverBench();
    const { driver } = bench;
    const source = await leading();
    const entries = source.storage.log.slice(id(1, 1).index, id(1, 2).index, longMs);
    const wait = driver.feed.changed(longMs);
    driver.receiveCall("2", [append({ entries })]);
    expect(await hasEnded(wait)).toBe(false);
    driver.receiveCall("2", [append({ prev: id(1, 2), leaderCommit: 2 })]);
    expect(await hasEnded(wait)).toBe(true);
    expect(bench.changes).toBe(1);
  });

  test("is woken when the replica takes no part any more, and then waits no more", async () => {
    const { driver } = await leading();
    const { feed } = driver;
    const { life } = feed;
    const waits = [feed.changed(longMs), feed.changed(longMs)];
    expect(feed.size).toBe(2);
    driver.stop();
    expect(await Promise.all(waits.map(hasEnded))).toEqual([true, true]);
    expect(feed.life).not.toBe(life);
    expect(await hasEnded(feed.changed(longMs))).toBe(true);
    expect(feed.size).toBe(0);
  });

  test("is sent elsewhere when no leader has been known for long, again and again", async () => {
    const bench = await leading();
    const { driver } = bench;
    const { feed } = driver;
    let { life } = feed;
    const wait = feed.changed(longMs);
    // Nobody answers any more.
    const pass = (ms: number): number => {
      for (let at = 0; at < ms; at += 50) {
        bench.nowMs += 50;
        driver.checkTime();
      }
      return bench.takeTrace().filter((line) => line === "alone").length;
    };
    bench.takeTrace();
    // An election is nothing to go away for.
    expect(pass(600)).toBe(0);
    expect(driver.raft.leader).toBeNull();
    expect([await hasEnded(wait), feed.life]).toEqual([false, life]);
    expect(pass(700)).toBe(1);
    expect(await hasEnded(wait)).toBe(true);
    expect(feed.life).not.toBe(life);
    ({ life } = feed);
    expect(pass(2000)).toBe(2);
    // There is a leader again.
    driver.receiveCall("2", [append({ term: 99, prev: id(1, 2), leaderCommit: 2 })]);
    ({ life } = feed);
    for (let i = 0; i < 100; i++) {
      expect(pass(50)).toBe(0);
      driver.receiveCall("2", [append({ term: 99, prev: id(1, 2), leaderCommit: 2 })]);
    }
    expect(feed.life).toBe(life);
  });

  test("is woken when what was told may have been wrong, and waits again", async () => {
    const { feed } = (await leading()).driver;
    const { life } = feed;
    const wait = feed.changed(longMs);
    feed.interrupt();
    expect(await hasEnded(wait)).toBe(true);
    expect(feed.life).not.toBe(life);
    expect(await hasEnded(feed.changed(longMs))).toBe(false);
  });
});

describe("In time", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("a wait ends by itself, and leaves no timer behind when it ends before", async () => {
    const { feed } = (await leading()).driver;
    const waits = [feed.changed(1000), feed.changed(5000)];
    vi.advanceTimersByTime(1000);
    expect(await Promise.all(waits.map(hasEnded))).toEqual([true, false]);
    expect([feed.size, vi.getTimerCount()]).toEqual([1, 1]);
    feed.notify(null);
    expect([feed.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test("one who has gone waits no more", async () => {
    const { feed } = (await leading()).driver;
    const gone = new AbortController();
    const wait = feed.changed(1000, gone.signal);
    gone.abort();
    expect(await hasEnded(wait)).toBe(true);
    expect([feed.size, vi.getTimerCount()]).toEqual([0, 0]);
    expect(await hasEnded(feed.changed(1000, gone.signal))).toBe(true);
  });
});
