import type { AuditRecord } from "../../src/raft/audit.ts";
import type { Input, Output } from "../../src/raft/io.ts";
import type { LogReader } from "../../src/raft/log.ts";
import type { Configuration } from "../../src/raft/membership.ts";
import type { Raft } from "../../src/raft/raft.ts";
import type { HardState, LogIndex, NodeId, Role, Term } from "../../src/raft/types.ts";

/** What a crash of everything would leave of a replica. */
export interface Durable {
  readonly hardState: HardState;
  readonly log: LogReader;
  /** The last entry whose effect is there. */
  readonly appliedIndex: LogIndex;
  readonly audit: AuditRecord;
}

/**
 * A replica as the invariants see it. Each boot gives it a new `raft`, by which its lives are told
 * apart: two of them may be at work at once, when the older is a zombie.
 */
export interface Life {
  readonly id: NodeId;
  readonly raft: Raft;
  /** Shared by all lives of a replica. */
  readonly durable: Durable;
  /** Whether a newer life has taken the disk, so that this one can make nothing durable any more. */
  readonly isReplaced: boolean;
}

/** What a core was before a step. */
export interface Before {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | null;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly configuration: Configuration;
  readonly hasDiverged: boolean;
  readonly lastIndex: LogIndex;
  readonly isAsleep: boolean;
}

export const beforeStep = ({
  role,
  term,
  leader,
  log,
  appliedIndex,
  audit,
  isAsleep,
}: Raft): Before => ({
  role,
  term,
  leader,
  commitIndex: log.commitIndex,
  appliedIndex,
  configuration: log.configuration,
  hasDiverged: audit.hasDiverged,
  lastIndex: log.last.index,
  isAsleep,
});

/** One step of a core, as seen from outside. */
export interface Step {
  readonly replica: Life;
  readonly input: Input;
  readonly output: Output;
  readonly before: Before;
}
