import type { MachineState } from "../kv/state-machine.ts";
import type { RequestRecord } from "../kv/request-window.ts";
import type { KvTable } from "../kv/table.ts";
import type { Persist } from "../raft/io.ts";
import type { LogReader } from "../raft/log.ts";
import type { Message } from "../raft/messages.ts";
import type { HardState, NodeId } from "../raft/types.ts";

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
  readonly log: LogReader;
  persist(persist: Persist): void;
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
