import { describe, expect, test } from "vitest";
import { describeConfiguration } from "../../src/raft/describe.ts";
import {
  type Change,
  type Configuration,
  begin,
  hasLeft,
  isMember,
  isVoter,
  leaveJoint,
  membersOf,
  promote,
} from "../../src/raft/membership.ts";
import { Random } from "../../src/raft/random.ts";
import { isQuorum, reachedByQuorum, voteOutcome } from "../../src/raft/quorum.ts";
import { foundedBy } from "../support/members.ts";

const add = (replaces: string | null = null): Change => ({ type: "add", region: "new", replaces });
const remove = (id: string): Change => ({ type: "remove", id });

/** Begins changes one after the other, each of which must be possible. */
const after = (configuration: Configuration, ...changes: Change[]): Configuration =>
  changes.reduce((now, change) => begin(now, change) as Configuration, configuration);

const text = (result: Configuration | string): string =>
  typeof result === "string" ? result : describeConfiguration(result);

const three = foundedBy(["1", "2", "3"]);
const seven = foundedBy(["1", "2", "3", "4", "5", "6", "7"]);

describe("a change begins", () => {
  test.each<[string, Configuration, Change, string]>([
    ["a new member", three, add(), "1 2 3 +4"],
    ["one in the place of another", three, add("2"), "1 2 3 +4/2"],
    ["a second one", after(three, add()), add(), "1 2 3 +4 +5"],
    ["voters go", three, remove("3"), "1 2 (1 2 3)"],
    ["a learner goes, and leaves its number", after(three, add()), remove("4"), "1 2 3"],
    ["another learner stays", after(three, add(), add("1")), remove("4"), "1 2 3 +5/1"],
    ["a voter goes, and a learner waits", after(three, add()), remove("1"), "2 3 (1 2 3) +4"],
    ["the one before last", foundedBy(["1", "2"]), remove("1"), "2 (1 2)"],
    ["the last", foundedBy(["1"]), remove("1"), "last_voter"],
    ["a stranger", three, remove("9"), "no_such_member"],
    ["a stranger is replaced", three, add("9"), "no_such_member"],
    ["a learner is replaced", after(three, add()), add("4"), "no_such_member"],
    ["a second one for the same place", after(three, add("2")), add("2"), "already_replaced"],
    ["whose place is to be taken", after(three, add("2")), remove("2"), "already_replaced"],
    ["an eighth voter", seven, add(), "too_many"],
    ["one for one of seven", seven, add("7"), "1 2 3 4 5 6 7 +8/7"],
    ["what would make eight", after(foundedBy("123456".split("")), add()), add(), "too_many"],
    ["a fourth learner", after(three, add("1"), add("2"), add("3")), add(), "too_many"],
  ])("[M2] [M4] %s", (_, configuration, change, result) => {
    expect(text(begin(configuration, change))).toBe(result);
  });

  test("[M2] no id is given twice", () => {
    const gone = after(three, add(), remove("4"), add());
    expect(text(gone)).toBe("1 2 3 +5");
  });
});

describe("a change goes on", () => {
  test.each<[string, Configuration, string, string]>([
    ["in addition", after(three, add()), "1 2 3 4 (1 2 3)", "1 2 3 4"],
    ["in the place of another", after(three, add("2")), "1 3 4 (1 2 3)", "1 3 4"],
    ["others wait", after(three, add("2"), add()), "1 3 4 (1 2 3) +5", "1 3 4 +5"],
  ])("[M6] a learner is promoted: %s", (_, configuration, joint, end) => {
    const promoted = promote(configuration, configuration.learners[0]!);
    expect(text(promoted)).toBe(joint);
    expect(text(leaveJoint(promoted))).toBe(end);
  });
});

describe("who is what", () => {
  const joint = after(after(three, add()), remove("1"));

  test("[M4] who votes", () => {
    expect(["1", "2", "3", "4", "9"].filter((id) => isVoter(joint, id))).toEqual(["1", "2", "3"]);
    expect(["1", "4", "9"].filter((id) => isMember(joint, id))).toEqual(["1", "4"]);
    expect(membersOf(joint).map(({ id }) => id)).toEqual(["2", "3", "1", "4"]);
  });

  test("[M9] who has left once was there, and is not any more", () => {
    const end = leaveJoint(joint);
    const left = (id: string): boolean => hasLeft(end, id);
    expect(["1", "2", "4", "5", "n1"].filter(left)).toEqual(["1"]);
    expect(hasLeft(joint, "1")).toBe(false);
  });
});

describe("a quorum of two groups", () => {
  const joint: Configuration = { ...foundedBy(["3", "4", "5"]), outgoing: three.voters };

  test.each([
    ["1 2", false],
    ["4 5", false],
    ["3", false],
    ["3 1", false],
    ["3 4", false],
    ["3 1 4", true],
    ["1 2 4 5", true],
    ["1 4 5", false],
    ["1 2 3 4 5", true],
  ])("[M4] %s: %s", (ids, is) => {
    expect(isQuorum(joint, (id) => ids.split(" ").includes(id))).toBe(is);
  });

  test.each([
    ["1+ 2+", "pending"],
    ["3+", "pending"],
    ["3+ 1+ 4+", "won"],
    ["1+ 2+ 4- 5-", "lost"],
    ["4+ 5+ 1- 2-", "lost"],
    ["1+ 2+ 3- 4+", "pending"],
    ["1+ 2+ 3- 4+ 5+", "won"],
    ["3-", "pending"],
    ["3- 1-", "lost"],
    ["9+ 8+", "pending"],
  ])("[M4] [E12] the votes %s are %s", (votes, outcome) => {
    const given = new Map(votes.split(" ").map((vote) => [vote[0]!, vote.endsWith("+")]));
    expect(voteOutcome(joint, given)).toBe(outcome);
  });

  test("[M4] [C1] reaches what both reach, counted one by one", () => {
    const random = new Random(7);
    for (let round = 0; round < 500; round++) {
      const reached = new Map(["1", "2", "3", "4", "5"].map((id) => [id, random.between(0, 9)]));
      const both = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].find((value) =>
        isQuorum(joint, (id) => reached.get(id)! >= value),
      );
      expect(reachedByQuorum(joint, (id) => reached.get(id)!)).toBe(both);
    }
  });

  test("[M2] a learner counts for nothing", () => {
    const configuration = after(three, add());
    expect(isQuorum(configuration, (id) => id === "1" || id === "4")).toBe(false);
    expect(reachedByQuorum(configuration, (id) => (id === "2" || id === "3" ? 0 : 9))).toBe(0);
  });
});
