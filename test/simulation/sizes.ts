import type { defaultSizes } from "../../src/raft/config.ts";

import type { Random } from "../../src/raft/random.ts";
import { type LogLimits, logLimits } from "../../src/replica/compaction.ts";

/** The core's limits. */
export type Sizes = { readonly [Name in keyof typeof defaultSizes]: number };

/** Mostly logs that are cut again and again in the course of a run. */
export function drawLogLimits(random: Random): LogLimits {
  if (random.between(0, 3) === 0) return logLimits(8 * 1024 * 1024);
  const maxBytes = random.between(50, [300, 1000, 5000][random.between(0, 2)]!);
  const keepBytes = random.between(0, maxBytes >> 1);
  // Where nothing is kept for followers, whoever is a little slow needs a snapshot.
  return { maxBytes, keepBytes, mostBytes: maxBytes * [1, 1, 1, 20, 1e6][random.between(0, 4)]! };
}

/** Limits that a few small entries reach. */
export function drawSizes(random: Random): Sizes {
  return {
    maxMessageBytes: random.between(1, 400),
    maxInflightMessages: random.between(1, 4),
    maxInflightBytes: random.between(1, 800),
    maxUncommittedBytes: random.between(1, 1000),
    maxApplyBytes: random.between(1, 300),
    logCacheBytes: random.between(1, 300),
  };
}
