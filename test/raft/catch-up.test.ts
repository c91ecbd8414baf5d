import { expect, test } from "vitest";
import { CatchUp } from "../../src/raft/catch-up.ts";
import { asIndex } from "../../src/raft/types.ts";

/** One that must take 10 entries first; then each call is [match, last, at]. */
function caughtUp(...calls: readonly [number, number, number][]): boolean {
  const catchUp = new CatchUp(asIndex(10), 0);
  for (const [match, last, atMs] of calls) {
    catchUp.holds(asIndex(match), asIndex(last), atMs, 100);
  }
  return catchUp.isDone;
}

test.each<[string, [number, number, number][], boolean]>([
  ["nothing was heard", [], false],
  ["it took all in time", [[10, 10, 99]], true],
  ["it took too long", [[10, 10, 100]], false],
  ["it took not all", [[9, 10, 5]], false],
  [
    "it took too long for the first round, not for the second",
    [
      [10, 50, 500],
      [50, 60, 590],
    ],
    true,
  ],
  [
    "and not all of the second",
    [
      [10, 50, 500],
      [49, 60, 590],
    ],
    false,
  ],
  [
    "the log grows while it follows",
    [
      [10, 14, 10],
      [14, 18, 20],
      [16, 20, 30],
    ],
    true,
  ],
  [
    "it falls behind again",
    [
      [10, 14, 10],
      [14, 18, 500],
    ],
    false,
  ],
])("[M7] a learner of which %s", (_, calls, is) => {
  expect(caughtUp(...calls)).toBe(is);
});
