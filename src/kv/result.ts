import type { LargeValue } from "./table.ts";

/** What became of a command. */
export type CommandResult = DirectResult | Replayed;

/** What became of a command that was carried out. */
export type DirectResult =
  /** The key has the new value. `created` tells whether it had none before. */
  | { readonly type: "put"; readonly created: boolean; readonly revision: number }
  /**
   * The key has no value now. `deleted` tells whether it had one; `revision` is that of the delete,
   * or else the current one.
   */
  | { readonly type: "deleted"; readonly deleted: boolean; readonly revision: number }
  /** Nothing was changed: the key has the value of revision `current`, or none, where another was wanted. */
  | { readonly type: "mismatch"; readonly current: number | null; readonly revision: number }
  | RangeDeleted
  | TransactionResult
  /** A lease, new or kept alive, and when it ends, in ms since 1970. */
  | {
      readonly type: "lease";
      readonly lease: string;
      readonly ttlMs: number;
      readonly expiresMs: number;
    }
  /** The lock is held; `revision` is its fencing token. */
  | {
      readonly type: "locked";
      readonly lease: string;
      readonly ttlMs: number;
      readonly expiresMs: number;
      readonly revision: number;
    }
  /** A part of a large value is here. */
  | { readonly type: "staged" }
  /** What is replaced is kept for so long from now on; states from `from` on can be read. */
  | {
      readonly type: "retained";
      readonly keepMs: number | null;
      readonly from: number | null;
      readonly revision: number;
    }
  /** Revisions go on from this one. */
  | { readonly type: "restored"; readonly revision: number }
  /** The lease is no more, nor are the keys that were its. */
  | { readonly type: "revoked"; readonly deleted: number; readonly revision: number }
  /** Nothing was changed: the command cannot be carried out. */
  | Refused
  /** Nothing was changed: the client's name for it stands for another request. */
  | { readonly type: "reused" }
  /** This attempt was not applied, and whether an earlier one was is no longer on record. */
  | { readonly type: "expired" };

/** The client asked for this before, and this became of it then. */
export interface Replayed {
  readonly type: "replayed";
  readonly result: DirectResult;
}

export interface RangeDeleted {
  readonly type: "rangeDeleted";
  readonly deleted: number;
  /** Whether there were more keys than the limit let go, so that some are left. */
  readonly isMore: boolean;
  readonly revision: number;
}

export interface TransactionResult {
  readonly type: "transaction";
  readonly succeeded: boolean;
  /** The places of the conditions that did not hold. */
  readonly failed: readonly number[];
  /** That of all its changes, or else the current one. */
  readonly revision: number;
  /** One for each operation of the list that was chosen. */
  readonly results: readonly OperationResult[];
}

export type OperationResult =
  | { readonly type: "get"; readonly found: Found | null }
  /** It was the value of this revision, of which no more is known: it has been replaced since. */
  | { readonly type: "replaced"; readonly revision: number }
  | { readonly type: "put"; readonly created: boolean }
  | { readonly type: "deleted"; readonly deleted: number }
  | { readonly type: "incremented"; readonly value: number };

/** A value with all that is kept of it. */
export interface Found {
  /** Null when it is left out: only metadata was asked for, or there is too much of it. */
  readonly value: Uint8Array | null;
  readonly size: number;
  /** Where the value is, if it is in parts. */
  readonly large: LargeValue | null;
  readonly contentType: string | null;
  readonly metadata: string | null;
  readonly expiresMs: number | null;
  readonly lease: string | null;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

export interface Refused {
  readonly type: "refused";
  readonly reason: Refusal;
  /** The operation of a transaction that it was for. */
  readonly at: number | null;
}

export type Refusal =
  /** There is no such lease, or no longer. */
  | "no_lease"
  /** What is to be counted up is no whole number in decimal digits. */
  | "not_a_number"
  /** It would become a number that cannot be told exactly. */
  | "out_of_range"
  /** It would delete more keys than one command may. */
  | "too_many_keys"
  /** There are as many leases as there may be. */
  | "too_many_leases"
  /** As many large values as may be are on their way in. */
  | "too_many_uploads"
  /** Parts of the large value are missing: they came too slowly. */
  | "no_upload";

export const refused = (reason: Refusal, at: number | null = null): Refused => ({
  type: "refused",
  reason,
  at,
});
