/**
 * A short search for what nobody thought of. SEED=17 replays one walk; WALKS=100000 looks further.
 */
import { expect, test } from "vitest";
import { RandomWalk } from "../support/random-walk.ts";

const firstSeed = Number(process.env["SEED"] ?? 1);
const walks = Number(process.env["WALKS"] ?? (process.env["SEED"] === undefined ? 300 : 1));
const actions = 1000;

test.each([3, 5])(
  "[E1] [L2] [C5] [R1] [P1] [P5] %d replicas keep every invariant, whatever happens",
  { timeout: 1000 * Math.max(walks, 60) },
  (size) => {
    let committed = 0;
    for (let seed = firstSeed; seed < firstSeed + walks; seed++) {
      const walk = new RandomWalk(seed, size);
      try {
        walk.run(actions);
        walk.heal();
      } catch (error) {
        const story = walk.trace.join("\n");
        throw new Error(`seed ${seed}, ${size} replicas: ${String(error)}\n${story}`, {
          cause: error,
        });
      }
      committed += walk.committed;
    }
    // Walks in which nothing commits show nothing; a single one may well be so.
    if (walks >= 100) expect(committed / walks).toBeGreaterThan(10);
  },
);
