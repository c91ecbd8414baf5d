import { describe, expect, test } from "vitest";
import { Digests, type Verdict } from "../../src/raft/digests.ts";
import { asIndex } from "../../src/raft/types.ts";
import { foundedBy } from "../support/members.ts";
import { digest } from "../support/notation.ts";

/** What follows from lines like `n1 8=1:abc`, said by `voters`. */
function verdictOf(voters: string, ...said: string[]): string | null {
  const digests = new Digests();
  for (const line of said) {
    const [node = "", text = ""] = line.split(" ");
    digests.add(node, digest(text));
  }
  return written(digests.verdict(foundedBy(voters.split(" "))));
}

const written = (verdict: Verdict | null): string | null =>
  verdict === null ? null : `${verdict.index}=${verdict.formula}:${verdict.hash ?? "none"}`;

const three = "n1 n2 n3";
const five = "n1 n2 n3 n4 n5";

describe("[A2] the verdict is what a majority has", () => {
  test.each([
    ["nobody has spoken", three, [], null],
    ["one of three has spoken", three, ["n1 8=1:a"], null],
    ["two of three agree", three, ["n1 8=1:a", "n3 8=1:a"], "8=1:a"],
    ["two of three agree, against the third", three, ["n1 8=1:b", "n2 8=1:a", "n3 8=1:a"], "8=1:a"],
    ["two of three differ, and the third is silent", three, ["n1 8=1:a", "n2 8=1:b"], null],
    ["two of five agree", five, ["n1 8=1:a", "n2 8=1:a"], null],
    ["two of five agree against one", five, ["n1 8=1:a", "n2 8=1:a", "n3 8=1:b"], null],
    ["three of five agree", five, ["n1 8=1:a", "n2 8=1:a", "n5 8=1:a"], "8=1:a"],
    ["two agree that a third is no voter of", "n1 n2 n4", ["n1 8=1:a", "n3 8=1:a"], null],
    ["one is alone", "n1", ["n1 8=1:a"], "8=1:a"],
    ["they speak of different indexes", three, ["n1 8=1:a", "n2 16=1:a", "n3 24=1:a"], null],
    [
      "a majority agrees twice: the newest counts",
      three,
      ["n1 16=1:b", "n1 8=1:a", "n2 8=1:a", "n2 16=1:b"],
      "16=1:b",
    ],
    [
      "too few have spoken of the newest",
      three,
      ["n1 8=1:a", "n1 16=1:b", "n2 8=1:a", "n3 8=1:a"],
      "8=1:a",
    ],
    ["one says the same twice", three, ["n1 8=1:a", "n1 8=1:a"], null],
    ["one says something else later", three, ["n1 8=1:a", "n2 8=1:b", "n2 8=1:a"], "8=1:a"],
  ])("when %s", (_, voters, said, verdict) => {
    expect(verdictOf(voters, ...said)).toBe(verdict);
  });
});

describe("[A2] none is right", () => {
  test.each([
    ["all three differ", three, ["n1 8=1:a", "n2 8=1:b", "n3 8=1:c"], "8=1:none"],
    [
      "two, two and one",
      five,
      ["n1 8=1:a", "n2 8=1:a", "n3 8=1:b", "n4 8=1:b", "n5 8=1:c"],
      "8=1:none",
    ],
    [
      "not while one has not spoken that could not change it",
      five,
      ["n1 8=1:a", "n2 8=1:b", "n3 8=1:c", "n4 8=1:d"],
      null,
    ],
  ])("%s", (_, voters, said, verdict) => {
    expect(verdictOf(voters, ...said)).toBe(verdict);
  });
});

describe("[A2] whoever says that it has diverged has no say", () => {
  const without = (...said: string[]): Digests => {
    const digests = new Digests();
    for (const line of said) digests.add(line.split(" ")[0]!, digest(line.split(" ")[1]!));
    return digests;
  };
  const verdictFor = (digests: Digests): string | null =>
    written(digests.verdict(foundedBy(three.split(" "))));

  test("not even by what it has said before: another that goes wrong is not right for that", () => {
    const digests = without("n1 8=1:b", "n2 8=1:b");
    expect(digests.exclude("n1")).toBe(true);
    expect(digests.exclude("n1")).toBe(false);
    expect(verdictFor(digests)).toBeNull();
    digests.add("n3", digest("8=1:a"));
    expect(verdictFor(digests)).toBe("8=1:none");
  });

  test("until it is well again", () => {
    const digests = without("n1 8=1:b", "n2 8=1:a");
    digests.exclude("n1");
    digests.admit("n1");
    expect(verdictFor(digests)).toBeNull();
    digests.add("n1", digest("8=1:a"));
    expect(verdictFor(digests)).toBe("8=1:a");
  });

  test.each([
    ["of two, one is left", "n1 n2", ["n1 8=1:a"], ["n2"]],
    ["of four, two are left, and agree", "n1 n2 n3 n4", ["n1 8=1:a", "n2 8=1:a"], ["n3", "n4"]],
  ])("but nobody is wrong only since others are: %s", (_, voters, said, diverged) => {
    const digests = without(...said);
    for (const node of diverged) digests.exclude(node);
    expect(written(digests.verdict(foundedBy(voters.split(" "))))).toBeNull();
  });

  test("and those that are left suffice if they are a majority", () => {
    const digests = without("n1 8=1:b", "n2 8=1:a", "n3 8=1:a");
    digests.exclude("n1");
    expect(verdictFor(digests)).toBe("8=1:a");
  });
});

describe("[A3] hashes of different formulas say nothing about each other", () => {
  test.each([
    ["the same text is not the same", ["n1 8=1:a", "n2 8=2:a"], null],
    ["a majority of one formula counts", ["n1 8=2:a", "n2 8=1:b", "n3 8=2:a"], "8=2:a"],
    ["that all differ says nothing", ["n1 8=1:a", "n2 8=2:b", "n3 8=2:c"], null],
  ])("%s", (_, said, verdict) => {
    expect(verdictOf(three, ...said)).toBe(verdict);
  });
});

describe("[A2] while voters change, it takes a majority of both groups of them", () => {
  const joint = {
    ...foundedBy(["n1", "n2", "n4"]),
    outgoing: foundedBy(["n1", "n2", "n3"]).voters,
  };

  test.each([
    ["of one is not enough", ["n1 8=1:a", "n4 8=1:a"], null],
    ["of both is", ["n1 8=1:a", "n3 8=1:a", "n4 8=1:a"], "8=1:a"],
    [
      "and it is not said that nobody is right",
      ["n1 8=1:a", "n2 8=1:b", "n3 8=1:a", "n4 8=1:b"],
      null,
    ],
  ])("%s", (_, said, verdict) => {
    const digests = new Digests();
    for (const line of said) digests.add(line.split(" ")[0]!, digest(line.split(" ")[1]!));
    expect(written(digests.verdict(joint))).toBe(verdict);
  });
});

test("[A2] what was said before a change and comes after it does not count", () => {
  const digests = new Digests();
  const diverged = asIndex(8);
  expect(digests.takes("n1", { digest: digest("8=1:b") })).toBe("news");
  expect(digests.takes("n1", { digest: digest("8=1:b") })).toBe("known");
  expect(digests.takes("n1", { digest: digest("8=1:b"), diverged, changes: 1 })).toBe("news");
  expect(digests.takes("n1", { digest: digest("16=1:b") })).toBe("late");
  // It has been repaired, and says something else.
  expect(digests.takes("n1", { digest: digest("16=1:a"), changes: 2 })).toBe("news");
  expect(digests.takes("n1", { digest: digest("16=1:b"), diverged, changes: 1 })).toBe("late");
  digests.add("n2", digest("16=1:b"));
  expect(written(digests.verdict(foundedBy(three.split(" "))))).toBeNull();
  digests.add("n3", digest("16=1:a"));
  expect(written(digests.verdict(foundedBy(three.split(" "))))).toBe("16=1:a");
  // What was said before is gone, though nobody heard that it was wrong.
  expect(digests.takes("n3", { changes: 2 })).toBe("news");
  expect(written(digests.verdict(foundedBy(three.split(" "))))).toBeNull();
});

test("Only what is news is said to be", () => {
  const digests = new Digests();
  expect(digests.add("n1", digest("8=1:a"))).toBe(true);
  expect(digests.add("n1", digest("8=1:a"))).toBe(false);
  expect(digests.add("n1", digest("8=2:a"))).toBe(true);
  expect(digests.add("n2", digest("8=1:a"))).toBe(true);
});

test("Old indexes are forgotten, however many come", () => {
  const digests = new Digests();
  for (let index = 1; index <= 100; index++) {
    digests.add("n1", { index: asIndex(index), formula: 1, hash: "a" });
  }
  // It was too old already when it came.
  expect(digests.add("n2", digest("5=1:a"))).toBe(false);
  expect(digests.add("n3", digest("5=1:a"))).toBe(false);
  expect(digests.verdict(foundedBy(three.split(" ")))).toBeNull();
  digests.add("n2", digest("99=1:a"));
  expect(written(digests.verdict(foundedBy(three.split(" "))))).toBe("99=1:a");
});
