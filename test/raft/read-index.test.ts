import { describe, expect, test } from "vitest";
import { ReadIndex, maxRounds } from "../../src/raft/read-index.ts";
import { asIndex } from "../../src/raft/types.ts";

describe("rounds", () => {
  test("[R3] are numbered from 1 and begin only for reads that wait", () => {
    const reads = new ReadIndex();
    expect(reads.newestRound).toBe(0);
    expect(reads.maybeBegin(asIndex(3))).toBe(false);
    reads.add(1);
    expect(reads.maybeBegin(asIndex(3))).toBe(true);
    expect(reads.newestRound).toBe(1);
    expect(reads.maybeBegin(asIndex(3))).toBe(false);
  });

  test("[R1] a read takes the commit index of the beginning of its round", () => {
    const reads = new ReadIndex();
    reads.add(1);
    reads.maybeBegin(asIndex(3));
    reads.add(2);
    reads.maybeBegin(asIndex(9));
    expect(reads.confirm(1)).toEqual([{ id: 1, index: 3 }]);
    expect(reads.confirm(2)).toEqual([{ id: 2, index: 9 }]);
  });

  test("[R3] a round confirms those before it, and none after", () => {
    const reads = new ReadIndex();
    const begin = (id: number): void => {
      reads.add(id);
      reads.maybeBegin(asIndex(id));
    };
    begin(1);
    begin(2);
    expect(reads.confirm(0)).toEqual([]);
    expect(reads.confirm(1).map(({ id }) => id)).toEqual([1]);
    expect(reads.confirm(1)).toEqual([]);
    begin(3);
    expect(reads.confirm(9).map(({ id }) => id)).toEqual([2, 3]);
  });

  test("[R3] their numbers are not used again when they are done", () => {
    const reads = new ReadIndex();
    for (const round of [1, 2, 3]) {
      reads.add(round);
      reads.maybeBegin(asIndex(1));
      expect(reads.newestRound).toBe(round);
      reads.confirm(round);
    }
  });

  test("[R5] only so many are open; reads that find no place share the next one", () => {
    const reads = new ReadIndex();
    for (let id = 1; id <= maxRounds + 2; id++) {
      reads.add(id);
      expect(reads.maybeBegin(asIndex(1))).toBe(id <= maxRounds);
    }
    expect(reads.confirm(1)).toEqual([{ id: 1, index: 1 }]);
    expect(reads.maybeBegin(asIndex(2))).toBe(true);
    expect(reads.newestRound).toBe(maxRounds + 1);
    expect(reads.confirm(maxRounds + 1).filter(({ index }) => index === 2)).toEqual([
      { id: maxRounds + 1, index: 2 },
      { id: maxRounds + 2, index: 2 },
    ]);
  });

  test("[P5] giving up takes all reads, begun or waiting, once", () => {
    const reads = new ReadIndex();
    reads.add(1);
    reads.maybeBegin(asIndex(1));
    reads.add(2);
    expect(reads.takeAll()).toEqual([1, 2]);
    expect(reads.takeAll()).toEqual([]);
    expect(reads.confirm(9)).toEqual([]);
  });
});
