import { expect, test } from "vitest";
import { type RaftConfig, checkConfig } from "../../src/raft/config.ts";
import { testConfig } from "../support/test-config.ts";

test("[P8] a configuration that can work is taken", () => {
  expect(() => checkConfig(testConfig("n1"))).not.toThrow();
  expect(() => checkConfig(testConfig("n1", { logCacheBytes: 0 }))).not.toThrow();
});

test.each<[string, Partial<RaftConfig>]>([
  ["heartbeatMs must be at least 1", { heartbeatMs: 0 }],
  ["heartbeatMs must be at least 1", { heartbeatMs: NaN }],
  ["electionMinMs must be at least twice heartbeatMs", { electionMinMs: 19 }],
  ["electionMaxMs must be above electionMinMs", { electionMaxMs: 100 }],
  ["patienceMs must be at least electionMaxMs", { patienceMs: 199 }],
  ["restMs must be at least 0", { restMs: -1 }],
  ["maxMessageBytes must be at least 1", { maxMessageBytes: 0 }],
  ["maxInflightMessages must be at least 1", { maxInflightMessages: 0 }],
  ["maxInflightBytes must be at least 1", { maxInflightBytes: 0 }],
  ["maxUncommittedBytes must be at least 1", { maxUncommittedBytes: 0 }],
  ["maxApplyBytes must be at least 1", { maxApplyBytes: NaN }],
  ["the seed is a whole number", { seed: 0.5 }],
])("[P8] refused: %s", (what, settings) => {
  expect(() => checkConfig(testConfig("n1", settings))).toThrow(what);
});
