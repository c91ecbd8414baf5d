import { describeOperation, describeValue } from "./notation.ts";
import { type Operation, type Value, writtenValue } from "./operation.ts";

/** Thrown for operations that together are no history. */
export class InvalidHistory extends Error {
  override readonly name = "InvalidHistory";
  /** The place in the history of the operation that does not fit, from 0. */
  readonly index: number;

  constructor(index: number, what: string) {
    super(what);
    this.index = index;
  }
}

/**
 * Checks what a checker relies on: nothing returns before it was called, a client does one thing at
 * a time, and no key gets the same value from two writes, whatever became of them.
 *
 * @throws InvalidHistory
 */
export function validateHistory(operations: readonly Operation[]): void {
  const written = new Map<string, Map<Value, Operation>>();
  operations.forEach((operation, index) => {
    if (operation.return < operation.call) {
      throw new InvalidHistory(
        index,
        `it returns at ${operation.return}, before its call at ${operation.call}`,
      );
    }
    const value = writtenValue(operation);
    if (value === null) return;
    if (!written.has(operation.key)) written.set(operation.key, new Map());
    const values = written.get(operation.key)!;
    const other = values.get(value);
    if (other !== undefined) {
      throw new InvalidHistory(
        index,
        `${describeValue(value)} is written to ${operation.key} again, after ${describeOperation(other)}`,
      );
    }
    values.set(value, operation);
  });
  checkClients(operations);
}

function checkClients(operations: readonly Operation[]): void {
  const last = new Map<string, Operation>();
  const inOrder = operations
    .map((operation, index) => ({ operation, index }))
    .sort(({ operation: a }, { operation: b }) => a.call - b.call || a.return - b.return);
  for (const { operation, index } of inOrder) {
    const before = last.get(operation.client);
    if (before !== undefined && before.return > operation.call) {
      throw new InvalidHistory(
        index,
        `${operation.client} has two operations under way at once, this and ${describeOperation(before)}`,
      );
    }
    last.set(operation.client, operation);
  }
}
