import type { RaftConfig } from "../../src/raft/config.ts";
import type { Random } from "../../src/raft/random.ts";

/** The timers of simulated replicas, in ms. */
export type Timing = Pick<RaftConfig, "heartbeatMs" | "electionMinMs" | "electionMaxMs">;

/**
 * Those of a local cluster, or wider apart: a call may take as long as the longest election timeout,
 * so with a short one beside it an answer can be older than a reign.
 */
export function drawTiming(random: Random): Timing {
  const among = (...values: readonly number[]): number =>
    values[random.between(0, values.length - 1)]!;
  const electionMinMs = among(100, 150, 150, 300);
  return { heartbeatMs: 50, electionMinMs, electionMaxMs: electionMinMs + among(50, 150, 800) };
}
