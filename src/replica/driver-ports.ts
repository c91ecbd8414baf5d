import type { LogIndex } from "../raft/types.ts";
import type { LogLimits } from "./compaction.ts";
import type { Clock, Peers, Storage, Wake } from "./ports.ts";

/** What a driver works with, and whom it tells what has become of its replica. */
export interface DriverPorts {
  readonly storage: Storage;
  readonly peers: Peers;
  readonly wake: Wake;
  readonly clock: Clock;
  /**
   * Called on an exception that leaves memory in doubt. Must stop this instance, so that the next
   * one starts from storage.
   */
  readonly abort: (error: unknown, state: string) => void;
  /** Called when something was changed that somebody may watch. */
  readonly changed?: () => void;
  /** Called when no leader has been known for long, so that others may know more than this replica. */
  readonly alone?: () => void;
  /** Called when this replica has left its group. Must stop its driver. */
  readonly left: () => void;
  /**
   * Called once when the state is found to have diverged from that of the group, and with null when it has
   * been replaced.
   */
  readonly diverged: (at: LogIndex | null, state: string) => void;
}

export interface DriverLimits {
  readonly log: LogLimits;
  /** Outcomes of requests that are kept: see kv/request-window.ts. */
  readonly requestWindow: number;
  /** Replicas compare their states after each so many entries. Must be the same for all of a group. */
  readonly digestEvery: number;
}

/** Often enough to find what is wrong soon, at the price of a row for so many entries. */
export const digestEvery = 256;
