import { describe, expect, test } from "vitest";
import { Random } from "../../src/raft/random.ts";
import { committedIndex, majority, voteOutcome } from "../../src/raft/quorum.ts";
import { asIndex } from "../../src/raft/types.ts";
import { foundedBy } from "../support/members.ts";

const votersNamed = (size: number): string[] => Array.from({ length: size }, (_, i) => `n${i + 1}`);

describe("majority", () => {
  test.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [6, 4],
    [7, 4],
  ])("of %i voters %i are a majority", (size, needed) => {
    expect(majority(size)).toBe(needed);
  });
});

describe("committedIndex", () => {
  test.each([
    [[0], 0],
    [[7], 7],
    [[0, 0], 0],
    [[5, 0], 0],
    [[5, 3], 3],
    [[0, 0, 0], 0],
    [[9, 0, 0], 0],
    [[9, 4, 0], 4],
    [[4, 9, 9], 9],
    [[9, 4, 6], 6],
    [[100, 101, 103, 104], 101],
    [[9, 9, 0, 0], 0],
    [[9, 9, 9, 0, 0], 9],
    [[10, 2, 3, 9, 1], 3],
    [[10, 10, 9, 2, 11], 10],
    [[1, 2, 3, 4, 5, 6, 7], 4],
  ])("[C1] where the logs match up to %j, a majority holds %i", (matches, committed) => {
    expect(commitOf(matches)).toBe(committed);
  });

  test("[C1] it is the highest index that a majority has, counted one by one", () => {
    const random = new Random(1);
    for (let round = 0; round < 2000; round++) {
      const size = random.between(1, 7);
      const matches = Array.from({ length: size }, () => random.between(0, 9));
      const holders = (index: number): number => matches.filter((match) => match >= index).length;
      const candidates = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
      const expected = candidates.find((index) => holders(index) >= majority(size));
      expect(commitOf(matches), JSON.stringify(matches)).toBe(expected);
    }
  });

  test("[C1] neither the order of voters nor the number of digits matters", () => {
    expect(commitOf([2, 10, 9])).toBe(9);
    expect(commitOf([10, 9, 2])).toBe(9);
  });

  function commitOf(matches: readonly number[]): number {
    const voters = votersNamed(matches.length);
    return committedIndex(foundedBy(voters), (voter) => asIndex(matches[voters.indexOf(voter)]!));
  }
});

describe("voteOutcome", () => {
  test.each([
    ["_", "pending"],
    ["+", "won"],
    ["-", "lost"],
    ["+_", "pending"],
    ["-_", "lost"],
    ["++", "won"],
    ["___", "pending"],
    ["+__", "pending"],
    ["-__", "pending"],
    ["+-_", "pending"],
    ["++_", "won"],
    ["--_", "lost"],
    ["+--", "lost"],
    ["++-", "won"],
    ["++__", "pending"],
    ["--__", "lost"],
    ["+++_", "won"],
    ["++___", "pending"],
    ["--___", "pending"],
    ["++--_", "pending"],
    ["---__", "lost"],
    ["+++--", "won"],
    ["++---", "lost"],
    ["+++____", "pending"],
    ["++++___", "won"],
    ["----___", "lost"],
  ])("[E12] the votes %s are %s", (votes, outcome) => {
    const voters = votersNamed(votes.length);
    const answers = votes
      .split("")
      .flatMap((vote, i): [string, boolean][] =>
        vote === "_" ? [] : [[voters[i]!, vote === "+"]],
      );
    expect(voteOutcome(foundedBy(voters), new Map(answers))).toBe(outcome);
  });

  test("[E12] the votes of others do not count", () => {
    const strangers = new Map([
      ["n1", true],
      ["x", true],
      ["y", true],
    ]);
    expect(voteOutcome(foundedBy(votersNamed(3)), strangers)).toBe("pending");
  });
});
