import { describe, expect, test } from "vitest";
import { Proposals } from "../../src/raft/proposals.ts";
import { asIndex } from "../../src/raft/types.ts";

/** #1 to #4 at entries 3, 4, 6 and 7, of 10 bytes each. */
function waiting(): Proposals {
  const proposals = new Proposals();
  for (const [id, index] of [3, 4, 6, 7].entries()) proposals.add(id + 1, asIndex(index), 10);
  return proposals;
}

const ids = (taken: readonly { id: number }[]): number[] => taken.map(({ id }) => id);

describe("proposals that wait", () => {
  test.each([
    [2, [], 40],
    [3, [1], 30],
    [5, [1, 2], 20],
    [6, [1, 2, 3], 10],
    [9, [1, 2, 3, 4], 0],
  ])("[P1] up to entry %i are %j, and %i bytes remain", (index, expected, bytes) => {
    const proposals = waiting();
    expect(ids(proposals.takeUpTo(asIndex(index)))).toEqual(expected);
    expect(proposals.bytes).toBe(bytes);
    expect(proposals.takeUpTo(asIndex(index))).toEqual([]);
  });

  test.each([
    [2, [1, 2, 3, 4], 0],
    [3, [2, 3, 4], 10],
    [5, [3, 4], 20],
    [7, [], 40],
  ])("[P4] after entry %i are %j, and %i bytes remain", (index, expected, bytes) => {
    const proposals = waiting();
    expect(ids(proposals.takeAfter(asIndex(index)))).toEqual(expected);
    expect(proposals.bytes).toBe(bytes);
    expect(proposals.size).toBe(4 - expected.length);
    expect(proposals.takeAfter(asIndex(index))).toEqual([]);
  });

  test("[P1] none are taken where none wait", () => {
    expect(new Proposals().takeUpTo(asIndex(9))).toEqual([]);
    expect(new Proposals().takeAfter(asIndex(0))).toEqual([]);
  });
});
