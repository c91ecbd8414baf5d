import type { Condition, KeyCondition } from "./condition.ts";
import type { KeyRange } from "./key-range.ts";
import type { LargeValue } from "./table.ts";

/** What the log carries. */
export type Command = ClientCommand | TickCommand | AdvanceCommand;

/** One write that a client asked for. */
export type ClientCommand =
  | PutCommand
  | DeleteCommand
  | DeleteRangeCommand
  | TransactionCommand
  | GrantCommand
  | KeepAliveCommand
  | RevokeCommand
  | LockCommand
  | UnlockCommand
  | StageCommand
  | RestoreCommand
  | RetainCommand;

interface Request {
  /**
   * The edge's name for this request, kept over its retries: a command takes effect at most once for
   * each.
   */
  readonly requestId: string;
  /**
   * A sequence number of the state machine that the edge had seen when it first sent the request:
   * see request-window.ts.
   */
  readonly floor: number;
  /** The client's own name for it, kept over the client's retries: see outcomes.ts. */
  readonly idempotency?: Idempotency;
}

export interface Idempotency {
  readonly name: string;
  /** What was asked for under the name; another request has another. */
  readonly fingerprint: string;
}

/** A value as somebody wants it kept. */
export interface NewValue {
  /** Empty where it is large. */
  readonly value: Uint8Array;
  /** Where the value is that was staged before; left out where it is not large. */
  readonly large?: LargeValue;
  readonly contentType: string | null;
  /** JSON text, of ASCII characters. */
  readonly metadata?: string;
  /** When it goes by itself; left out, never. */
  readonly expiry?: Expiry;
}

export type Expiry =
  /** So long after the command is applied. */
  | { readonly type: "ttl"; readonly ttlMs: number }
  /** At a moment, in ms since 1970. */
  | { readonly type: "at"; readonly expiresMs: number }
  /** With a lease. */
  | { readonly type: "lease"; readonly lease: string };

export interface PutCommand extends Request, NewValue {
  readonly type: "put";
  /** Well-formed Unicode: see protocol/limits.ts. */
  readonly key: string;
  readonly condition?: Condition;
}

export interface DeleteCommand extends Request {
  readonly type: "delete";
  readonly key: string;
  readonly condition?: Condition;
}

/** Deletes the first keys of a range, as many as the limit says. */
export interface DeleteRangeCommand extends Request {
  readonly type: "deleteRange";
  readonly range: KeyRange;
  readonly limit: number;
}

/** If all conditions hold, one list of operations, else the other: at one revision, wholly or not at all. */
export interface TransactionCommand extends Request {
  readonly type: "transaction";
  readonly if: readonly KeyCondition[];
  readonly then: readonly Operation[];
  readonly else: readonly Operation[];
}

export type Operation =
  | { readonly type: "get"; readonly key: string }
  | ({ readonly type: "put"; readonly key: string } & NewValue)
  | { readonly type: "delete"; readonly key: string }
  /** Deletes all of a range; refused if all of those in a transaction come to more than `maxRangeKeys`. */
  | { readonly type: "deleteRange"; readonly range: KeyRange }
  /** Adds to a whole number in decimal digits; an absent key counts as 0. What else is kept of it stays. */
  | { readonly type: "increment"; readonly key: string; readonly by: number };

/** A lease is what many keys live as long as. */
export interface GrantCommand extends Request {
  readonly type: "grant";
  readonly ttlMs: number;
}

/** Lets a lease live for its whole time once more. */
export interface KeepAliveCommand extends Request {
  readonly type: "keepAlive";
  readonly lease: string;
}

/** Ends a lease, and the keys with it. */
export interface RevokeCommand extends Request {
  readonly type: "revoke";
  readonly lease: string;
}

/** Puts a key that has no value, with a new lease: who holds the lease holds the lock. */
export interface LockCommand extends Request {
  readonly type: "lock";
  readonly key: string;
  readonly value: Uint8Array;
  readonly contentType: string | null;
  readonly ttlMs: number;
}

/** Gives a lock up, if it is still that of the token: its key goes, and its lease with it. */
export interface UnlockCommand extends Request {
  readonly type: "unlock";
  readonly key: string;
  /** The revision that the lock was got at. */
  readonly token: number;
}

/** A part of a large value that a put will want. */
export interface StageCommand extends Request {
  readonly type: "stage";
  readonly upload: string;
  /** From 0; all but the last have `partBytes`. */
  readonly part: number;
  readonly data: Uint8Array;
}

/**
 * What comes is a restored state: its revisions begin where none has been, so that whoever knows one of
 * before finds nothing under it.
 */
export interface RestoreCommand extends Request {
  readonly type: "restore";
}

/** From now on what is replaced is kept for so long; null: not at all. */
export interface RetainCommand extends Request {
  readonly type: "retain";
  readonly keepMs: number | null;
}

/**
 * What time it is, in ms since 1970, for the commands behind it: the only clock that state machines know.
 * What is due by then goes.
 */
export interface TickCommand {
  readonly type: "tick";
  readonly nowMs: number;
  /** Somebody waits for these to go, if they are due: they go before others. */
  readonly keys?: readonly string[];
}

/**
 * Revisions go on from here. The group was rebuilt, and those up to here may have been given to something
 * that is lost.
 */
export interface AdvanceCommand {
  readonly type: "advance";
  readonly revision: number;
}

/** What a part of a large value has, but for the last, in bytes. */
export const partBytes = 512 * 1024;

/** Keys that one command deletes at most. */
export const maxRangeKeys = 1000;

export function isOfClient(command: Command): command is ClientCommand {
  return command.type !== "tick" && command.type !== "advance";
}

/** Whether what a command does depends on what time it is. */
export function isTimed(command: ClientCommand): boolean {
  switch (command.type) {
    case "grant":
    case "keepAlive":
    case "revoke":
    case "lock":
    case "unlock":
    case "stage":
      return true;
    case "retain":
      return true;
    case "restore":
      return command.idempotency !== undefined;
    case "put":
      return command.idempotency !== undefined || command.expiry !== undefined;
    case "delete":
    case "deleteRange":
      return command.idempotency !== undefined;
    case "transaction":
      return (
        command.idempotency !== undefined ||
        [...command.then, ...command.else].some(isTimedOperation)
      );
  }
}

const isTimedOperation = (operation: Operation): boolean =>
  operation.type === "put" && operation.expiry !== undefined;

/** Whether code that knows nothing but puts and deletes of keys takes a command for what it is. */
export function isPlain(command: Command): boolean {
  if (command.type !== "put" && command.type !== "delete") return false;
  const { condition, idempotency } = command;
  if (condition !== undefined || idempotency !== undefined) return false;
  return (
    command.type === "delete" ||
    !("metadata" in command || "expiry" in command || "large" in command)
  );
}
