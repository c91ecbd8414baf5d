import { unreachable } from "../../src/raft/assert.ts";
import type { CasInput, Operation, Value } from "./operation.ts";

/** An operation as one line: `c1 put k=v [10..20] ok rev 7`. */
export function describeOperation(operation: Operation): string {
  const { client, op, call, status, rev } = operation;
  const end = Number.isFinite(operation.return) ? operation.return : "";
  const seen = rev === undefined ? "" : ` rev ${rev}`;
  return `${client} ${op} ${describeCore(operation)} [${call}..${end}] ${status}${seen}`;
}

/** A value, or its absence; what could be misread is quoted. */
export function describeValue(value: Value | null): string {
  if (value === null) return "nothing";
  if (typeof value === "number") return String(value);
  return /^[\w.:/-]+$/.test(value) ? value : JSON.stringify(value);
}

function describeCore(operation: Operation): string {
  const { key } = operation;
  switch (operation.op) {
    case "put":
      return `${key}=${describeValue(operation.input)}`;
    case "get":
      return key + (operation.status === "ok" ? ` -> ${describeValue(operation.output!)}` : "");
    case "delete":
      return key + outcome(operation.output);
    case "cas":
      return `${key} ${describeCas(operation.input)}${outcome(operation.output)}`;
    default:
      return unreachable(operation);
  }
}

const outcome = (output: boolean | undefined): string =>
  output === undefined ? "" : ` -> ${output}`;

function describeCas(input: CasInput): string {
  if ("to" in input) return `rev ${input.from_rev} to ${describeValue(input.to)}`;
  return `${describeValue(input[0])} to ${describeValue(input[1])}`;
}
