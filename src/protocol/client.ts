import type { Command, CommandResult } from "../kv/command.ts";
import type { Change, ChangeRefusal } from "../raft/membership.ts";

/**
 * What an edge asks of a replica, and what it is told. One call carries a batch; the results come
 * in the order of the requests.
 */

/** Raised when a body changes so that the other side could not read it. */
export const clientProtocolVersion = 1;

export interface ClientBatch {
  readonly version: typeof clientProtocolVersion;
  readonly requests: readonly ClientRequest[];
}

export type ClientRequest = ReadRequest | Command;

export interface ReadRequest {
  readonly type: "get";
  readonly key: string;
  /** Leave the value itself out: for HEAD. */
  readonly metadataOnly: boolean;
}

export interface ClientBatchResult {
  readonly version: typeof clientProtocolVersion;
  readonly results: readonly ClientResult[];
  readonly servedBy: ServedBy;
  /**
   * The replica's newest command number: the `floor` of requests that are first sent after this.
   */
  readonly sequence: number;
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
  /** The write may or may not take effect. Ask again with the same request id to find out. */
  | { readonly type: "unknown" };

export type ReadResult =
  | {
      readonly type: "value";
      /** Null when only metadata was asked for. */
      readonly value: Uint8Array | null;
      readonly size: number;
      readonly contentType: string | null;
      readonly createRevision: number;
      readonly modRevision: number;
      readonly version: number;
    }
  /** The key has no value; `revision` is the store's at the time of the read. */
  | { readonly type: "absent"; readonly revision: number };

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
