import type { RaftConfig } from "../../src/raft/config.ts";
import type { Random } from "../../src/raft/random.ts";

/** The timers of simulated replicas, in ms. */
export interface Timing {
  readonly core: Pick<
    RaftConfig,
    "heartbeatMs" | "electionMinMs" | "electionMaxMs" | "patienceMs" | "restMs" | "ranks"
  >;
  /** How long a replica waits for the answer to a call. */
  readonly callMs: number;
}

/**
 * Those of a local cluster, or wider apart, and calls that may take longer than an election, so that
 * an answer can be older than a reign.
 */
export function drawTiming(random: Random): Timing {
  const among = (...values: readonly number[]): number =>
    values[random.between(0, values.length - 1)]!;
  const electionMinMs = among(100, 150, 150, 300);
  const electionMaxMs = electionMinMs + among(50, 150, 800);
  // In some worlds one replica should rather lead, and soon gets what it should. Each is in a region of its own.
  const isRanked = random.between(0, 3) === 0;
  const ranks = new Map(isRanked ? [["2", 0]] : []);
  const patienceMs = electionMaxMs * (isRanked ? 2 : among(2, 10));
  // Mostly so short that groups sleep in the course of a run.
  const restMs = among(0, 10, 50, 100, 300, 1000);
  const core = { heartbeatMs: 50, electionMinMs, electionMaxMs, patienceMs, restMs, ranks };
  return { core, callMs: among(electionMaxMs, electionMaxMs, 1500) };
}
