import { describeOperation } from "./notation.ts";
import { changedKey, type Operation, writtenValue } from "./operation.ts";

/**
 * Checks what revisions say across the keys of a store, without any search: each is one write's
 * alone, and they agree with real time. A write gets a higher one than whatever was seen before
 * its call, and an absent key is found at a revision no lower.
 *
 * @returns null, or a few lines about the first operations that contradict each other.
 */
export function checkRevisions(operations: readonly Operation[]): string | null {
  const revised = operations.filter(({ status, rev }) => status === "ok" && rev !== undefined);
  return checkOwners(revised) ?? checkRealTime(revised);
}

/** A refused cas may give the revision of what it found or the store's, so it owns none. */
function checkOwners(revised: readonly Operation[]): string | null {
  const owners = new Map<number, Operation>();
  for (const operation of revised) {
    const isWrite = changedKey(operation);
    if (!isWrite && !(operation.op === "get" && operation.output !== null)) continue;
    const owner = owners.get(operation.rev!);
    const bothWrite = isWrite && owner !== undefined && changedKey(owner);
    if (owner !== undefined && (bothWrite || versionOf(owner) !== versionOf(operation))) {
      return explain("two writes have one revision", owner, operation);
    }
    // A second write shows only beside the first, so reads must not hide it.
    if (isWrite || owner === undefined) owners.set(operation.rev!, operation);
  }
  return null;
}

/** What the key is at the revision that an operation got or found. */
function versionOf(operation: Operation): string {
  const value = operation.op === "get" ? operation.output : writtenValue(operation);
  return JSON.stringify([operation.key, value]);
}

function checkRealTime(revised: readonly Operation[]): string | null {
  const byCall = revised.toSorted((a, b) => a.call - b.call);
  const byReturn = revised.toSorted((a, b) => a.return - b.return);
  let returned = 0;
  let highest: Operation | null = null;
  for (const operation of byCall) {
    for (; byReturn[returned]!.return < operation.call; returned++) {
      const before = byReturn[returned]!;
      if (highest === null || before.rev! > highest.rev!) highest = before;
    }
    if (highest === null) continue;
    if (changedKey(operation) && operation.rev! <= highest.rev!) {
      return explain("a write's revision is not above one seen before", highest, operation);
    }
    if (foundStoreRevision(operation) && operation.rev! < highest.rev!) {
      return explain("the store's revision fell", highest, operation);
    }
  }
  return null;
}

const foundStoreRevision = ({ op, output }: Operation & { readonly output?: unknown }): boolean =>
  (op === "get" && output === null) || (op === "delete" && output === false);

const explain = (what: string, earlier: Operation, later: Operation): string =>
  `Revisions contradict: ${what}.\n  ${describeOperation(earlier)}\n  ${describeOperation(later)}`;
