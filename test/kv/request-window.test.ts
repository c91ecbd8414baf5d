import { describe, expect, test } from "vitest";
import {
  type RequestRecord,
  RequestWindow,
  windowBytes,
  windowSize,
} from "../../src/kv/request-window.ts";
import { sizeOfRecord } from "../../src/kv/record.ts";
import { MachineBench, describeRow } from "../support/machine-bench.ts";

describe.each([
  ["without a restart", () => {}],
  ["with restarts between", (bench: MachineBench) => bench.restart()],
])("A request that comes again gets its first answer and has no effect: %s", (_, between) => {
  test.each([
    ["at once", [], "x c1 m1 v1"],
    ["after its key was overwritten", ["put a y"], "y c1 m2 v2"],
    ["after its key was deleted", ["delete a"], "absent"],
    ["after its key was created anew", ["delete a", "put a z"], "z c3 m3 v1"],
  ])("%s", (_when, since, row) => {
    const bench = new MachineBench();
    expect(bench.run("put a x #1")).toBe("created r1");
    for (const command of since) {
      bench.run(command);
      between(bench);
    }
    const before = bench.state;
    for (let again = 0; again < 3; again++) {
      expect(bench.run("put a x #1")).toBe("created r1");
      between(bench);
    }
    expect(describeRow(bench.row("a"))).toBe(row);
    expect(bench.state).toMatchObject({ hash: before.hash, revision: before.revision });
  });

  test("a replace, a delete, and a delete of nothing answer what they were, not what they would be now", () => {
    const bench = new MachineBench();
    const first = ["put a x", "put a y #1", "delete a #2", "delete a #3"].map((c) => bench.run(c));
    expect(first).toEqual(["created r1", "replaced r2", "deleted r3", "nothing to delete r3"]);
    bench.run("put a z");
    between(bench);
    const again = ["put a y #1", "delete a #2", "delete a #3"].map((c) => bench.run(c));
    expect(again).toEqual(first.slice(1));
    expect(describeRow(bench.row("a"))).toBe("z c4 m4 v1");
  });
});

test("A duplicate within one entry has one effect and two equal answers", () => {
  const bench = new MachineBench();
  const command = bench.command("put a x #1");
  expect(bench.apply(command, command)).toEqual([
    { type: "put", created: true, revision: 1 },
    { type: "put", created: true, revision: 1 },
  ]);
  expect(describeRow(bench.row("a"))).toBe("x c1 m1 v1");
});

test("Another command under an id that was used is not run: the id is the request", () => {
  const bench = new MachineBench();
  bench.run("put a x #1");
  expect(bench.run("delete a #1")).toBe("created r1");
  expect(describeRow(bench.row("a"))).toBe("x c1 m1 v1");
});

describe.each([
  ["in memory", () => {}],
  ["after a restart", (bench: MachineBench) => bench.restart()],
])("At the edge of the window, %s,", (_, between) => {
  test("the outcome is on record until windowSize others came after it", () => {
    const bench = new MachineBench();
    bench.run("put a x #1 >0");
    bench.fill(windowSize - 1);
    between(bench);
    expect(bench.state.sequence).toBe(windowSize);
    expect(bench.run("put a x #1 >0")).toBe("created r1");
    bench.fill(1);
    between(bench);
    expect(bench.run("put a x #1 >0")).toBe("expired");
    expect(describeRow(bench.row("a"))).toBe("x c1 m1 v1");
  });

  test("a new request is accepted with a floor that lies windowSize back, and refused one further", () => {
    const bench = new MachineBench();
    bench.fill(windowSize + 10);
    between(bench);
    expect(bench.run("put a x >9")).toBe("expired");
    expect(bench.row("a")).toBeNull();
    expect(bench.run("put a x >10")).toBe("created r1");
    // That one has moved the window itself.
    expect(bench.run("put b x >10")).toBe("expired");
  });

  test("an expired attempt is not on record, so that a repetition with a newer floor goes through", () => {
    const bench = new MachineBench();
    bench.fill(windowSize + 1);
    expect(bench.run("put a x #1 >0")).toBe("expired");
    between(bench);
    expect(bench.run("put a x #1 >1")).toBe("created r1");
  });
});

test("A floor that is not reached yet is of another epoch, so that nothing tells of repetitions", () => {
  const bench = new MachineBench();
  expect(bench.run("put a x >1")).toBe("expired");
  expect(bench.run("put a x >0")).toBe("created r1");
  expect(bench.run("put a y >1")).toBe("replaced r2");
  expect(bench.run("put a y >3")).toBe("expired");
});

test.each([
  [0, 0, false],
  [0, windowSize, false],
  [0, windowSize + 1, true],
  [1, windowSize + 1, false],
  [5, 5 + windowSize, false],
  [5, 6 + windowSize, true],
  [9, 3, false],
])("A request with floor %i at sequence %i: expired is %s", (floor, sequence, expired) => {
  expect(new RequestWindow(() => [], windowSize).isExpired(floor, sequence)).toBe(expired);
});

test("Records are read from storage once, and only when the first one is needed", () => {
  let loads = 0;
  const window = new RequestWindow(() => {
    loads++;
    return [
      { requestId: "1", sequence: 1, result: { type: "deleted", deleted: false, revision: 0 } },
    ];
  }, windowSize);
  expect(window.takeUnsaved()).toEqual([]);
  expect(loads).toBe(0);
  expect(window.find("1")).not.toBeNull();
  expect(window.find("2")).toBeNull();
  expect(loads).toBe(1);
});

test("Records are handed out to be stored once each, those read from storage never", () => {
  const stored = [
    { requestId: "1", sequence: 1, result: { type: "deleted", deleted: false, revision: 0 } },
  ] as const;
  const fresh = { ...stored[0], requestId: "2", sequence: 2 };
  const window = new RequestWindow(() => stored, windowSize);
  window.record(fresh);
  expect(window.takeUnsaved()).toEqual([fresh]);
  expect(window.takeUnsaved()).toEqual([]);
});

test("Storage may give more than the window: what lies before it counts as forgotten", () => {
  const record = (sequence: number) => ({
    requestId: `${sequence}`,
    sequence,
    result: { type: "put", created: true, revision: sequence } as const,
  });
  const all = Array.from({ length: windowSize + 100 }, (_, i) => record(i + 1));
  const window = new RequestWindow(() => all, windowSize);
  expect(window.find("100")).toBeNull();
  expect(window.find("101")).not.toBeNull();
});

describe("A window of large records", () => {
  const outcomes = Array.from({ length: 128 }, () => true);
  const large = (sequence: number): RequestRecord => ({
    requestId: `r${sequence}`,
    sequence,
    result: { type: "transacted", succeeded: true, failed: [], revision: sequence, outcomes },
  });
  const all = Array.from({ length: 20_000 }, (_, i) => large(i + 1));
  const kept = Math.floor(windowBytes / sizeOfRecord("r10000", large(1).result));

  test("keeps as many as have room, and refuses what may have been among the others", () => {
    const window = new RequestWindow(() => [], windowSize);
    for (const record of all) window.record(record);
    const oldest = all.findIndex(({ requestId }) => window.find(requestId) !== null) + 1;
    expect(Math.abs(all.length + 1 - oldest - kept)).toBeLessThan(10);
    expect(window.isExpired(oldest - 2, all.length)).toBe(true);
    expect(window.isExpired(oldest - 1, all.length)).toBe(false);
  });

  test("keeps the same when it is loaded", () => {
    const [grown, loaded] = [
      new RequestWindow(() => [], windowSize),
      new RequestWindow(() => all, windowSize),
    ];
    for (const record of all) grown.record(record);
    for (let floor = 0; floor < all.length; floor += 97) {
      expect(loaded.isExpired(floor, all.length)).toBe(grown.isExpired(floor, all.length));
    }
    for (const { requestId } of all) {
      expect(loaded.find(requestId) === null).toBe(grown.find(requestId) === null);
    }
  });
});
