import { type Changes, planOf, run } from "./run.ts";
import { faultsIn } from "./weather.ts";

/**
 * Makes a failing seed smaller: fewer faults, clients, edges and replicas, and a shorter time, as
 * long as the same invariant breaks.
 *
 * @returns the changes to the seed's plan under which it still fails.
 */
export async function shrink(seed: number, changes: Changes): Promise<Changes> {
  const failing = await run(planOf(seed, changes));
  const invariant = failing.violation?.invariant;
  if (invariant === undefined) throw new Error(`seed ${seed} does not fail`);
  let smallest = changes;
  for (;;) {
    const before = smallest;
    for (const candidate of smallerThan(seed, smallest)) {
      const { violation } = await run(planOf(seed, candidate));
      if (violation?.invariant !== invariant) continue;
      smallest = candidate;
      break;
    }
    if (smallest === before) return smallest;
  }
}

/** Plans with one thing less, the greatest simplification first. */
function* smallerThan(seed: number, changes: Changes): Generator<Changes> {
  const { replicas, clients, batchClients, edges, ms, weather } = planOf(seed, changes);
  if (replicas > 3) yield { ...changes, replicas: replicas - 2 };
  if (clients > 1) yield { ...changes, clients: clients >> 1 };
  if (batchClients > 0) yield { ...changes, batchClients: 0 };
  if (edges > 1) yield { ...changes, edges: 1 };
  if (ms > 50) yield { ...changes, ms: ms >> 1 };
  for (const fault of faultsIn(weather)) {
    yield { ...changes, without: [...(changes.without ?? []), fault] };
  }
  if (ms > 50) yield { ...changes, ms: Math.trunc(ms * 0.9) };
}
