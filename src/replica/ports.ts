import type { RevisionChanges } from "../kv/changes.ts";
import type { HistoryTable } from "../kv/history.ts";
import type { MachineState } from "../kv/state-machine.ts";
import type { RequestRecord } from "../kv/request-window.ts";
import type { OutcomeTable } from "../kv/outcomes.ts";
import type { KvTable, LeaseTable } from "../kv/table.ts";
import type { UploadTable } from "../kv/uploads.ts";
import type { ReadIndexRequest } from "../protocol/client.ts";
import type { AuditRecord } from "../raft/audit.ts";
import type { RowsView } from "./chunked-export.ts";
import type { Persist, SnapshotExport } from "../raft/io.ts";
import type { LogReader } from "../raft/log.ts";
import type { Message } from "../raft/messages.ts";
import type { HardState, LogIndex, NodeId } from "../raft/types.ts";

/**
 * What the driver needs from the world. Production gives it a Durable Object; tests and the
 * simulator give it their own.
 */

/**
 * Durable state. All writes between two awaits become durable together or not at all, in the order
 * of the turns. Whatever leaves the replica after a write is held until that write is durable (the
 * output gate).
 */
export interface Storage {
  readonly hardState: HardState;
  readonly log: StoredLog;
  /** What is known of how the state compares with that of others. */
  readonly audit: AuditRecord;
  /**
   * Writes a batch: the hard state, then what it says of snapshots, then a cut of the log, then entries.
   *
   * @throws when a snapshot is to be installed whose chunks are not there or are not of this format.
   */
  persist(persist: Persist): void;
  /**
   * Holds on to all that `persist` could install elsewhere, as it is now, while writes go on.
   *
   * @param state the state machine's counters, which may be newer than those stored last.
   */
  openExport(state: MachineState): SnapshotExport;
  /** Holds on to the rows as they are now, while writes go on. Ends with the instance. */
  openView(state: MachineState): RowsView;
  readonly table: KvTable;
  readonly leases: LeaseTable;
  readonly uploads: UploadTable;
  readonly history: HistoryTable;
  readonly outcomes: OutcomeTable;
  readonly machineState: MachineState;
  /** The request records stored last, oldest first; at least those of the window. */
  requestRecords(): Iterable<RequestRecord>;
  /**
   * Stores the state machine's counters, new request records and what was changed. In one turn with the
   * table's writes that they belong to.
   */
  saveMachine(
    state: MachineState,
    records: readonly RequestRecord[],
    changes: readonly RevisionChanges[],
  ): void;
  /** What was changed after a revision, the oldest first: some of it at a time, or nothing when there is no more. */
  changesAfter(revision: number): ChangesAfter;
  /**
   * Resolves when everything written so far is durable. Never does on an instance that has been
   * replaced.
   */
  durable(): Promise<void>;
}

export type ChangesAfter =
  | { readonly type: "changes"; readonly changes: readonly RevisionChanges[] }
  /** Some of it is not kept any more; all that came after this revision is. */
  | { readonly type: "compacted"; readonly revision: number };

/** A log that knows how much room it takes. */
export interface StoredLog extends LogReader {
  /** Bytes of what is stored, about. */
  readonly bytes: number;
  /** The last entry that may go so that about the newest `bytes` stay; that of `base` when none may. */
  indexBefore(bytes: number): LogIndex;
}

/** The replica's only timer. */
export interface Wake {
  /**
   * Sees to it that the driver is called at `atMs` or a little before or after; null when nothing
   * is due.
   */
  arm(atMs: number | null): void;
}

/** The way to the other replicas. Delivers at most once, late, out of order or never. */
export interface Peers {
  /**
   * Sends now: what the messages say must leave before anything that is written after this call.
   */
  send(to: NodeId, messages: readonly Message[]): void;
  /** Whether a peer is known to run older code, which does not know all commands: they wait until it shows that it does. */
  keepsWaiting(node: NodeId): boolean;
  /** Asks a leader. Null when it does not lead, or its answer is lost, or too late. */
  readIndex(leader: NodeId, request: ReadIndexRequest): Promise<ConfirmedIndex | null>;
}

/** What the log had to be applied up to, at a leader of that epoch, to show all there was when it was asked. */
export interface ConfirmedIndex {
  readonly index: LogIndex;
  readonly epoch: number;
}

export interface Clock {
  /** Milliseconds that never run backwards; their zero means nothing. */
  nowMs(): number;
  /** Milliseconds since 1970, as far as anybody knows: they may jump. */
  wallMs(): number;
}
