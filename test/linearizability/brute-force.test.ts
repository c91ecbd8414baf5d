import { expect, test } from "vitest";
import { Random } from "../../src/raft/random.ts";
import { isLinearizableByForce } from "./brute-force.ts";
import { checkLinearizability } from "./checker.ts";
import { formatOperation } from "./history-file.ts";
import type { Operation } from "./operation.ts";
import { perturb } from "./perturbation.ts";
import { checkRevisions } from "./revisions.ts";
import { simulateHistory } from "./simulated-store.ts";
import { validateHistory } from "./validation.ts";

const histories = 6000;

/** A history of a few operations, so close in time that many of their ends fall together. */
function drawSmall(random: Random): Operation[] {
  return simulateHistory(random, {
    operations: random.between(3, 7),
    clients: random.between(1, 5),
    keys: random.between(0, 3) === 0 ? 2 : 1,
    operationsPerKey: 100,
    infoPerMille: random.between(0, 2) * 300,
    failPerMille: 30,
    hasRevisions: random.between(0, 1) === 1,
    namesRevisions: true,
    maxDelay: random.between(1, 4),
    maxLate: 12,
  });
}

function drawPerturbed(random: Random): Operation[] {
  let history = drawSmall(random);
  for (let i = random.between(1, 2); i > 0; i--) history = perturb(random, history);
  return history;
}

/** A few operations with any outcome, which reaches corners that a real store rarely does. */
function drawMadeUp(random: Random): Operation[] {
  const hasRevisions = random.between(0, 2) === 0;
  return Array.from({ length: random.between(2, 7) }, (_, i): Operation => {
    const call = random.between(0, 8);
    const status = random.between(0, 2) === 0 ? "info" : "ok";
    const rev = hasRevisions && status === "ok" && random.between(0, 2) === 0;
    const common = {
      client: `c${i}`,
      key: "k",
      call,
      return: call + random.between(0, 6),
      status,
      ...(rev ? { rev: random.between(1, 4) } : {}),
    } as const;
    const someValue = `v${random.between(0, 6)}`;
    const flag = status === "ok" ? { output: random.between(0, 1) === 1 } : {};
    switch (random.between(0, 6)) {
      case 0:
      case 1:
        return { ...common, op: "put", input: `v${i}` };
      case 2:
        return { ...common, op: "delete", ...flag };
      case 3: {
        const output = random.between(0, 1) === 0 ? null : someValue;
        return { ...common, op: "get", ...(status === "ok" ? { output } : {}) };
      }
      case 4:
      case 5:
        return { ...common, op: "cas", input: [someValue, `v${i}`], ...flag };
      default: {
        const input = { from_rev: random.between(0, 3), to: `v${i}` };
        return { ...common, op: "cas", input, ...flag };
      }
    }
  });
}

function isValid(history: readonly Operation[]): boolean {
  try {
    validateHistory(history);
    return true;
  } catch {
    return false;
  }
}

const show = (history: readonly Operation[]): string => history.map(formatOperation).join("");

test("histories of a store that is linearizable pass both checkers", () => {
  for (let seed = 0; seed < histories; seed++) {
    const history = drawSmall(new Random(seed));
    const verdicts = {
      force: isLinearizableByForce(history),
      search: checkLinearizability(history).type,
      revisions: checkRevisions(history),
    };
    const expected = { force: true, search: "linearizable", revisions: null };
    expect(verdicts, `seed ${seed}:\n${show(history)}`).toEqual(expected);
  }
});

test.each<[string, (random: Random) => Operation[]]>([
  ["told wrongly", drawPerturbed],
  ["made up", drawMadeUp],
])("of histories %s, both checkers think the same", (_, draw) => {
  const counts = { linearizable: 0, violation: 0, withInfo: { linearizable: 0, violation: 0 } };
  for (let seed = 0; seed < histories; seed++) {
    const history = draw(new Random(seed));
    if (!isValid(history)) continue;
    const verdict = checkLinearizability(history).type;
    const expected = isLinearizableByForce(history) ? "linearizable" : "violation";
    expect(verdict, `seed ${seed}:\n${show(history)}`).toBe(expected);
    counts[expected]++;
    const hasInfo = history.some(({ status, op }) => status === "info" && op !== "get");
    if (hasInfo) counts.withInfo[expected]++;
  }
  // Both verdicts come up so often that agreeing on them means something.
  expect(Math.min(counts.linearizable, counts.violation)).toBeGreaterThan(1000);
  expect(Math.min(counts.withInfo.linearizable, counts.withInfo.violation)).toBeGreaterThan(300);
});
