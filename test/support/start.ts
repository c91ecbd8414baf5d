import type { RaftConfig } from "../../src/raft/config.ts";
import { type NodeId, asIndex, asTerm } from "../../src/raft/types.ts";
import { MemoryLog, MemoryStorage } from "./memory-log.ts";
import { foundedBy } from "./members.ts";
import { id, logOfTerms } from "./notation.ts";

/** What a replica in a test starts with; all of it may be left out. */
export interface Start extends Partial<RaftConfig> {
  readonly term?: number;
  readonly vote?: NodeId;
  /** The terms of the entries after `base`. */
  readonly log?: readonly number[];
  readonly base?: string;
  readonly applied?: number;
  /** Three by default. */
  readonly voters?: readonly NodeId[];
}

export function storageOf({
  term = 0,
  vote,
  log = [],
  base = "0/0",
  applied,
  voters = ["n1", "n2", "n3"],
}: Start): MemoryStorage {
  const baseId = id(base);
  return new MemoryStorage({
    hardState: { term: asTerm(term), vote: vote ?? null },
    log: new MemoryLog(logOfTerms(log, baseId.index), baseId, foundedBy(voters)),
    appliedIndex: asIndex(applied ?? baseId.index),
  });
}
