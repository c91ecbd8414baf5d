import { type RaftConfig, defaultSizes } from "../../src/raft/config.ts";

/**
 * Timeouts that are easy to count with, and sizes that are never in the way unless a test sets
 * them.
 */
export function testConfig(id: string, settings: Partial<RaftConfig> = {}): RaftConfig {
  return {
    id,
    seed: Number(id.replace(/\D/g, "")),
    heartbeatMs: 10,
    electionMinMs: 100,
    electionMaxMs: 200,
    patienceMs: 1000,
    restMs: 0,
    ranks: new Map(),
    ...defaultSizes,
    ...settings,
  };
}
