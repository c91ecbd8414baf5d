import type { ClientCommand, Operation, TransactionCommand } from "./command.ts";
import { isWithin } from "./key-range.ts";
import type { DirectResult, OperationResult, TransactionResult } from "./result.ts";
import { foundIn, maxFoundBytes } from "./transaction.ts";
import type { KvTable, Row } from "./table.ts";

/** What is kept of a result for the edge's own retries. Small, whatever was read: there are many of them. */
export type Recorded = Exclude<DirectResult, TransactionResult> | RecordedTransaction;

export interface RecordedTransaction {
  readonly type: "transacted";
  readonly succeeded: boolean;
  readonly failed: readonly number[];
  readonly revision: number;
  /**
   * For each operation of the list that was chosen: the revision of the value that was got, 0 for none;
   * whether a put created the key; how many were deleted; what was counted up to.
   */
  readonly outcomes: readonly (number | boolean)[];
}

export function abridged(result: DirectResult): Recorded {
  if (result.type !== "transaction") return result;
  const { succeeded, failed, revision, results } = result;
  return { type: "transacted", succeeded, failed, revision, outcomes: results.map(outcomeOf) };
}

function outcomeOf(result: OperationResult): number | boolean {
  switch (result.type) {
    case "get":
      return result.found?.modRevision ?? 0;
    case "replaced":
      return result.revision;
    case "put":
      return result.created;
    case "deleted":
      return result.deleted;
    case "incremented":
      return result.value;
  }
}

/** What a record takes in memory, about. */
export function sizeOfRecord(requestId: string, result: Recorded): number {
  const parts = result.type === "transacted" ? result.outcomes.length + result.failed.length : 0;
  return 2 * requestId.length + 200 + 8 * parts;
}

/** The result again for whoever asks again, with what was read that has not been replaced since. */
export function completed(
  recorded: Recorded,
  command: ClientCommand,
  table: KvTable,
): DirectResult {
  if (recorded.type !== "transacted") return recorded;
  // Nobody sends another command under the same id.
  const { then, else: otherwise } = command as TransactionCommand;
  const { succeeded, failed, revision, outcomes } = recorded;
  const operations = succeeded ? then : otherwise;
  let bytes = 0;
  const results = outcomes.map((outcome, place) => {
    const result = resultOf(outcome, operations, place, table, maxFoundBytes - bytes);
    if (result.type === "get") bytes += result.found?.value?.byteLength ?? 0;
    return result;
  });
  return { type: "transaction", succeeded, failed, revision, results };
}

function resultOf(
  outcome: number | boolean,
  operations: readonly Operation[],
  place: number,
  table: KvTable,
  maxBytes: number,
): OperationResult {
  const operation = operations[place]!;
  switch (operation.type) {
    case "get": {
      if (outcome === 0) return { type: "get", found: null };
      const row = unreplaced(operations, place, table);
      if (row?.modRevision !== outcome) return { type: "replaced", revision: Number(outcome) };
      return { type: "get", found: foundIn(row, maxBytes) };
    }
    case "put":
      return { type: "put", created: Boolean(outcome) };
    case "delete":
    case "deleteRange":
      return { type: "deleted", deleted: Number(outcome) };
    case "increment":
      return { type: "incremented", value: Number(outcome) };
  }
}

/**
 * The row that an operation got, unless the same transaction has replaced or deleted it: at the same revision,
 * or at none, so that another change has that now.
 */
function unreplaced(operations: readonly Operation[], place: number, table: KvTable): Row | null {
  const operation = operations[place];
  if (operation?.type !== "get") return null;
  const { key } = operation;
  const replaces = (later: Operation): boolean => {
    if (later.type === "deleteRange") return isWithin(key, later.range);
    return later.type !== "get" && later.key === key;
  };
  return operations.slice(place + 1).some(replaces) ? null : table.get(key);
}
