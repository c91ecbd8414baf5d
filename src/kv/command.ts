/** What the log carries: one write that a client asked for. */
export type Command = PutCommand | DeleteCommand;

interface Request {
  /**
   * The client's name for this request, kept over retries: a command takes effect at most once for
   * each.
   */
  readonly requestId: string;
  /**
   * A sequence number of the state machine that the client had seen when it first sent the request:
   * see request-window.ts.
   */
  readonly floor: number;
  /** Well-formed Unicode: see protocol/limits.ts. */
  readonly key: string;
}

export interface PutCommand extends Request {
  readonly type: "put";
  readonly value: Uint8Array;
  readonly contentType: string | null;
}

export interface DeleteCommand extends Request {
  readonly type: "delete";
}

export type CommandResult =
  /** The key has the new value. `created` tells whether it had none before. */
  | { readonly type: "put"; readonly created: boolean; readonly revision: number }
  /**
   * The key has no value now. `deleted` tells whether it had one; `revision` is that of the delete,
   * or else the current one.
   */
  | { readonly type: "deleted"; readonly deleted: boolean; readonly revision: number }
  /** This attempt was not applied, and whether an earlier one was is no longer on record. */
  | { readonly type: "expired" };
