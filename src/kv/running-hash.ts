import { type Command, isPlain } from "./command.ts";
import { Hash } from "./hash.ts";
import type { Recorded } from "./record.ts";
import type { Change } from "./staging.ts";
import type { Row } from "./table.ts";

/**
 * The hash that a state machine carries along: over each command, what came of it and, by the second
 * formula, what it replaced. A row that something else has changed thus shows when a command replaces or
 * deletes it.
 *
 * A hash says by which formula it is made, and goes on by that: `2.` and 16 digits, or the digits alone
 * for the first. So replicas that run different versions of the code take the same one, and what a formula
 * says of a command that older code knows is never changed.
 */
const newestFormula = 2;

/** Which hashes can be compared. */
export function formulaOf(hash: string): number {
  const end = hash.indexOf(".");
  return end === -1 ? 1 : Number(hash.slice(0, end));
}

/** That of a state in which nothing has been applied. */
export const firstHash = `${newestFormula}.${new Hash().toString()}`;

/**
 * @param result null for a command that no client asked for.
 * @param changes what the command changed, with what was there before.
 */
export function hashAfter(
  before: string,
  command: Command,
  result: Recorded | null,
  changes: readonly Change[],
): string {
  const formula = formulaOf(before);
  const hash = new Hash(before.slice(before.indexOf(".") + 1));
  if (isPlain(command)) takePlain(hash, command, result!);
  else hash.value(command).value(result);
  if (formula === 1) return hash.toString();
  for (const { before: replaced } of changes) if (replaced !== null) takeRow(hash, replaced);
  return `${formula}.${hash.toString()}`;
}

/** As it always was. */
function takePlain(hash: Hash, command: Command, result: Recorded): void {
  if (command.type !== "put" && command.type !== "delete") return;
  hash.string(command.type).string(command.requestId).string(command.key);
  if (command.type === "put") text(hash, command.contentType).bytes(command.value);
  if (result.type === "put") hash.number(result.created).number(result.revision);
  if (result.type === "deleted") hash.number(result.deleted).number(result.revision);
}

function takeRow(hash: Hash, row: Row): void {
  const { createRevision, modRevision, version, contentType, value, ...rest } = row;
  text(hash.number(createRevision).number(modRevision).number(version), contentType).bytes(value);
  const { metadata, expiresMs, lease, large } = rest;
  // Rows of before had none of these.
  const isPlainRow = metadata === null && expiresMs === null && lease === null && large === null;
  if (!isPlainRow) hash.value(rest);
}

/** No text is not the same as an empty one. */
const text = (hash: Hash, value: string | null): Hash =>
  hash.number(value !== null).string(value ?? "");
