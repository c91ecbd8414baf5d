import type { Command, CommandResult } from "./command.ts";
import { Hash } from "./hash.ts";
import type { Row } from "./table.ts";

/**
 * The hash that a state machine carries along: over each command, what came of it and, by the second
 * formula, what it replaced. A row that something else has changed thus shows when a command replaces or
 * deletes it.
 *
 * A hash says by which formula it is made, and goes on by that: `2.` and 16 digits, or the digits alone
 * for the first. So replicas that run different versions of the code take the same one, and a formula is
 * never changed, only joined by another, with which new states begin.
 */
const newestFormula = 2;

/** Which hashes can be compared. */
export function formulaOf(hash: string): number {
  const end = hash.indexOf(".");
  return end === -1 ? 1 : Number(hash.slice(0, end));
}

/** That of a state in which nothing has been applied. */
export const firstHash = `${newestFormula}.${new Hash().toString()}`;

/** @param replaced the row that the command found under its key. */
export function hashAfter(
  before: string,
  command: Command,
  result: CommandResult,
  replaced: Row | null,
): string {
  const digits = before.slice(before.indexOf(".") + 1);
  const hash = new Hash(digits).string(command.type).string(command.requestId).string(command.key);
  if (command.type === "put") text(hash, command.contentType).bytes(command.value);
  switch (result.type) {
    case "put":
      hash.number(result.created).number(result.revision);
      break;
    case "deleted":
      hash.number(result.deleted).number(result.revision);
      break;
    case "expired":
      break;
  }
  if (formulaOf(before) === 1) return hash.toString();
  if (replaced !== null) {
    const { createRevision, modRevision, version, contentType, value } = replaced;
    text(hash.number(createRevision).number(modRevision).number(version), contentType).bytes(value);
  }
  return `${formulaOf(before)}.${hash.toString()}`;
}

/** No text is not the same as an empty one. */
const text = (hash: Hash, value: string | null): Hash =>
  hash.number(value !== null).string(value ?? "");
