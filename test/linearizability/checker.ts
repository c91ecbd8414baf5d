import { explainViolation } from "./explanation.ts";
import { prepareKey } from "./key-history.ts";
import type { Operation } from "./operation.ts";
import { Search } from "./search.ts";
import { validateHistory } from "./validation.ts";

/**
 * What a check found. `explored` counts the states of the search over all keys; `operations` and
 * `info` count the whole history, and those of unknown outcome in it.
 */
export type Verdict =
  | {
      readonly type: "linearizable";
      readonly operations: number;
      readonly keys: number;
      readonly info: number;
      readonly explored: number;
    }
  /** No order of the operations on `key` respects real time and all outputs. */
  | { readonly type: "violation"; readonly key: string; readonly explanation: string }
  /** Neither an order was found for `key` nor that there is none; all other keys are fine. */
  | { readonly type: "gaveUp"; readonly key: string };

/** States to explore on one key before giving up: some seconds' work. */
const defaultBudget = 1_000_000;

/**
 * Whether each key of a history behaves like one register. Keys are checked one by one, since a
 * store is linearizable exactly when each of its keys is. What revisions say across keys is for
 * checkRevisions.
 *
 * @param budget how many states to explore on one key.
 * @throws InvalidHistory when the operations are no history.
 */
export function checkLinearizability(
  operations: readonly Operation[],
  { budget = defaultBudget }: { readonly budget?: number } = {},
): Verdict {
  validateHistory(operations);
  const keys = Map.groupBy(operations, ({ key }) => key);
  let explored = 0;
  let gaveUp: string | null = null;
  for (const [key, ofKey] of keys) {
    const search = new Search(prepareKey(ofKey), budget);
    const result = search.run();
    explored += search.explored;
    if (result === "none") {
      return { type: "violation", key, explanation: explainViolation(ofKey, budget) };
    }
    if (result === "gaveUp") gaveUp ??= key;
  }
  if (gaveUp !== null) return { type: "gaveUp", key: gaveUp };
  const info = operations.filter(({ status }) => status === "info").length;
  return { type: "linearizable", operations: operations.length, keys: keys.size, info, explored };
}
