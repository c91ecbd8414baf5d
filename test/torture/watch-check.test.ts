import { describe, expect, test } from "vitest";
import type { Operation } from "../linearizability/operation.ts";
import type { Told } from "../support/event-source.ts";
import { type Watched, checkWatched } from "./watch-check.ts";

/** Reads `put k=v 3 ok`, `delete k 4 info`, `cas k=v 5 ok`, `get k=v 3 ok`; a revision of 0 is none. */
function operation(text: string): Operation {
  const [op, what = "", rev, status] = text.split(" ");
  const [key, value] = what.split("=");
  const known = status === "ok" && rev !== "0" ? { rev: Number(rev) } : {};
  const common = { client: "c", key, call: 1, return: 2, status, op, ...known };
  switch (op) {
    case "put":
      return { ...common, input: value } as Operation;
    case "cas":
      return { ...common, input: { from_rev: 0, to: value }, output: rev !== "0" } as Operation;
    case "delete":
      return { ...common, output: rev !== "0" } as Operation;
    default:
      return { ...common, output: value ?? null } as Operation;
  }
}

/** Reads `3 k=v`, `4 k` for one that goes, `5 k=?` for a value that is left out. */
function event(text: string): Told {
  const [revision, what = ""] = text.split(" ");
  const [key = "", value] = what.split("=");
  const common = { key, revision: Number(revision) };
  if (value === undefined) return { ...common, type: "delete" };
  const put = { ...common, type: "put", version: 1 } as const;
  return value === "?" ? { ...put, omitted: true } : { ...put, value };
}

const watched = (name: string, events: readonly string[], revision?: number): Watched => {
  const all = events.map(event);
  return { name, events: all, revision: revision ?? all.at(-1)?.revision ?? 0 };
};

const operations = (...all: string[]): Operation[] => all.map(operation);

describe("What was told of changes", () => {
  const history = operations(
    "put a=1 1 ok",
    "put b=2 2 ok",
    "delete a 3 ok",
    "cas b=3 4 ok",
    "cas b=4 0 ok",
    "put a=5 5 info",
    "put a=6 9 info",
    "put a=7 9 fail",
    "delete b 6 info",
    "get b=3 4 ok",
    "get a 6 ok",
    "put c=8 7 ok",
  );
  const events = ["1 a=1", "2 b=2", "3 a", "4 b=3", "5 a=5", "6 b", "7 c=8"];

  test("is right when it is what was done, and what nobody heard of may be there", () => {
    expect(checkWatched(history, [watched("w", events), watched("x", events)])).toEqual([]);
  });

  test("may leave values out that are gone, and stop anywhere", () => {
    const all = [
      watched("w", ["1 a=?", "2 b=?", "3 a", "4 b=3", "5 a=?", "6 b", "7 c=8"]),
      watched("x", events.slice(0, 3)),
      watched("y", [], 0),
      watched("z", events),
    ];
    expect(checkWatched(history, all)).toEqual([]);
  });

  test.each<[string, string[], string]>([
    ["is lost", events.toSpliced(1, 1), "nobody is told put b 2 of c, ok at 2"],
    ["is doubled", events.toSpliced(2, 0, "2 b=2"), "w is told put b 2 at 2 after put b 2 at 2"],
    [
      "is out of order",
      ["1 a=1", "3 a", "2 b=2", ...events.slice(3)],
      "w is told put b 2 at 2 after delete a at 3",
    ],
    ["is of another key", events.with(3, "4 a=3"), "put a 3 at 4 is told of cas b 3 of c, ok at 4"],
    ["is another value", events.with(0, "1 a=6"), "put a 6 at 1 is told of put a 1 of c, ok at 1"],
    ["was refused", events.with(4, "5 a=7"), "put a 7 at 5 is told of put a 7 of c, fail"],
    ["had no effect", [...events, "8 b=4"], "put b 4 at 8 is told of cas b 4 of c, ok"],
    ["was never asked for", [...events, "8 z=1"], "nobody asked for put z 1 at 8"],
    ["is a delete that nobody wanted", [...events, "8 c"], "nobody asked for delete c at 8"],
    ["happened twice", [...events, "8 a=5"], "put a 5 at 8 is told after put a 5 at 5"],
  ])("is wrong when something %s", (_, told, complaint) => {
    expect(checkWatched(history, [watched("w", told, 8)])).toContain(complaint);
  });

  test("is wrong when a read found something else", () => {
    const read = operations("put a=1 1 info", "get a=1 2 ok");
    expect(checkWatched(read, [watched("w", ["1 a=1"], 2)])).toEqual([
      "nothing is told of get a of c, ok at 2",
    ]);
  });

  test("is wrong when two do not agree, in what or whether", () => {
    const unknown = operations("put a=1 1 info", "put a=2 1 info");
    expect(checkWatched(unknown, [watched("w", ["1 a=1"]), watched("x", ["1 a=2"])])).toContain(
      "w is told put a 1 at 1, and x put a 2 at 1",
    );
    expect(checkWatched(unknown, [watched("w", ["1 a=1"]), watched("x", [], 1)])).toEqual([
      "x is not told put a 1 at 1, but w is",
    ]);
    expect(checkWatched(unknown, [watched("w", ["1 a=1"]), watched("x", [], 0)])).toEqual([]);
  });
});
