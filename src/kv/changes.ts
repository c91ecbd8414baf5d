import type { Command, NewValue } from "./command.ts";
import type { Recorded } from "./record.ts";
import type { Change } from "./staging.ts";

/** What one revision changed, without the values: those are in the table, or in the log. */
export interface RevisionChanges {
  readonly revision: number;
  /** The entry that did it, and which of its commands. */
  readonly index: number;
  readonly place: number;
  /** Of a transaction, whether its conditions held. */
  readonly succeeded: boolean;
  readonly keys: readonly KeyChange[];
}

export type KeyChange =
  | {
      readonly type: "put";
      readonly key: string;
      /** How many puts the key has had; 1 when it was created. */
      readonly version: number;
      /** These only where no command says them. */
      readonly value?: Uint8Array;
      readonly contentType?: string;
      readonly metadata?: string;
    }
  | { readonly type: "delete"; readonly key: string }
  /** Its time was over. */
  | { readonly type: "expire"; readonly key: string };

/** What a command has changed, as it is kept. */
export function keyChanges(command: Command, changes: readonly Change[]): KeyChange[] {
  return changes.map(({ key, after }) => {
    if (after === null) return { type: command.type === "tick" ? "expire" : "delete", key };
    const { version, value, contentType, metadata } = after;
    const isSaid = [true, false].some(
      (branch) => newValueIn(command, key, branch)?.value === value,
    );
    if (isSaid) return { type: "put", key, version };
    const rest = {
      ...(contentType === null ? {} : { contentType }),
      ...(metadata === null ? {} : { metadata }),
    };
    return { type: "put", key, version, value, ...rest };
  });
}

/** Whether a transaction's conditions held; of no meaning for others. */
export const hasSucceeded = (result: Recorded | null): boolean =>
  result?.type === "transacted" && result.succeeded;

/** What a command gives a key, as far as it says; null when it does not. */
export function newValueIn(command: Command, key: string, succeeded: boolean): NewValue | null {
  if (command.type === "put" || command.type === "lock")
    return command.key === key ? command : null;
  if (command.type !== "transaction") return null;
  const last = (succeeded ? command.then : command.else).findLast(
    (operation) => "key" in operation && operation.key === key && operation.type !== "get",
  );
  return last?.type === "put" ? last : null;
}
