import { describe, expect, test } from "vitest";
import { Negotiation } from "../../src/replica/negotiation.ts";

/** A negotiation at a time that the test sets. */
function begin(): { negotiation: Negotiation; clock: { nowMs: number } } {
  const clock = { nowMs: 0 };
  return { negotiation: new Negotiation(() => clock.nowMs), clock };
}

describe("A peer that refuses a version", () => {
  test.each([
    [[1], 1],
    [[1, 2], 2],
    [[1, 2, 9], 2],
    [[4, 5], null],
    [[1, 2, 3], null],
    [[], null],
  ])("and knows %j is spoken to in %j", (known, version) => {
    const { negotiation } = begin();
    expect(negotiation.versionFor("2")).toBe(3);
    expect(negotiation.refused("2", 3, known)).toBe(version);
    expect(negotiation.keepsWaiting("2")).toBe(version !== null);
    expect(negotiation.versionFor("2")).toBe(version ?? 3);
    expect(negotiation.versionFor("3")).toBe(3);
  });

  test("and is upgraded to one between is spoken to in that, once it was asked again", () => {
    const { negotiation, clock } = begin();
    negotiation.refused("2", 3, [1]);
    expect(negotiation.versionFor("2")).toBe(1);
    clock.nowMs = 10_000;
    expect(negotiation.versionFor("2")).toBe(3);
    expect(negotiation.versionFor("2")).toBe(1);
    negotiation.refused("2", 3, [1, 2]);
    expect(negotiation.versionFor("2")).toBe(2);
    expect(negotiation.keepsWaiting("2")).toBe(true);
  });
});

describe("A peer keeps others waiting", () => {
  test("and is asked again soon when any do, since it may be upgraded", () => {
    const { negotiation, clock } = begin();
    negotiation.refused("2", 3, [1]);
    clock.nowMs = 500;
    expect(negotiation.versionFor("2")).toBe(1);
    expect(negotiation.keepsWaiting("2")).toBe(true);
    expect(negotiation.versionFor("2")).toBe(3);
    negotiation.refused("2", 3, [1]);
    expect(negotiation.keepsWaiting("2")).toBe(true);
    clock.nowMs = 999;
    expect(negotiation.versionFor("2")).toBe(1);
    clock.nowMs = 1000;
    expect(negotiation.versionFor("2")).toBe(3);
    negotiation.heard("2", 3);
    expect(negotiation.keepsWaiting("2")).toBe(false);
  });
});

describe("A peer is older", () => {
  test("from when it has refused the newest until it speaks that, however long it is silent", () => {
    const { negotiation, clock } = begin();
    expect(negotiation.keepsWaiting("2")).toBe(false);
    negotiation.refused("2", 3, [1, 2]);
    clock.nowMs = 1e9;
    negotiation.heard("2", 2);
    expect([negotiation.keepsWaiting("2"), negotiation.keepsWaiting("3")]).toEqual([true, false]);
    negotiation.heard("2", 3);
    expect(negotiation.keepsWaiting("2")).toBe(false);
  });

  test("than those versions that it does not know", () => {
    const { negotiation } = begin();
    negotiation.refused("2", 3, [1]);
    negotiation.refused("3", 3, [1, 2]);
    expect(([1, 2, 3] as const).map((version) => negotiation.olderThan(version))).toEqual([
      [],
      ["2"],
      ["2", "3"],
    ]);
  });

  test("than them only for as long as it goes on to say so", () => {
    const { negotiation, clock } = begin();
    negotiation.refused("2", 3, [1]);
    clock.nowMs = 20_000;
    expect(negotiation.olderThan(2)).toEqual(["2"]);
    clock.nowMs = 20_001;
    expect(negotiation.olderThan(2)).toEqual([]);
    negotiation.refused("2", 3, [1, 2]);
    expect([negotiation.olderThan(2), negotiation.olderThan(3)]).toEqual([[], ["2"]]);
  });
});
