import { describe, expect, test } from "vitest";
import { toBytes } from "../../src/protocol/codec.ts";
import type { Message } from "../../src/raft/messages.ts";
import type { Entry } from "../../src/raft/types.ts";
import { DriverBench, append, id, put, stateOf } from "../support/driver-bench.ts";

const entry = (term: number, index: number, ...commands: ReturnType<typeof put>[]): Entry => ({
  ...id(term, index),
  type: "command",
  data: toBytes(commands),
});

describe("A leader", () => {
  test("sends a new entry first, then writes it, and then waits for it to be durable", async () => {
    const bench = new DriverBench();
    await bench.lead();
    void bench.driver.write([put("a")]);
    expect(bench.takeTrace()).toEqual([
      "send 2: 1->2 appendEntriesRequest t1 prev 1/1 entries 1/2 commit 1",
      "persist #3 append 1/2",
      "wait until durable",
      "arm 50",
    ]);
  });

  test("does not count its own copy before it is durable", async () => {
    const bench = new DriverBench({ voters: ["1"] });
    bench.storage.hold();
    bench.driver.campaign();
    await bench.settle();
    expect(bench.driver.raft.role, "its own vote is not durable either").toBe("candidate");
    bench.storage.flush();
    await bench.settle();
    expect(bench.driver.raft.role).toBe("leader");
    const answer = bench.driver.write([put("a")]);
    expect(await stateOf(answer)).toBe("open");
    expect(bench.driver.raft.log.commitIndex).toBe(0);
    bench.storage.release();
    expect(await answer).toEqual([{ type: "put", created: true, revision: 1 }]);
  });

  test("in a group of three commits with one follower only once its own copy is durable", async () => {
    const bench = new DriverBench();
    await bench.lead();
    bench.storage.hold();
    const answer = bench.driver.write([put("a")]);
    bench.accept("2", 2);
    expect(await stateOf(answer)).toBe("open");
    expect(bench.driver.raft.log.commitIndex).toBe(1);
    bench.storage.release();
    expect(await answer).toEqual([{ type: "put", created: true, revision: 1 }]);
  });

  test("commits on the followers' acknowledgements alone, and applies in the turn of the second", async () => {
    const bench = new DriverBench();
    await bench.lead();
    bench.storage.hold();
    const answer = bench.driver.write([put("a")]);
    bench.accept("2", 2);
    expect(await stateOf(answer)).toBe("open");
    bench.takeTrace();
    bench.accept("3", 2);
    expect(bench.takeTrace()).toEqual([
      "put a",
      "save machine at 2 with a",
      expect.stringMatching(/^arm/),
    ]);
    expect(await stateOf(answer)).toEqual([{ type: "put", created: true, revision: 1 }]);
  });

  test("tells followers of a commit with the next heartbeat, and only followers", async () => {
    const bench = new DriverBench();
    await bench.lead();
    bench.nowMs += 50;
    bench.driver.checkTime();
    expect(bench.takeTrace()).toEqual([
      "send 2: 1->2 appendEntriesRequest t1 prev 1/1 commit 1",
      "send 3: 1->3 appendEntriesRequest t1 prev 0/0 commit 1",
      "arm 100",
    ]);
  });

  test("one wait for durability covers what was written during an earlier one", async () => {
    const bench = new DriverBench();
    await bench.lead();
    bench.storage.hold();
    for (const key of ["a", "b", "c"]) {
      void bench.driver.write([put(key)]);
      await bench.settle();
    }
    const waits = () => bench.takeTrace().filter((line) => line === "wait until durable").length;
    expect(waits()).toBe(1);
    bench.storage.flush();
    await bench.settle();
    expect(waits()).toBe(1);
    expect(bench.driver.raft.log.durableIndex).toBe(4);
  });

  test("what is durable is reported up to the batch the wait began with, and no further", async () => {
    const bench = new DriverBench();
    await bench.lead();
    bench.storage.hold();
    void bench.driver.write([put("a")]);
    await bench.settle();
    void bench.driver.write([put("b")]);
    await bench.settle();
    bench.storage.flush(1);
    await bench.settle();
    expect(bench.driver.raft.log.durableIndex).toBe(2);
    bench.storage.flush(1);
    await bench.settle();
    expect(bench.driver.raft.log.durableIndex).toBe(3);
  });
});

describe("A follower", () => {
  test("writes entries, applies what is committed in the same turn, and answers after both", () => {
    const bench = new DriverBench();
    const entries = [entry(1, 1, put("a")), entry(1, 2, put("b"))];
    const answer = bench.driver.receiveCall("2", [append({ entries, leaderCommit: 1 })]);
    expect(bench.takeTrace()).toEqual([
      "persist #1 term 1 vote none, append 1/1..1/2",
      "wait until durable",
      "put a",
      "save machine at 1 with a",
      expect.stringMatching(/^arm \d+$/),
    ]);
    expect(bench.storage.pendingTurns).toBe(1);
    expect(answer).toEqual([
      expect.objectContaining({ to: "2", result: { type: "accepted", matchIndex: 2 } }),
    ]);
  });

  test("writes its vote before it answers", () => {
    const bench = new DriverBench();
    const vote = {
      type: "requestVoteRequest",
      isTransfer: false,
      from: "2",
      to: "1",
      last: id(0, 0),
    } as const;
    const answer = bench.driver.receiveCall("2", [{ ...vote, term: id(4, 0).term }]);
    expect(bench.takeTrace()[0]).toBe("persist #1 term 4 vote 2");
    expect(answer).toEqual([
      expect.objectContaining({ type: "requestVoteResponse", granted: true }),
    ]);
    expect(bench.sent).toEqual([]);
  });

  test("applies a backlog of many turns' worth in one go, each part with its records", () => {
    const bench = new DriverBench({ config: { maxApplyBytes: 1 } });
    const entries = [entry(1, 1, put("a")), entry(1, 2, put("b"), put("c"))];
    bench.driver.receiveCall("2", [append({ entries, leaderCommit: 2 })]);
    expect(bench.takeTrace().slice(2, -1)).toEqual([
      "put a",
      "save machine at 1 with a",
      "put b",
      "put c",
      "save machine at 2 with b,c",
    ]);
    expect(bench.driver.raft.appliedIndex).toBe(2);
  });

  test("does not store what had no effect: a noop, a duplicate", () => {
    const bench = new DriverBench();
    const noop: Entry = { ...id(1, 1), type: "noop", data: new Uint8Array(0) };
    const entries = [noop, entry(1, 2, put("a")), entry(1, 3, put("a"))];
    for (const leaderCommit of [1, 2, 3]) {
      bench.driver.receiveCall("2", [append({ entries, leaderCommit })]);
    }
    const saved = bench.takeTrace().filter((line) => line.startsWith("save"));
    expect(saved).toEqual(["save machine at 2 with a"]);
    expect(bench.driver.machine.state.appliedIndex).toBe(3);
  });
});

describe("A candidate", () => {
  test("asks for votes after it has written its own, for pre-votes at once", () => {
    const bench = new DriverBench();
    bench.driver.campaign();
    expect(bench.takeTrace().map((line) => line.split(" ").slice(0, 4).join(" "))).toEqual([
      "send 2: 1->2 preVoteRequest",
      "send 3: 1->3 preVoteRequest",
      expect.stringMatching(/^arm/),
    ]);
    bench.driver.receiveAnswer([
      { type: "preVoteResponse", from: "2", to: "1", term: id(1, 0).term, granted: true },
    ]);
    expect(bench.takeTrace().map((line) => line.split(" ").slice(0, 4).join(" "))).toEqual([
      "persist #1 term 1",
      "wait until durable",
      "send 2: 1->2 requestVoteRequest",
      "send 3: 1->3 requestVoteRequest",
      expect.stringMatching(/^arm/),
    ]);
  });
});

describe("An answer to a call", () => {
  test("carries what is meant for the caller; what is meant for others goes out as calls", () => {
    const bench = new DriverBench();
    bench.driver.campaign();
    bench.sent.length = 0;
    const { term } = id(1, 0);
    // Replica 2 grants the pre-vote in a call of its own, and so gets its vote request in the answer.
    const answer = bench.driver.receiveCall("2", [
      { type: "preVoteResponse", from: "2", to: "1", term, granted: true },
    ]);
    const asked = (messages: readonly Message[]) => messages.map(({ type, to }) => `${type} ${to}`);
    expect(asked(answer)).toEqual(["requestVoteRequest 2"]);
    expect(asked(bench.sent)).toEqual(["requestVoteRequest 3"]);
  });

  test("carries the answers to all messages of the call, in order", () => {
    const bench = new DriverBench();
    const answer = bench.driver.receiveCall("2", [
      append({ entries: [entry(1, 1)], round: 1 }),
      append({ prev: id(1, 1), entries: [entry(1, 2)], round: 2 }),
      append({ prev: id(1, 2), round: 3 }),
    ]);
    expect(answer.map((m) => m.type === "appendEntriesResponse" && m.round)).toEqual([1, 2, 3]);
    expect(bench.sent).toEqual([]);
  });

  test("that nobody asked for goes out as a call", async () => {
    const bench = new DriverBench();
    await bench.lead({ commit: false });
    bench.accept("2", 1);
    expect(bench.sent.every(({ to }) => to !== "1")).toBe(true);
  });
});
