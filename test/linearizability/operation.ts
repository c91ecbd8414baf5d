/**
 * Whether an operation took effect. `ok`: it was answered. `fail`: it did not, and never will.
 * `info`: nobody knows; it may take effect at any moment after its call, or never.
 */
export type Status = "ok" | "fail" | "info";

/** A value as histories hold it. No two writes to a key write the same one. */
export type Value = string | number;

interface Common {
  readonly client: string;
  readonly key: string;
  /**
   * When the client asked and when it stopped waiting, in ns of one monotonic clock; both ends
   * belong to the operation, so two that touch are concurrent. After an `info`, `return` only says
   * when the client went on to something else; Infinity, written as null, when it never did.
   */
  readonly call: number;
  readonly return: number;
  readonly status: Status;
  /**
   * The revision that a write got, or that of the value a read found. A get, delete or refused cas
   * that changed nothing and found no value gives the store's revision at that moment.
   */
  readonly rev?: number;
}

export interface Get extends Common {
  readonly op: "get";
  /** The value, null when absent. Here and below, only an `ok` operation has an output. */
  readonly output?: Value | null;
}

export interface Put extends Common {
  readonly op: "put";
  readonly input: Value;
}

export interface Delete extends Common {
  readonly op: "delete";
  /** Whether there was something to delete. */
  readonly output?: boolean;
}

export interface Cas extends Common {
  readonly op: "cas";
  readonly input: CasInput;
  /** Whether the condition held, and the value was written. */
  readonly output?: boolean;
}

/**
 * What must be there, and what shall be: a value and its successor, or the revision of the value
 * that is to be replaced, 0 when there must be none.
 */
export type CasInput =
  | readonly [from: Value, to: Value]
  | { readonly from_rev: number; readonly to: Value };

/**
 * What one client saw of one request, and a line of a history file:
 *
 * ```
 * {"client":"c1","op":"put","key":"k","input":"a","call":1,"return":2,"status":"ok","rev":7}
 * {"client":"c2","op":"get","key":"k","output":"a","call":3,"return":4,"status":"ok","rev":7}
 * {"client":"c1","op":"cas","key":"k","input":["a","b"],"output":true,"call":5,"return":6,"status":"ok"}
 * {"client":"c1","op":"cas","key":"k","input":{"from_rev":0,"to":"c"},"call":7,"return":9,"status":"info"}
 * {"client":"c2","op":"delete","key":"k","output":true,"call":8,"return":9,"status":"ok"}
 * ```
 */
export type Operation = Get | Put | Delete | Cas;

/** The value that an operation writes if it takes effect; null for one that writes none. */
export function writtenValue(operation: Operation): Value | null {
  switch (operation.op) {
    case "put":
      return operation.input;
    case "cas":
      return "to" in operation.input ? operation.input.to : operation.input[1];
    case "get":
    case "delete":
      return null;
  }
}

/** Whether an operation was answered and changed its key. */
export function changedKey(operation: Operation): boolean {
  if (operation.status !== "ok" || operation.op === "get") return false;
  return operation.op === "put" || operation.output === true;
}

/** An operation of which only `status` is known any more. */
export function withoutAnswer(operation: Operation, status: "info" | "fail"): Operation {
  const { rev: _, ...open } = operation;
  if (open.op === "put") return { ...open, status };
  const { output: __, ...rest } = open;
  return { ...rest, status };
}
