import type { Digest, Verdict } from "./digests.ts";
import type { Configuration, Left, Member } from "./membership.ts";
import type { Entry, EntryId, LogIndex, NodeId, Term } from "./types.ts";

/** What replicas of one group say to each other: one union on `type`. */
export type Message =
  | PreVoteRequest
  | PreVoteResponse
  | RequestVoteRequest
  | RequestVoteResponse
  | AppendEntriesRequest
  | AppendEntriesResponse
  | InstallSnapshotRequest
  | InstallSnapshotResponse
  | TimeoutNowRequest;

export type MessageType = Message["type"];

interface Header {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's term, but for pre-votes: see there. */
  readonly term: Term;
}

/** Asks whether an election could be won, without disturbing anyone's term (thesis, 9.6). */
export interface PreVoteRequest extends Header {
  readonly type: "preVoteRequest";
  /** The term the sender would stand in: one above its own. */
  readonly term: Term;
  /** The end of the sender's log. */
  readonly last: EntryId;
}

export interface PreVoteResponse extends Header {
  readonly type: "preVoteResponse";
  /** When granted, the term that was asked for; when not, the answering replica's own. */
  readonly term: Term;
  readonly granted: boolean;
  /** The receiver has left the group, and need not ask again; others that it may not know of go on. */
  readonly left?: Left;
  /** The answering one has left, as it seems before the receiver: these went on, and know more. */
  readonly others?: readonly Member[];
}

export interface RequestVoteRequest extends Header {
  readonly type: "requestVoteRequest";
  /** The end of the candidate's log. */
  readonly last: EntryId;
  /** The leader itself has asked the candidate to stand, so there is nobody to protect from it. */
  readonly isTransfer: boolean;
}

export interface RequestVoteResponse extends Header {
  readonly type: "requestVoteResponse";
  readonly granted: boolean;
}

/** Carries entries; without any it is a heartbeat, a probe, or a round of ReadIndex. */
export interface AppendEntriesRequest extends Header {
  readonly type: "appendEntriesRequest";
  /** The entry right before `entries`: the follower must hold it, or it refuses. */
  readonly prev: EntryId;
  readonly entries: readonly Entry[];
  readonly leaderCommit: LogIndex;
  /**
   * The newest ReadIndex round the leader has begun; the answer echoes it. Never reused within a
   * term.
   */
  readonly round: number;
  /** What the group says of the state at the newest index that enough have spoken of. */
  readonly verdict?: Verdict;
  /** The mark: the leader wants to sleep, and the receiver may, if it has all of the log, committed and applied. */
  readonly sleep?: true;
}

export interface AppendEntriesResponse extends Header {
  readonly type: "appendEntriesResponse";
  readonly round: number;
  /** The sender sleeps from now on. Replicas that do not know the mark never say so. */
  readonly asleep?: true;
  readonly result: AppendResult;
  /** The follower's newest. */
  readonly digest?: Digest;
  /** The follower's state has diverged, and was found to at this index: it needs another. */
  readonly diverged?: LogIndex;
  /** How often that has been so, and has ended. An answer that says less is late: see AuditRecord. */
  readonly changes?: number;
}

export type AppendResult =
  /**
   * The follower's log equals the leader's up to `matchIndex`, durably. Never more than the request
   * proved.
   */
  | { readonly type: "accepted"; readonly matchIndex: LogIndex }
  /**
   * `prevIndex` did not match. `hint` is the last entry that may: at or before it, with a term no
   * newer than the leader's.
   */
  | { readonly type: "conflict"; readonly prevIndex: LogIndex; readonly hint: EntryId }
  /** The request came from a term that has passed; the header's term is the newer one. */
  | { readonly type: "stale" };

/**
 * Carries one chunk of the leader's state to a follower that lacks entries which the leader's log has
 * let go of (paper, 7). One is under way to a follower at a time.
 */
export interface InstallSnapshotRequest extends Header {
  readonly type: "installSnapshotRequest";
  /** The last entry that the whole snapshot stands for. */
  readonly snapshot: EntryId;
  /** Who belongs to the group as of that entry. */
  readonly configuration: Configuration;
  /** Which attempt of this leader it belongs to. They rise, and none is used twice in a term. */
  readonly shipment: number;
  /** Its place among the chunks of the shipment, from 0. */
  readonly chunk: number;
  readonly data: Uint8Array;
  readonly isLast: boolean;
}

export interface InstallSnapshotResponse extends Header {
  readonly type: "installSnapshotResponse";
  readonly shipment: number;
  readonly chunk: number;
  readonly result: SnapshotResult;
}

export type SnapshotResult =
  /** The chunk is durable; the next one may come. */
  | { readonly type: "stored" }
  /** The chunks before this one are not there: begin a new shipment. */
  | { readonly type: "restart" }
  /**
   * The follower's log equals the leader's up to `matchIndex`, durably: the snapshot is in place, or is
   * not needed.
   */
  | { readonly type: "accepted"; readonly matchIndex: LogIndex }
  /** The request came from a term that has passed; the header's term is the newer one. */
  | { readonly type: "stale" };

/** Asks a follower that has the whole log to stand for election at once (thesis, 3.10). */
export interface TimeoutNowRequest extends Header {
  readonly type: "timeoutNowRequest";
  /**
   * The end of the leader's log. Of a follower whose log ends elsewhere it comes too late; left out by
   * replicas of peer version 1.
   */
  readonly last?: EntryId;
}

/**
 * Whether a message from a newer term moves the receiver there. A pre-vote and its grant speak of a
 * term nobody is in yet.
 */
export function bindsTerm(message: Message): boolean {
  if (message.type === "preVoteRequest") return false;
  return !(message.type === "preVoteResponse" && message.granted);
}
