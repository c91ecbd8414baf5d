import { describe, expect, test } from "vitest";
import type { Operation, PutCommand } from "../../src/kv/command.ts";
import { MachineBench, describeRow, utf8 } from "../support/machine-bench.ts";

/**
 * What each command answers, one after the other on an empty store, and the rows that are there in
 * the end.
 */
const stories: Record<string, { run: [command: string, answer: string][]; rows: object }> = {
  "A put to a new key creates it at the next revision, as version 1": {
    run: [
      ["put a x", "created r1"],
      ["put b y", "created r2"],
    ],
    rows: { a: "x c1 m1 v1", b: "y c2 m2 v1" },
  },
  "A put to a key that exists keeps its create revision and counts its version up": {
    run: [
      ["put a x", "created r1"],
      ["put b y", "created r2"],
      ["put a z", "replaced r3"],
      ["put a z", "replaced r4"],
    ],
    rows: { a: "z c1 m4 v3", b: "y c2 m2 v1" },
  },
  "A delete of a key that exists takes a revision": {
    run: [
      ["put a x", "created r1"],
      ["delete a", "deleted r2"],
    ],
    rows: { a: "absent" },
  },
  "A delete of an absent key takes none and names the current one": {
    run: [
      ["delete a", "nothing to delete r0"],
      ["put b y", "created r1"],
      ["delete a", "nothing to delete r1"],
      ["delete a", "nothing to delete r1"],
      ["put b z", "replaced r2"],
    ],
    rows: { a: "absent", b: "z c1 m2 v2" },
  },
  "A key that is created again starts over, above all it had before": {
    run: [
      ["put a x", "created r1"],
      ["put a y", "replaced r2"],
      ["delete a", "deleted r3"],
      ["put a z", "created r4"],
    ],
    rows: { a: "z c4 m4 v1" },
  },
  "An empty value is a value": {
    run: [
      ["put a", "created r1"],
      ["put a", "replaced r2"],
      ["delete a", "deleted r3"],
    ],
    rows: { a: "absent" },
  },
  "Names of object properties are keys like any other": {
    run: [
      ["put __proto__ x", "created r1"],
      ["delete constructor", "nothing to delete r1"],
      ["put toString y", "created r2"],
    ],
    rows: { ["__proto__"]: "x c1 m1 v1", constructor: "absent", toString: "y c2 m2 v1" },
  },
};

describe.each(Object.entries(stories))("%s", (_, { run, rows }) => {
  test("in entries of their own", () => {
    const bench = new MachineBench();
    expect(run.map(([command]) => [command, bench.run(command)])).toEqual(run);
    expectRows(bench, rows);
  });

  test("with a restart after each command", () => {
    const bench = new MachineBench();
    for (const [command, answer] of run) {
      expect([command, bench.run(command)]).toEqual([command, answer]);
      bench.restart();
    }
    expectRows(bench, rows);
  });

  test("all in one entry", () => {
    const bench = new MachineBench();
    bench.apply(...run.map(([command]) => bench.command(command)));
    expectRows(bench, rows);
    expect(bench.state.appliedIndex).toBe(1);
  });
});

test("The sequence counts every command on record, those without effect included, and the revision only effects", () => {
  const bench = new MachineBench();
  const after = (command: string): [number, number] => {
    bench.run(command);
    return [bench.state.sequence, bench.state.revision];
  };
  expect([
    after("put a x #1"),
    after("delete b #2"),
    after("put a x #1"),
    after("delete a"),
  ]).toEqual([
    [1, 1],
    [2, 1],
    [2, 1],
    [3, 2],
  ]);
});

test.each<[string, Operation]>([
  ["counts what is no number", { type: "increment", key: "a", by: 1 }],
  [
    "names a lease that there is not",
    {
      type: "put",
      key: "a",
      value: utf8("z"),
      contentType: null,
      expiry: { type: "lease", lease: "9" },
    },
  ],
])("A transaction whose last operation %s changes nothing", (_, last) => {
  const bench = new MachineBench();
  bench.run("put a x");
  bench.run("put b y");
  const { revision } = bench.state;
  const then: Operation[] = [
    { type: "put", key: "c", value: utf8("1"), contentType: null },
    { type: "delete", key: "b" },
    { type: "increment", key: "n", by: 1 },
    last,
  ];
  const named = { requestId: "t", floor: 0, if: [], then, else: [] };
  expect(bench.apply({ type: "transaction", ...named })).toMatchObject([
    { type: "refused", at: 3 },
  ]);
  expect(bench.state).toMatchObject({ revision, sequence: 3 });
  expectRows(bench, { a: "x c1 m1 v1", b: "y c2 m2 v1", c: "absent", n: "absent" });
});

test("The content type is kept as it was given, and null is not the empty string", () => {
  const bench = new MachineBench();
  const put = (contentType: string | null) => {
    bench.apply({ ...(bench.command("put a x") as PutCommand), contentType });
    return bench.row("a")!.contentType;
  };
  expect([put("text/plain"), put(""), put(null)]).toEqual(["text/plain", "", null]);
});

test("An entry that only opens a term moves nothing but the applied index", () => {
  const bench = new MachineBench();
  bench.run("put a x");
  const before = bench.state;
  bench.apply();
  expect(bench.state).toEqual({ ...before, appliedIndex: 2 });
});

test.each([0, 1, 3])("Entry %i is refused after entry 1, and changes nothing", (index) => {
  const bench = new MachineBench();
  bench.run("put a x");
  const before = bench.state;
  expect(() => bench.machine.apply(index, [bench.command("put a y")])).toThrow(/cannot be applied/);
  expect(bench.state).toEqual(before);
  expect(describeRow(bench.row("a"))).toBe("x c1 m1 v1");
});

function expectRows(bench: MachineBench, rows: object): void {
  const found = Object.keys(rows).map((key) => [key, describeRow(bench.row(key))]);
  expect(found).toEqual(Object.entries(rows));
}
