import type { ClientCommand, TransactionCommand } from "../kv/command.ts";
import type { KeyRange } from "../kv/key-range.ts";
import type { CommandResult, Found, TransactionResult } from "../kv/result.ts";
import type { Order } from "../kv/table.ts";
import type { Change, ChangeRefusal } from "../raft/membership.ts";

/**
 * What an edge asks of a replica, and what it is told. One call carries a batch; the results come
 * in the order of the requests.
 */

/**
 * The versions of batches that this code knows, the oldest first. One is added when requests say more,
 * and code that does not know of it would do something else. Version 1 knows gets, puts and deletes of
 * keys, without conditions and the like; version 2 has all there is. Batches are answered in their own version.
 */
export const clientVersions = [1, 2] as const;

export type ClientVersion = (typeof clientVersions)[number];

/** That of all other bodies between edges and replicas. Raised when one changes so that the other side could not read it. */
export const clientProtocolVersion = 1;

export interface ClientBatch {
  readonly version: ClientVersion;
  readonly requests: readonly ClientRequest[];
}

export type ClientRequest = ReadRequest | ClientCommand;

export type ReadRequest =
  | GetRequest
  | ListRequest
  | CountRequest
  | QueryRequest
  | LeaseRequest
  | OpenViewRequest
  | PageRequest
  | PartRequest
  | RetentionRequest
  | ReadIndexRequest;

/** How old may be what a read shows. */
export type Level =
  /** No older than the read. Unlike a read that names no level, replicas that do not lead answer it too. */
  | { readonly type: "linearizable" }
  /** No older than what somebody has seen: that revision, of that epoch. It is waited for so long, and then asked for. */
  | {
      readonly type: "session";
      readonly epoch: number;
      readonly revision: number;
      readonly maxWaitMs: number;
    }
  /** No older than so long before the read. */
  | { readonly type: "bounded"; readonly maxStalenessMs: number }
  /** Whatever the replica has. */
  | { readonly type: "any" };

/** What a read may say besides what it is about. */
export interface Leveled {
  /** Left out, it is linearizable, and answered by the leader alone. */
  readonly level?: Level;
}

/** A read of what was at an older revision; left out, of what is. */
export interface Dated extends Leveled {
  readonly at?: number;
}

/** What is kept of what is replaced. */
export interface RetentionRequest extends Leveled {
  readonly type: "retention";
}

export interface GetRequest extends Dated {
  readonly type: "get";
  readonly key: string;
  /** Leave the value itself out: for HEAD. */
  readonly metadataOnly: boolean;
}

/** Keys of a range, in order. */
export interface ListRequest extends Dated {
  readonly type: "list";
  readonly range: KeyRange;
  readonly order: Order;
  /** Keys that go on, after the first `length` characters of the key, with this are told as one. */
  readonly fold: { readonly length: number; readonly delimiter: string } | null;
  readonly limit: number;
  /** Whether values are wanted along with what is kept of them. */
  readonly values: boolean;
}

export interface CountRequest extends Dated {
  readonly type: "count";
  readonly range: KeyRange;
}

/** A transaction that changes nothing. */
export interface QueryRequest extends Pick<TransactionCommand, "if" | "then" | "else">, Dated {
  readonly type: "query";
}

export interface LeaseRequest extends Leveled {
  readonly type: "lease";
  readonly lease: string;
}

/** Holds on to the state of one moment, to be read page by page at the replica that opened it. */
export interface OpenViewRequest extends Leveled {
  readonly type: "openView";
}

/** The next rows of an open view. Needs no leader: what it shows was true when it was opened. */
export interface PageRequest {
  readonly type: "page";
  readonly view: string;
  /** What is yet to come. */
  readonly range: KeyRange;
  readonly values: boolean;
}

/** What is asked of one replica only, and cannot have changed. */
export type PieceRequest = PageRequest | PartRequest;

/** A part of a large value, which a get has told of. Needs no leader: what it is never changes. */
export interface PartRequest {
  readonly type: "part";
  readonly upload: string;
  readonly part: number;
}

/**
 * One replica asks the leader: what has to be applied so that a state shows all that is acknowledged by now?
 * What is due to go of `keys`, or of all keys, goes before.
 */
export interface ReadIndexRequest {
  readonly type: "readIndex";
  readonly keys: readonly string[];
  readonly isWide: boolean;
}

export interface ClientBatchResult {
  readonly version: ClientVersion;
  readonly results: readonly ClientResult[];
  readonly servedBy: ServedBy;
  /**
   * The replica's newest command number: the `floor` of requests that are first sent after this.
   */
  readonly sequence: number;
  /** The newest revision of the replica's state, which no result is newer than. Code of version 1 does not say. */
  readonly revision?: number;
}

export interface ServedBy {
  readonly replica: string;
  /** A Cloudflare location hint, or "local". */
  readonly region: string;
  readonly role: string;
  readonly term: number;
  /**
   * How often the group was rebuilt from one replica, counted from 1; left out, it is 1. Revisions of
   * different epochs have nothing to do with each other.
   */
  readonly epoch?: number;
}

export type ClientResult =
  | ReadResult
  | CommandResult
  /** Nothing happened here; ask `leader` if it is known. */
  | { readonly type: "notLeader"; readonly leader: string | null }
  /** Nothing happened: the replica has too much under way. */
  | { readonly type: "dropped" }
  /** Nothing happened: the same, by the client's name for it, is under way. */
  | { readonly type: "inFlight" }
  /** Nothing happened: replicas run code that does not know such requests. */
  | { readonly type: "tooOld" }
  /** The write may or may not take effect. Ask again with the same request id to find out. */
  | { readonly type: "unknown" };

/** What an answer to a read that names a level is worth. */
export interface Shown {
  /** That which the answer has: the one asked for, or a stronger one. */
  readonly level: Level["type"];
  /**
   * How long before the read came the state is known to have been the group's; 0 when it is no older than the
   * read, and null when nothing is known of it.
   */
  readonly stalenessMs: number | null;
}

/** Of what was read; reads that name a level are told what it is worth. */
export type ReadResult = Reading & { readonly shown?: Shown };

export type Reading =
  | ({ readonly type: "value" } & Found)
  /** The key has no value; `revision` is the store's at the time of the read. */
  | { readonly type: "absent"; readonly revision: number }
  | ListResult
  | CountResult
  | TransactionResult
  /** A lease and the keys that live as long as it, the first `maxLeaseKeys` of them. */
  | {
      readonly type: "leaseFound";
      readonly lease: string;
      readonly ttlMs: number;
      readonly expiresMs: number;
      readonly keys: readonly string[];
      readonly revision: number;
    }
  | { readonly type: "noLease"; readonly revision: number }
  /** What is replaced is kept for so long, in ms; `from` is the oldest revision that can be read. */
  | {
      readonly type: "retention";
      readonly keepMs: number | null;
      readonly from: number | null;
      readonly revision: number;
    }
  /** The revision that was asked for is not kept; those from `from` on are, null when only the present is. */
  | { readonly type: "forgotten"; readonly from: number | null; readonly revision: number }
  /** The revision that was asked for is yet to come. */
  | { readonly type: "future"; readonly revision: number }
  | { readonly type: "viewOpened"; readonly view: string; readonly revision: number }
  /** The answer to `readIndex`: who has applied the log up to here shows all there was when it was asked. */
  | { readonly type: "index"; readonly index: number }
  | PageResult
  | PartResult;

export type PartResult =
  | { readonly type: "part"; readonly data: Uint8Array }
  /** The value was replaced some minutes ago. */
  | { readonly type: "noPart" };

export type PageResult =
  | {
      readonly type: "page";
      readonly items: readonly (ListItem & { readonly type: "key" })[];
      /** Null when this was the last page. */
      readonly rest: KeyRange | null;
    }
  /** It was closed, or the replica has started again since. */
  | { readonly type: "noView" };

export interface ListResult {
  readonly type: "listed";
  readonly items: readonly ListItem[];
  /** Where to go on: the rest of the range. Null when there is no more. */
  readonly rest: KeyRange | null;
  readonly revision: number;
  /** Whether what comes after it can be read as of the same revision. */
  readonly isKept: boolean;
}

export type ListItem =
  | { readonly type: "key"; readonly key: string; readonly found: Found }
  /** There are keys that begin so. */
  | { readonly type: "prefix"; readonly prefix: string };

export interface CountResult {
  readonly type: "counted";
  readonly count: number;
  readonly rest: KeyRange | null;
  readonly revision: number;
}

export type StatusResult =
  /** This object has never been part of the group. */
  | { readonly type: "uninitialised" }
  /** This object once was part of the group; then these were, as far as it knows. */
  | { readonly type: "left"; readonly id: string; readonly members: readonly Member[] }
  | ({ readonly type: "status" } & ReplicaStatus);

export interface ReplicaStatus {
  readonly id: string;
  readonly region: string;
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  readonly commitIndex: number;
  readonly lastApplied: number;
  /** The oldest entry that the log still has, and the newest; one more than that when it has none. */
  readonly firstLogIndex: number;
  readonly lastLogIndex: number;
  /** What the log takes in storage, about. */
  readonly logBytes: number;
  readonly revision: number;
  readonly stateHash: string;
  /** Whether the state was found to be another than that of the group, so that it serves nothing. */
  readonly diverged: boolean;
  /** Who belongs to the group as this replica knows it, and the entry of the log that says so. */
  readonly members: readonly MemberStatus[];
  /** Those that voted before, while voters change, some of which still will: a majority of them is needed too. */
  readonly outgoing?: readonly string[];
  readonly membersIndex: number;
  /** The id that the next new member gets. */
  readonly nextId: string;
  /** How often the group was rebuilt from one replica, from 1. */
  readonly epoch: number;
  /** The term of the newest entry: with its index it says who has the most. */
  readonly lastLogTerm: number;
}

export interface Member {
  readonly id: string;
  readonly region: string;
}

export interface MemberStatus extends Member {
  /** A learner gets a vote when it has caught up; who is leaving has one until the others have agreed. */
  readonly role: "voter" | "learner" | "leaving";
  /** Whose place a learner takes then; null when it comes in addition. */
  readonly replaces: string | null;
}

export interface TransferRequest {
  readonly version: typeof clientProtocolVersion;
  /** The id of the replica that is to lead. */
  readonly to: string;
}

export type TransferResult =
  /** It is told to stand as soon as it has all there is; whether it leads then will show. */
  | { readonly type: "started" }
  /** Nothing happens: this replica does not know what the other has, or does not reach it. */
  | { readonly type: "notReady" }
  /** Nothing happens: this replica does not lead. */
  | { readonly type: "notLeader"; readonly leader: string | null };

export interface ChangeRequest {
  readonly version: typeof clientProtocolVersion;
  readonly change: Change;
}

export type ChangeResult =
  /** It has begun for good, and goes on by itself. `id` is that of the new member, or of the one that goes. */
  | { readonly type: "begun"; readonly id: string }
  /** Nothing happens, now or later. */
  | { readonly type: "refused"; readonly reason: ChangeRefusal }
  /** Nothing happens now: another change is under way, or the leader has to hand over first. */
  | { readonly type: "dropped" }
  /** Nothing happens now: these run code that knows no change, and could follow no further. */
  | { readonly type: "tooOld"; readonly ids: readonly string[] }
  | { readonly type: "notLeader"; readonly leader: string | null }
  /** It may have begun or not. */
  | { readonly type: "unknown" };

export interface RebuildRequest {
  readonly version: typeof clientProtocolVersion;
  /** The epoch that is given up. Who is beyond it already does nothing. */
  readonly epoch: number;
}

export type RebuildResult =
  /** It is the only voter now, of this epoch. */
  | { readonly type: "rebuilt"; readonly epoch: number }
  /** Nothing happens: it leads, or belongs to no group. */
  | { readonly type: "refused" };

export interface RetireRequest {
  readonly version: typeof clientProtocolVersion;
  /** The epoch that the group has reached. */
  readonly epoch: number;
  /** Who belongs to it. */
  readonly members: readonly Member[];
}

/**
 * The name of the Durable Object that is replica `id` of a namespace. Ids are never reused, so a
 * name stands for one history.
 */
export const objectName = (namespace: string, id: string): string => `${namespace}/${id}`;
