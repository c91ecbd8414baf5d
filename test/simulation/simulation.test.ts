import { describe, expect, test } from "vitest";
import { planOf, run } from "./run.ts";
import { Sightings } from "./sometimes.ts";
import { allFaults, calm, drawWeather, faultsIn } from "./weather.ts";
import { Random } from "../../src/raft/random.ts";

/** Far fewer than `npm run sim` runs; enough to find what breaks often. */
const seeds = 120;
const firstSeed = Number(process.env["FIRST_SEED"] ?? 1);

describe("Simulated worlds", () => {
  test(`from seed ${firstSeed} on hold every invariant, and see much of what there is to see`, async () => {
    const seen = new Sightings();
    const failed: string[] = [];
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const { violation, counts } = await run(planOf(seed));
      seen.add(counts);
      if (violation !== null) failed.push(`npm run sim -- --seed ${seed}: ${violation.message}`);
    }
    expect(failed).toEqual([]);
    expect(seen.never.length).toBeLessThan(6);
  });

  test.each([3, 7, 11, 47, 128])(
    "of one seed are one and the same to the last line, %i",
    async (seed) => {
      const [one, again]: [string[], string[]] = [[], []];
      const first = await run(planOf(seed), (line) => one.push(line));
      const second = await run(planOf(seed), (line) => again.push(line));
      expect(again).toEqual(one);
      expect(second).toEqual(first);
      expect(one.length).toBeGreaterThan(100);
    },
  );

  test("leave nothing of themselves in the process", async () => {
    const before = globalsNow();
    await run(planOf(firstSeed));
    expect(globalsNow()).toEqual(before);
    expect(crypto.randomUUID()).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("The weather", () => {
  const drawn = Array.from({ length: 1000 }, (_, i) => drawWeather(new Random(i)));

  test("has each fault in many runs, and most faults in none", () => {
    for (const fault of allFaults) {
      const on = drawn.filter((weather) => weather[fault] !== calm[fault]).length;
      expect(on, fault).toBeGreaterThan(100);
      expect(on, fault).toBeLessThan(700);
    }
  });

  test("is calm in some runs, and bad in all ways in others", () => {
    const counts = drawn.map((weather) => faultsIn(weather).length);
    expect(Math.min(...counts)).toBeLessThan(2);
    expect(Math.max(...counts)).toBe(allFaults.length);
  });
});

/** What a world replaces while it runs. */
const globalsNow = (): unknown[] =>
  [
    [Date, "now"],
    [Math, "random"],
    [globalThis, "setTimeout"],
    [globalThis, "clearTimeout"],
    [AbortSignal, "timeout"],
  ].map(
    ([owner, name]) => Object.getOwnPropertyDescriptor(owner, name as string)?.value as unknown,
  );
