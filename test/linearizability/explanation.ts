import { absent, type KeyHistory, prepareKey, type Step } from "./key-history.ts";
import { describeOperation, describeValue } from "./notation.ts";
import { type Operation, withoutAnswer, writtenValue } from "./operation.ts";
import { satisfies } from "./register.ts";
import { type DeadEnd, Search } from "./search.ts";

/** How many operations of a kind are shown. */
const shown = 8;

/**
 * Says in a few lines why no order explains the operations of a key. Looks for the first moment at
 * which none did, for whatever comes later only distracts.
 *
 * @param operations all on one key, and not linearizable.
 */
export function explainViolation(operations: readonly Operation[], budget: number): string {
  const { culprits, history, deadEnd } = firstViolation(operations, budget);
  const { order, stuck, register } = deadEnd;
  const remaining = history.mandatory.filter((step) => !order.includes(step));
  const reason = (step: Step): string =>
    `  ${line(step)}: ${why(step, history, deadEnd, remaining)}`;
  const value = register.value === absent ? null : history.values[register.value]!;
  const optional = history.optional.flat().filter((step) => !order.includes(step));
  const { key } = operations[0]!;
  return [
    `No order of the operations on ${describeValue(key)} explains`,
    ...culprits.map((operation) => `  ${describeOperation(operation)}`),
    ...neverWritten(culprits, operations),
    `The longest order found has ${order.length}${order.length > 0 ? ", and ends with" : ""}`,
    ...order.slice(-shown).map((step) => `  ${line(step)}`),
    `Then ${describeValue(key)} holds ${describeValue(value)}, and none of these can be next:`,
    ...some(stuck).map(reason),
    ...(optional.length === 0 ? [] : ["Nor would these unknown ones help:"]),
    ...some(optional).map((step) => `  ${line(step)}`),
  ].join("\n");
}

interface Violation {
  /** The operations that returned at the moment when no order was left. */
  readonly culprits: readonly Operation[];
  readonly history: KeyHistory;
  readonly deadEnd: DeadEnd;
}

/** Halves, since a history that is linearizable is so up to every moment. */
function firstViolation(operations: readonly Operation[], budget: number): Violation {
  const answered = operations.filter(({ status }) => status === "ok");
  const ends = [...new Set(answered.map((operation) => operation.return))].sort((a, b) => a - b);
  const violationAt = (end: number, limit: number): Violation | null => {
    const history = prepareKey(historyUntil(operations, end));
    const search = new Search(history, limit);
    if (search.run() !== "none") return null;
    const culprits = answered.filter((operation) => operation.return === end);
    return { culprits, history, deadEnd: search.deadEnd };
  };
  // There is one, so that the search for it ends is known.
  let first = violationAt(ends.at(-1)!, Infinity)!;
  for (let low = 0, high = ends.length - 1; low < high;) {
    const middle = (low + high) >> 1;
    const violation = violationAt(ends[middle]!, budget);
    if (violation === null) low = middle + 1;
    else [first, high] = [violation, middle];
  }
  return first;
}

/** What was known at a moment: what had not returned by then may have taken effect or not. */
function historyUntil(operations: readonly Operation[], end: number): Operation[] {
  return operations
    .filter(({ call }) => call <= end)
    .map((operation) => {
      const isOpen = operation.status === "ok" && operation.return > end;
      return isOpen ? withoutAnswer(operation, "info") : operation;
    });
}

function why(
  step: Step,
  { values, byRevision }: KeyHistory,
  { register }: DeadEnd,
  remaining: readonly Step[],
): string {
  const { need, effect, rev } = step;
  if (need.type === "theImpossible") return "the value has another revision elsewhere";
  if (!satisfies(register, need)) {
    if (need.type === "is") {
      return `needs ${describeValue(need.value === absent ? null : values[need.value]!)}`;
    }
    if (need.type === "isNot") return need.value === absent ? "needs a value" : "would succeed";
    return "the revision does not fit";
  }
  if (effect !== null && rev !== null) {
    if (rev <= register.floor) return `revision ${register.floor} was before it`;
    const lower = byRevision.find((other) => remaining.includes(other));
    if (lower !== undefined && lower !== step) return `revision ${lower.rev} is still to come`;
  }
  const observers = remaining.filter(
    (other) => other.need.type === "is" && other.need.value === register.value && other !== step,
  );
  if (observers.length === 0) return "leads nowhere";
  return `${observers.length} still must find ${describeValue(values[register.value]!)}, as ${line(observers[0]!)}`;
}

/** Values found that no write can have left; a common mistake deserves plain words. */
function neverWritten(culprits: readonly Operation[], all: readonly Operation[]): string[] {
  return culprits.flatMap((culprit) => {
    if (culprit.op !== "get" || culprit.output === null) return [];
    const writer = all.find((operation) => writtenValue(operation) === culprit.output);
    if (writer === undefined) return [`Nobody ever wrote ${describeValue(culprit.output!)}.`];
    const failed =
      writer.status === "fail" || (writer.op === "cas" && writer.output === false) ? writer : null;
    if (failed !== null) return [`That value was not written: ${describeOperation(failed)}`];
    if (writer.call > culprit.return) return [`It was written later: ${describeOperation(writer)}`];
    return [];
  });
}

const line = ({ operation }: Step): string => describeOperation(operation);

const some = (steps: readonly Step[]): readonly Step[] => steps.slice(0, shown);
