import { changedKey, type Operation, type Value, writtenValue } from "./operation.ts";

/**
 * Whether a history is linearizable, by trying every order of its operations that respects real
 * time, with each subset of the unknown ones. It shares nothing with the real checker but the
 * notion of a register, and is only for a handful of operations.
 *
 * A revision that nobody saw may be any, as long as those of a key rise.
 */
export function isLinearizableByForce(operations: readonly Operation[]): boolean {
  const answered = operations.filter(({ status }) => status === "ok");
  const unknown = operations.filter(({ status, op }) => status === "info" && op !== "get");
  for (let subset = 0; subset < 2 ** unknown.length; subset++) {
    const chosen = unknown.filter((_, i) => (subset >> i) % 2 === 1);
    if (canOrder([...answered, ...chosen], [])) return true;
  }
  return false;
}

/** Whether `remaining` can follow `order`, in some order. */
function canOrder(remaining: readonly Operation[], order: readonly Operation[]): boolean {
  if (!isLegal(order)) return false;
  if (remaining.length === 0) return true;
  return remaining.some((next) => {
    const others = remaining.filter((other) => other !== next);
    return others.every((other) => endOf(other) >= next.call) && canOrder(others, [...order, next]);
  });
}

const endOf = ({ status, return: end }: Operation): number => (status === "ok" ? end : Infinity);

/** One change of a key, and what is said about its revision. */
interface Version {
  readonly value: Value | null;
  readonly is: Set<number>;
  readonly isNot: Set<number>;
}

/** Whether operations that take effect one after the other may have these outputs. */
function isLegal(order: readonly Operation[]): boolean {
  const keys = new Map<string, Version[]>();
  for (const operation of order) {
    const versions = keys.get(operation.key) ?? [version(null)];
    keys.set(operation.key, versions);
    if (!agrees(operation, versions.at(-1)!)) return false;
    // An unknown operation that changes nothing is the same as one that was not chosen.
    if (operation.status === "info" || changedKey(operation)) {
      const next = version(writtenValue(operation));
      if (operation.status === "ok" && operation.rev !== undefined) next.is.add(operation.rev);
      versions.push(next);
    }
  }
  return [...keys.values()].every(revisionsRise);
}

const version = (value: Value | null): Version => ({ value, is: new Set(), isNot: new Set() });

/** Whether an operation may find `current`; notes what it says about that one's revision. */
function agrees(operation: Operation, current: Version): boolean {
  const isThere = current.value !== null;
  switch (operation.op) {
    case "put":
      return true;
    case "get":
      if (isThere && operation.rev !== undefined) current.is.add(operation.rev);
      return current.value === operation.output;
    case "delete":
      return isThere === (operation.output ?? true);
    case "cas": {
      const succeeds = operation.output ?? true;
      if (!("to" in operation.input)) return (current.value === operation.input[0]) === succeeds;
      const { from_rev: rev } = operation.input;
      if (rev === 0 || !isThere) return (rev === 0 && !isThere) === succeeds;
      (succeeds ? current.is : current.isNot).add(rev);
      return true;
    }
  }
}

function revisionsRise(versions: readonly Version[]): boolean {
  let highest = -1;
  for (const { is, isNot } of versions) {
    if (is.size > 1) return false;
    for (const rev of is) {
      if (isNot.has(rev) || rev <= highest) return false;
      highest = rev;
    }
  }
  return true;
}
