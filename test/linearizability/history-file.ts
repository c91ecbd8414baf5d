import { appendFileSync, readFileSync } from "node:fs";
import type { CasInput, Operation, Status, Value } from "./operation.ts";
import { InvalidHistory, validateHistory } from "./validation.ts";

const ops = ["get", "put", "delete", "cas"] as const;
const statuses: readonly Status[] = ["ok", "fail", "info"];
const fields = new Set([
  "client",
  "op",
  "key",
  "input",
  "output",
  "call",
  "return",
  "status",
  "rev",
]);

/**
 * Reads a history file: one operation a line, as operation.ts says.
 *
 * @throws Error that names the file, the line and what is wrong with it.
 */
export function readHistory(path: string): Operation[] {
  const text = readFileSync(path, "utf8");
  try {
    return parseHistory(text);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Appends one operation to a history file, which need not be there yet. */
export function appendOperation(path: string, operation: Operation): void {
  appendFileSync(path, formatOperation(operation));
}

/** One operation as a line, with its line break. */
export const formatOperation = (operation: Operation): string => `${JSON.stringify(operation)}\n`;

/**
 * Reads a whole history.
 *
 * @throws Error that names the line and what is wrong with it.
 */
export function parseHistory(text: string): Operation[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const at = <T>(index: number, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      throw new Error(`line ${index + 1}: ${(error as Error).message}`, { cause: error });
    }
  };
  const operations = lines.map((line, index) => at(index, () => parseOperation(line)));
  try {
    validateHistory(operations);
  } catch (error) {
    if (!(error instanceof InvalidHistory)) throw error;
    throw new Error(`line ${error.index + 1}: ${error.message}`, { cause: error });
  }
  return operations;
}

type Raw = Readonly<Record<string, unknown>>;

function parseOperation(line: string): Operation {
  const raw = parseObject(line);
  // A misspelt field would otherwise be a check less, and nobody would notice.
  const strange = Object.keys(raw).find((name) => !fields.has(name));
  if (strange !== undefined) throw new Error(`unknown field ${strange}`);
  const op = oneOf(raw, "op", ops);
  const status = oneOf(raw, "status", statuses);
  const common = {
    client: string(raw, "client"),
    key: string(raw, "key"),
    call: number(raw, "call"),
    return: status === "info" && !present(raw, "return") ? Infinity : number(raw, "return"),
    status,
    ...(present(raw, "rev") ? { rev: revision(raw["rev"], "rev") } : {}),
  };
  const hasOutput = status === "ok";
  switch (op) {
    case "put":
      return { op, ...common, input: value(raw["input"], "input") };
    case "get":
      return { op, ...common, ...(hasOutput ? { output: found(raw) } : {}) };
    case "delete":
      return { op, ...common, ...(hasOutput ? { output: flag(raw) } : {}) };
    case "cas":
      return { op, ...common, input: casInput(raw), ...(hasOutput ? { output: flag(raw) } : {}) };
  }
}

function parseObject(line: string): Raw {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch (error) {
    throw new Error(`not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new Error("not a JSON object");
  }
  return raw as Raw;
}

const present = (raw: Raw, name: string): boolean => raw[name] !== undefined && raw[name] !== null;

function required(raw: Raw, name: string): unknown {
  if (!present(raw, name)) throw new Error(`${name} is missing`);
  return raw[name];
}

function oneOf<T extends string>(raw: Raw, name: string, known: readonly T[]): T {
  const given = required(raw, name);
  const match = known.find((candidate) => candidate === given);
  if (match === undefined) {
    throw new Error(`${name} must be one of ${known.join(", ")}, not ${JSON.stringify(given)}`);
  }
  return match;
}

function string(raw: Raw, name: string): string {
  const given = required(raw, name);
  if (typeof given !== "string") throw new Error(`${name} must be a string`);
  return given;
}

function number(raw: Raw, name: string): number {
  const given = required(raw, name);
  if (typeof given !== "number") throw new Error(`${name} must be a number`);
  return given;
}

function revision(given: unknown, name: string): number {
  if (typeof given === "number" && Number.isSafeInteger(given) && given >= 0) return given;
  throw new Error(`${name} must be a whole number from 0`);
}

function value(given: unknown, name: string): Value {
  if (given === undefined || given === null) throw new Error(`${name} is missing`);
  if (typeof given === "string" || typeof given === "number") return given;
  throw new Error(`${name} must be a string or a number, not ${JSON.stringify(given)}`);
}

function found(raw: Raw): Value | null {
  if (raw["output"] === undefined) throw new Error("output is missing; null when absent");
  return raw["output"] === null ? null : value(raw["output"], "output");
}

function flag(raw: Raw): boolean {
  const given = required(raw, "output");
  if (typeof given !== "boolean") throw new Error("output must be true or false");
  return given;
}

function casInput(raw: Raw): CasInput {
  const given = required(raw, "input");
  if (Array.isArray(given) && given.length === 2) {
    return [value(given[0], "the first of input"), value(given[1], "the second of input")];
  }
  if (typeof given === "object" && "from_rev" in given! && "to" in given) {
    return { from_rev: revision(given.from_rev, "from_rev"), to: value(given.to, "to") };
  }
  throw new Error('the input of a cas must be [from,to] or {"from_rev":n,"to":v}');
}
