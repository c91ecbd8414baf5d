import { assert } from "./assert.ts";
import type { NodeId } from "./types.ts";

/**
 * What a replica is told once, when it is made. Times in milliseconds, sizes in bytes of entry
 * data.
 */
export interface RaftConfig {
  readonly id: NodeId;
  /** Seeds the election timeouts; should differ between replicas and between starts. */
  readonly seed: number;
  /** A leader lets no follower go without a message for longer. */
  readonly heartbeatMs: number;
  /**
   * A follower that hears from no leader for a random time between these stands for election. Below
   * the minimum it also refuses to help anyone else to, and a leader that loses touch with a quorum
   * for that long steps down.
   */
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
  /**
   * A follower that is silent for this long is no longer waited for: its snapshot is given up, and the
   * log lets go of what only it would need.
   */
  readonly patienceMs: number;
  /**
   * A leader of which nobody has wanted anything for so long lets the group sleep, without heartbeats and
   * timers; 0 for never.
   */
  readonly restMs: number;
  /**
   * Where the leader should rather be: the lower a region's rank, the rather. Others come last. A leader
   * hands over to a better one that is well, at most once in `patienceMs`.
   */
  readonly ranks: ReadonlyMap<string, number>;
  /** Entries in one AppendEntries; a single larger entry still goes, alone. */
  readonly maxMessageBytes: number;
  /** AppendEntries with entries under way to one follower, by number and by bytes. */
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /**
   * Proposals are dropped while more than this waits for a quorum. One proposal always fits an
   * empty queue.
   */
  readonly maxUncommittedBytes: number;
  /** Committed entries handed to the state machine at once. */
  readonly maxApplyBytes: number;
  /** Entries at the end of the log kept in memory to serve followers without reading storage. */
  readonly logCacheBytes: number;
}

/**
 * Sizes that suit a Durable Object: about 1 MiB a message and a log row, a few of them under way
 * (docs/architecture.md).
 */
export const defaultSizes = {
  maxMessageBytes: 1024 * 1024,
  maxInflightMessages: 2,
  maxInflightBytes: 2 * 1024 * 1024,
  maxUncommittedBytes: 8 * 1024 * 1024,
  maxApplyBytes: 1024 * 1024,
  logCacheBytes: 4 * 1024 * 1024,
} as const;

/**
 * Refuses a configuration under which Raft would not be safe or could not make progress. Throws a
 * plain Error that says which.
 */
export function checkConfig(config: RaftConfig): void {
  const require = (ok: boolean, what: string): void => {
    if (!ok) throw new Error(`raft configuration: ${what}`);
  };
  require(config.heartbeatMs >= 1, "heartbeatMs must be at least 1");
  require(config.electionMinMs >=
    2 * config.heartbeatMs, "electionMinMs must be at least twice heartbeatMs");
  require(config.electionMaxMs > config.electionMinMs, "electionMaxMs must be above electionMinMs");
  require(config.patienceMs >= config.electionMaxMs, "patienceMs must be at least electionMaxMs");
  require(config.restMs >= 0, "restMs must be at least 0");
  for (const [name, value] of Object.entries(config)) {
    if (name.startsWith("max"))
      require(typeof value === "number" && value >= 1, `${name} must be at least 1`);
  }
  assert(Number.isSafeInteger(config.seed), "the seed is a whole number");
}
