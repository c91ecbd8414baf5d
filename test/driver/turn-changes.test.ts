import { describe, expect, test } from "vitest";
import type { RevisionChanges } from "../../src/kv/changes.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import { type TurnChanges, gather, packChanges } from "../../src/replica/turn-changes.ts";

const changed = (revision: number): RevisionChanges => ({
  revision,
  index: revision,
  place: 0,
  succeeded: false,
  keys: [{ type: "put", key: `key ${revision}`, version: 1 }],
});

/**
 * Reads turns from text: the revisions that each changed, `?` for one of which that is not known, and
 * after `=` the revision that it led to, where that is not the last of them.
 */
function turnsOf(text: string): TurnChanges[] {
  let at = 0;
  return text.split("|").map((turn) => {
    const [left = "", to] = turn.split("=");
    const revisions = left.split(" ").filter(Boolean);
    const isKnown = !revisions.includes("?");
    const changes = revisions.filter((word) => word !== "?").map((word) => changed(Number(word)));
    at = Number(to ?? changes.at(-1)?.revision ?? at);
    return { after: at, changes: isKnown ? changes : null };
  });
}

/** The revisions that are told, or of which it is said that all after it is kept. */
function told(text: string, known: number, newestGap = 99): string {
  const after = gather(text === "" ? [] : turnsOf(text), known, () => newestGap);
  if (after.type === "compacted") return `compacted ${after.revision}`;
  return after.changes.map(({ revision }) => revision).join(" ");
}

describe("What turns changed after a revision", () => {
  test.each([
    ["none at all", "", 0, ""],
    ["one a turn", "1|2|3", 0, "1 2 3"],
    ["many a turn", "1 2 3|4 5", 0, "1 2 3 4 5"],
    ["turns that changed nothing", "1||=1|2|=2", 0, "1 2"],
    ["from the middle of a turn", "1 2 3|4", 2, "3 4"],
    ["from the end of a turn that is among them", "1 2|3", 2, "3"],
    ["from the future", "1 2|3", 7, ""],
    ["from the future, into a turn", "6 7 8|9", 7, "8 9"],
    ["the first revision of all", "1", 0, "1"],
  ])("%s", (_, turns, known, expected) => {
    expect(told(turns, known)).toBe(expected);
  });

  describe("is not told where some of it is gone", () => {
    test.each([
      ["a turn before the first", "5 6|7", 3, "compacted 4"],
      ["but from exactly its end it is", "5 6|7", 4, "5 6 7"],
      ["a turn in the middle", "1 2|4", 2, "compacted 3"],
      ["what comes before that is told first", "1 2|4", 0, "1 2"],
      ["and again, from there on, that it is gone", "1 2|4", 2, "compacted 3"],
      ["all, and the last turn says only where it led to", "=9", 0, "compacted 9"],
      ["and from exactly there on nothing is missing", "=9", 9, ""],
    ])("%s", (_, turns, known, expected) => {
      expect(told(turns, known)).toBe(expected);
    });
  });

  describe("of a turn of which it is not known", () => {
    test.each([
      ["says where the newest of those ends", "?=4|5", 2, "compacted 99"],
      ["is told up to there first", "1 2|?=4|5", 0, "1 2"],
      ["is told from exactly its end on", "5|6", 4, "5 6"],
      ["is nothing if it changed none", "1|?=1|2", 0, "1 2"],
      ["is nothing if it is all before", "?=4|5", 4, "5"],
      ["is nothing if it is all before what is asked for in the future", "?=4|5", 7, ""],
    ])("%s", (_, turns, known, expected) => {
      expect(told(turns, known)).toBe(expected);
    });
  });

  describe("in another epoch does not follow what was before", () => {
    test.each([
      ["told before", "1 2|1001", 0, "1 2"],
      ["asked from before", "1 2|1001", 2, "compacted 1000"],
      ["from what was lost", "1 2|1001", 7, "compacted 1000"],
      ["from its beginning", "1 2|1001", 1000, "1001"],
      ["though nothing has been changed in it yet", "1 2|=1000", 2, "compacted 1000"],
      ["though it begins in the middle of a turn", "1 2 1001 1002", 0, "1 2"],
      ["and then asked on in that turn", "1 2 1001 1002", 2, "compacted 1000"],
      ["or from what was lost", "1 2 1001 1002", 7, "compacted 1000"],
      ["or from its beginning", "1 2 1001 1002", 1000, "1001 1002"],
      ["though it begins at the end of a turn", "1 2=1000|1001", 0, "1 2"],
      ["and then asked on after that turn", "1 2=1000|1001", 2, "compacted 1000"],
    ])("%s", (_, turns, known, expected) => {
      expect(told(turns, known)).toBe(expected);
    });
  });
});

describe("What a turn changed", () => {
  const withKeys = (count: number): RevisionChanges => {
    const key = "k".repeat(1000);
    return { ...changed(1), keys: Array.from({ length: count }, () => ({ type: "delete", key })) };
  };

  test("is kept as it is, if it fits", () => {
    for (const changes of [[], [changed(1)], [changed(1), withKeys(500)]]) {
      const packed = packChanges(changes);
      expect(packed!.byteLength).toBeLessThanOrEqual(512 * 1024);
      expect(fromBytes(packed!)).toEqual(changes);
    }
  });

  test("is not kept if it does not: a row has to stay under 2 MB", () => {
    expect(packChanges([withKeys(520)])).toBeNull();
    expect(packChanges([withKeys(260), withKeys(260)])).toBeNull();
  });
});
