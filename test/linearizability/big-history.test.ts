import { expect, test } from "vitest";
import { Random } from "../../src/raft/random.ts";
import { type Verdict, checkLinearizability } from "./checker.ts";
import type { Operation } from "./operation.ts";
import { checkRevisions } from "./revisions.ts";
import { type SimulationOptions, simulateHistory } from "./simulated-store.ts";

const rotating: SimulationOptions = {
  operations: 100_000,
  clients: 12,
  keys: 4,
  operationsPerKey: 100,
  infoPerMille: 20,
  failPerMille: 10,
  hasRevisions: true,
  namesRevisions: true,
  maxDelay: 1_000_000,
  maxLate: 20_000_000,
};

const hot: SimulationOptions = {
  ...rotating,
  operations: 2000,
  clients: 8,
  keys: 1,
  operationsPerKey: 2000,
  hasRevisions: false,
  namesRevisions: false,
};

const simulate = (seed: number, options: SimulationOptions): Operation[] =>
  simulateHistory(new Random(seed), options);

function exploredBy(verdict: Verdict): number {
  if (verdict.type === "linearizable") return verdict.explored;
  throw new Error(JSON.stringify(verdict));
}

test.each([true, false])("100,000 operations need few states (revisions: %s)", (hasRevisions) => {
  const history = simulate(1, { ...rotating, hasRevisions, namesRevisions: hasRevisions });
  const verdict = checkLinearizability(history);
  expect(verdict).toMatchObject({ type: "linearizable", operations: 100_000 });
  expect(exploredBy(verdict)).toBeLessThan(200_000);
  expect(checkRevisions(history)).toBeNull();
});

test.each([1, 2, 3, 4, 5])("one hot key needs few states (seed %i)", (seed) => {
  const verdict = checkLinearizability(simulate(seed, hot));
  expect(exploredBy(verdict)).toBeLessThan(20_000);
});

test.each([1, 2, 3, 4, 5])("many unknown operations need few states (seed %i)", (seed) => {
  const options = { ...hot, clients: 16, infoPerMille: 200, maxLate: 200_000_000 };
  const verdict = checkLinearizability(simulate(seed, options));
  expect(exploredBy(verdict)).toBeLessThan(50_000);
});

/** The history with the output of the last get that found a value replaced by an earlier one. */
function withStaleRead(history: readonly Operation[]): Operation[] {
  const changed = [...history];
  const isFull = (read: Operation): boolean =>
    read.op === "get" && read.status === "ok" && read.output !== null;
  const at = history.findLastIndex(isFull);
  const { key, call } = history[at]!;
  const old = history.findLast(
    (read) => read.key === key && isFull(read) && read.return < call - 4_000_000,
  );
  if (old === undefined || old.op !== "get") throw new Error("there is no earlier read");
  const { rev: _, ...read } = history[at]! as typeof old;
  changed[at] = { ...read, output: old.output! };
  return changed;
}

test.each([1, 2, 3, 4, 5])("one stale read among many operations is found (seed %i)", (seed) => {
  for (const hasRevisions of [true, false]) {
    // Without revisions, all uses of unknown writes have to be ruled out; a few are enough here.
    const infoPerMille = hasRevisions ? 20 : 5;
    const options = { ...hot, infoPerMille, hasRevisions, namesRevisions: hasRevisions };
    const history = withStaleRead(simulate(seed, options));
    expect(checkLinearizability(history, { budget: 30_000 }).type).toBe("violation");
  }
});

test("thirty unknown writes to a key, and an answer that none of them explains", () => {
  const common = { key: "k", call: 0, return: 1 } as const;
  const unknown = Array.from({ length: 30 }, (_, i): Operation => {
    const lost = { ...common, client: `lost${i}`, status: "info" } as const;
    return i % 5 === 0 ? { ...lost, op: "delete" } : { ...lost, op: "put", input: `v${i}` };
  });
  const deletes = Array.from({ length: 40 }, (_, i): Operation => {
    const at = { call: 10 * i + 10, return: 10 * i + 15 };
    return { ...common, ...at, client: "c", op: "delete", status: "ok", output: true };
  });
  // There is something to delete as often as an unknown put comes before.
  const puts = unknown.filter(({ op }) => op === "put").length;
  const enough = checkLinearizability([...unknown, ...deletes.slice(0, puts)]);
  expect(exploredBy(enough)).toBeLessThan(200);
  const tooMany = checkLinearizability([...unknown, ...deletes.slice(0, puts + 1)], {
    budget: 2000,
  });
  expect(tooMany.type).toBe("violation");
});

test("a search that takes too long gives up, and says so", () => {
  const history = simulate(1, hot);
  expect(checkLinearizability(history, { budget: 100 })).toEqual({ type: "gaveUp", key: "k1" });
});
