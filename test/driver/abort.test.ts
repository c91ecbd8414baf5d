import { describe, expect, test } from "vitest";
import { toBytes } from "../../src/protocol/codec.ts";
import { InvariantViolation } from "../../src/raft/assert.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { DriverBench, append, id, put, stateOf } from "../support/driver-bench.ts";

const entries = [{ ...id(1, 1), type: "command" as const, data: toBytes([put("a")]) }];

/** A storage in which one kind of write fails. */
function failing(on: "persist" | "saveMachine" | "put"): (storage: Storage) => Storage {
  const fail = (): never => {
    throw new Error(`disk full at ${on}`);
  };
  return (storage) => ({
    get hardState() {
      return storage.hardState;
    },
    get machineState() {
      return storage.machineState;
    },
    get audit() {
      return storage.audit;
    },
    log: storage.log,
    leases: storage.leases,
    uploads: storage.uploads,
    history: storage.history,
    outcomes: storage.outcomes,
    table: on === "put" ? { ...storage.table, put: fail } : storage.table,
    persist: on === "persist" ? fail : (persist) => storage.persist(persist),
    openExport: (state) => storage.openExport(state),
    openView: (state) => storage.openView(state),
    requestRecords: () => storage.requestRecords(),
    saveMachine: on === "saveMachine" ? fail : (...what) => storage.saveMachine(...what),
    changesAfter: (revision) => storage.changesAfter(revision),
    durable: () => storage.durable(),
  });
}

describe.each(["persist", "put", "saveMachine"] as const)("When storage throws at %s", (on) => {
  test("the driver aborts once, says in which state, and answers nothing", () => {
    const bench = new DriverBench({ wrap: failing(on) });
    const answer = bench.driver.receiveCall("2", [append({ entries, leaderCommit: 1 })]);
    expect(bench.aborts).toMatchObject([
      { error: { message: `disk full at ${on}` }, state: expect.stringMatching(/^1 follower t1/) },
    ]);
    expect(answer).toEqual([]);
    expect(bench.sent).toEqual([]);
  });

  test("it does nothing any more, whatever comes", async () => {
    const bench = new DriverBench({ wrap: failing(on) });
    bench.driver.receiveCall("2", [append({ entries, leaderCommit: 1 })]);
    await expectSilence(bench);
  });
});

test("A call that fails half way is not answered for its first half either: that is lost with the turn", () => {
  const bench = new DriverBench({ wrap: failing("put") });
  const answer = bench.driver.receiveCall("2", [
    append({ entries }),
    append({ prev: id(1, 1), leaderCommit: 1 }),
    append({ prev: id(1, 1), round: 1 }),
  ]);
  expect(bench.aborts).toHaveLength(1);
  expect(answer).toEqual([]);
});

describe("When the core finds its state impossible", () => {
  test("the driver aborts with the violation and does nothing any more", async () => {
    const bench = new DriverBench();
    await bench.lead();
    // A second leader in the term it leads itself.
    const answer = bench.driver.receiveCall("2", [append({ term: 1 })]);
    expect(bench.aborts).toMatchObject([{ error: expect.any(InvariantViolation) }]);
    expect(bench.aborts[0]!.state).toMatch(/^1 leader t1 .*2:replicate match 1.*3:probe/);
    expect(answer).toEqual([]);
    await expectSilence(bench);
  });

  test("what was under way is answered by nobody", async () => {
    const bench = new DriverBench();
    await bench.lead();
    const [write, read] = [
      bench.driver.write([put("a")]),
      bench.driver.read([{ type: "get", key: "a", metadataOnly: false }]),
    ];
    bench.driver.receiveCall("2", [append({ term: 1 })]);
    bench.accept("2", 2, 1);
    bench.accept("3", 2, 1);
    expect([await stateOf(write), await stateOf(read)]).toEqual(["open", "open"]);
  });

  test("an entry that cannot be read aborts, and aborts again after a restart, rather than be left out", () => {
    const bench = new DriverBench();
    const garbled = [{ ...id(1, 1), type: "command" as const, data: new Uint8Array([0xc1]) }];
    bench.driver.receiveCall("2", [append({ entries: garbled, leaderCommit: 1 })]);
    expect(bench.aborts).toHaveLength(1);
    expect(bench.driver.machine.state.appliedIndex).toBe(0);
  });
});

describe("When durable() rejects", () => {
  test("the driver aborts and the write was not counted", async () => {
    const bench = new DriverBench({ voters: ["1"] });
    bench.storage.fail(new Error("storage was reset"));
    bench.driver.campaign();
    await bench.settle();
    expect(bench.aborts).toMatchObject([{ error: { message: "storage was reset" } }]);
    expect(bench.driver.raft.role).toBe("candidate");
    await expectSilence(bench);
  });

  test("after the driver has aborted for another reason, that is not a second abort", async () => {
    const bench = new DriverBench();
    await bench.lead();
    bench.storage.hold();
    void bench.driver.write([put("a")]);
    bench.driver.receiveCall("2", [append({ term: 1 })]);
    bench.storage.fail(new Error("storage was reset"));
    bench.storage.release();
    await bench.settle();
    expect(bench.aborts).toHaveLength(1);
  });
});

async function expectSilence(bench: DriverBench): Promise<void> {
  await bench.settle();
  bench.takeTrace();
  bench.sent.length = 0;
  const { aborts } = bench;
  const before = aborts.length;
  bench.nowMs += 10_000;
  bench.driver.checkTime();
  bench.driver.campaign();
  bench.driver.peerUnreachable("2", []);
  bench.accept("2", 99, 99);
  expect(bench.driver.receiveCall("2", [append({ term: 99 })])).toEqual([]);
  const write = bench.driver.write([put("after")]);
  const read = bench.driver.read([{ type: "get", key: "a", metadataOnly: false }]);
  await bench.settle();
  expect([await stateOf(write), await stateOf(read)]).toEqual(["open", "open"]);
  expect(bench.takeTrace()).toEqual([]);
  expect(bench.sent).toEqual([]);
  expect(aborts).toHaveLength(before);
}
