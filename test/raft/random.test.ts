import { expect, test } from "vitest";
import { Random } from "../../src/raft/random.ts";

const draws = (seed: number, count: number, max = 1_000_000): number[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => random.between(0, max));
};

test("[P7] the same seed gives the same numbers", () => {
  expect(draws(7, 100)).toEqual(draws(7, 100));
});

test("[E5] seeds that lie close together give numbers that do not", () => {
  const firsts = Array.from({ length: 1000 }, (_, seed) => draws(seed, 1)[0]);
  expect(new Set(firsts).size).toBeGreaterThan(990);
});

test("[E5] both ends of the interval come up, and all between about equally often", () => {
  const counts = new Map<number, number>();
  for (const draw of draws(1, 60_000, 5)) counts.set(draw, (counts.get(draw) ?? 0) + 1);
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
  for (const count of counts.values()) expect(Math.abs(count - 10_000)).toBeLessThan(500);
});

// Seed 0x9e3779b9 mixes to 0, from which the generator could not move.
test.each([0, 1, -1, 0x9e3779b9, -1640531527, 2 ** 40, Number.MAX_SAFE_INTEGER])(
  "[E5] seed %i does not get stuck",
  (seed) => {
    expect(new Set(draws(seed, 100)).size).toBeGreaterThan(90);
  },
);
