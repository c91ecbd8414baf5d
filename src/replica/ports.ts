import type { MachineState } from "../kv/state-machine.ts";
import type { RequestRecord } from "../kv/request-window.ts";
import type { KvTable } from "../kv/table.ts";
import type { AuditRecord } from "../raft/audit.ts";
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
  readonly table: KvTable;
  readonly machineState: MachineState;
  /** The request records stored last, oldest first; at least those of the window. */
  requestRecords(): Iterable<RequestRecord>;
  /**
   * Stores the state machine's counters and new request records. In one turn with the table's
   * writes that they belong to.
   */
  saveMachine(state: MachineState, records: readonly RequestRecord[]): void;
  /**
   * Resolves when everything written so far is durable. Never does on an instance that has been
   * replaced.
   */
  durable(): Promise<void>;
}

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
}

export interface Clock {
  /** Milliseconds that never run backwards; their zero means nothing. */
  nowMs(): number;
}
