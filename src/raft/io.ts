import type { AuditRecord } from "./audit.ts";
import type { Digest } from "./digests.ts";
import type { Change, Configuration } from "./membership.ts";
import type { Message } from "./messages.ts";
import type { Entry, EntryId, HardState, LogIndex, NodeId } from "./types.ts";

/**
 * Everything that enters the core. Time is a field of every input: the core has no clock, and
 * nothing in it counts ticks, since an alarm may be late, early or doubled. `nowMs` must not run
 * backwards (see replica/clock.ts).
 */
export type Input = { readonly nowMs: number } & (
  | { readonly type: "time" }
  | { readonly type: "receive"; readonly message: Message }
  /**
   * One entry per proposal. `id` names it to the host; every proposal ends exactly once, in `done`
   * or `failed`.
   */
  | { readonly type: "propose"; readonly proposals: readonly Proposal[] }
  /**
   * Asks for an index at which a linearizable read may be served. Ends exactly once, in `reads` or
   * `failed`.
   */
  | { readonly type: "read"; readonly id: RequestId }
  /** Stand for election now, if a voter and not leading. */
  | { readonly type: "campaign" }
  /** The batch of that number, and so every earlier one, is durable. */
  | { readonly type: "persisted"; readonly batch: number }
  /**
   * The state machine has applied every entry up to `index`. `digests` are those of the agreed indexes
   * among these entries, in order.
   */
  | { readonly type: "applied"; readonly index: LogIndex; readonly digests: readonly Digest[] }
  /**
   * The log may let go of its entries up to `index`, but for what has not been applied or what a
   * follower still takes from it. Up to `forced` it must, whatever followers take.
   */
  | { readonly type: "compact"; readonly index: LogIndex; readonly forced: LogIndex }
  /** A message to `node` was not delivered, or its answer was lost; one with a chunk of a snapshot, or not. */
  | { readonly type: "unreachable"; readonly node: NodeId; readonly lostChunk: boolean }
  /**
   * Let others belong to the group. Ends exactly once, in `done` or `failed`: as soon as the change has
   * begun for good, which a new leader then ends if this one can't.
   */
  | { readonly type: "change"; readonly id: RequestId; readonly change: Change }
  /**
   * The others are lost, and with them the quorum: go on alone, with what is in this replica's log. What
   * was committed without it is lost.
   */
  | { readonly type: "rebuild" }
  /** Hand the leadership to another voter. Shows in who leads, soon or not at all. */
  | { readonly type: "transfer"; readonly to: NodeId }
  /** Somebody waits for a leader, and cannot find one. */
  | { readonly type: "poke" }
);

/** Whether somebody outside of the group wants something. */
export const isWish = ({ type }: Input): boolean =>
  type === "propose" ||
  type === "read" ||
  type === "poke" ||
  type === "transfer" ||
  type === "change";

/** Where the core finds the state to send to followers that need it whole. Reads are synchronous. */
export interface SnapshotSource {
  /** Holds on to the state as it is now. Writes go on, and do not show in what is read of it. */
  open(): SnapshotExport;
}

/** The state of one moment, in chunks. */
export interface SnapshotExport {
  /** The last entry that had been applied. */
  readonly index: LogIndex;
  /** One chunk: the one read last, or the next. */
  read(place: number): { readonly data: Uint8Array; readonly isLast: boolean };
  /** Lets go of it. */
  close(): void;
}

/** The host's name for a proposal or a read; unique among those under way. */
export type RequestId = number;

export interface Proposal {
  readonly id: RequestId;
  readonly data: Uint8Array;
}

/**
 * Everything that leaves the core in one step: plain values, in the order in which the host must
 * carry them out.
 */
export interface Output {
  /**
   * Need no durability of this step: to be sent before `persist` is written, so that no output gate
   * holds them.
   */
  readonly sendNow: readonly Message[];
  /** To be written in one transaction, in the order of the batches. */
  readonly persist: Persist | null;
  /** Only to be sent once this `persist` and every earlier one are durable. */
  readonly sendAfterPersist: readonly Message[];
  /** Committed entries to apply, in order; the next range comes only after the input `applied`. */
  readonly apply: readonly Entry[];
  /** Proposals whose entry is in `apply`: their result is that of applying it. */
  readonly done: readonly { readonly id: RequestId; readonly index: LogIndex }[];
  /** Reads that may be served as soon as the state machine has applied `index`. */
  readonly reads: readonly { readonly id: RequestId; readonly index: LogIndex }[];
  readonly failed: readonly Failure[];
  /**
   * When the core next wants an input of any kind, at the latest; null when nothing is due ever.
   */
  readonly wakeAtMs: number | null;
}

export interface Persist {
  /** 1, 2, 3 … in the order in which the batches must become durable. */
  readonly batch: number;
  /** Present when term or vote changed. */
  readonly hardState: HardState | null;
  /** A chunk of a snapshot, to be laid aside. The first one drops what was laid aside before. */
  readonly chunk: { readonly place: number; readonly data: Uint8Array } | null;
  /**
   * Put the snapshot whose chunks are laid aside in the place of all state and of the whole log, which
   * then begins after this entry.
   */
  readonly install: Snapshot | null;
  /**
   * Put the snapshot whose chunks are laid aside in the place of all state, which had diverged, and leave
   * the log as it is: entries after this one are applied again.
   */
  readonly repair: EntryId | null;
  /** Present when it changed. */
  readonly audit: AuditRecord | null;
  /** Let the log begin after this entry, which is applied. */
  readonly compactTo: EntryId | null;
  /** Remove entries from this index on before appending; null when nothing is removed. */
  readonly truncateFrom: LogIndex | null;
  readonly entries: readonly Entry[];
}

/** What a snapshot stands for: all up to this entry, and who belonged to the group then. */
export interface Snapshot extends EntryId {
  readonly configuration: Configuration;
}

export interface Failure {
  readonly id: RequestId;
  /**
   * `not_leader`: surely nothing happened, ask `leader` (null when not known).
   * `dropped`: surely nothing happened, too much is under way here already; try again.
   * `unknown`: the entry may or may not commit under another leader.
   */
  readonly reason: "not_leader" | "dropped" | "unknown";
  readonly leader: NodeId | null;
}
