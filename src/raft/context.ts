import type { Audit } from "./audit.ts";
import type { RaftConfig } from "./config.ts";
import type { Verdict } from "./digests.ts";
import type { Effects } from "./effects.ts";
import type { Proposal, RequestId, Snapshot, SnapshotSource } from "./io.ts";
import type { Incoming } from "./incoming.ts";
import type { RaftLog } from "./log.ts";
import type { Change, Left } from "./membership.ts";
import type { Message } from "./messages.ts";
import type { Proposals } from "./proposals.ts";
import type { Random } from "./random.ts";
import type { LogIndex, NodeId, Role, Term } from "./types.ts";

/** What the roles share and act on; class Raft is its only implementation. */
export interface Context {
  readonly config: RaftConfig;
  readonly log: RaftLog;
  readonly random: Random;
  readonly effects: Effects;
  readonly proposals: Proposals;
  /** The state to send to followers, and the one that is on its way to here. */
  readonly snapshots: SnapshotSource;
  readonly incoming: Incoming;
  /** Whether this replica's state is known to be right, or wrong. */
  readonly audit: Audit;
  readonly term: Term;
  /** The time of the step under way. */
  readonly nowMs: number;
  /** The last entry that the state machine has applied. */
  readonly appliedIndex: LogIndex;
  /** Whether this replica may stand for election. */
  readonly mayStand: boolean;
  /** The group says what the state should be. Whoever has another one leads no more. */
  hear(verdict: Verdict): void;
  /**
   * The snapshot whose chunks have all come takes the place of the state, and of the log unless that holds
   * its last entry.
   */
  install(snapshot: Snapshot): void;
  /** This replica has left the group for good. */
  leaveGroup(left: Left): void;
  becomeFollower(term: Term, leader: NodeId | null): void;
  becomePreCandidate(): void;
  /** @param isTransfer whether the leader has asked for it. */
  becomeCandidate(isTransfer?: boolean): void;
  becomeLeader(): void;
}

/** How one role answers each kind of input. The term rules have been applied before. */
export interface RoleHandler {
  readonly role: Role;
  /** The leader of the current term, when known. */
  readonly leader: NodeId | null;
  /** When this role wants the next step, at the latest. */
  readonly wakeAtMs: number | null;
  /** Whether it sleeps with the whole group, until somebody wants something. */
  readonly isAsleep: boolean;
  /**
   * A message of the current term, or a pre-vote answer for the next. Votes are answered by Raft
   * itself.
   */
  receive(message: Message): void;
  /** Somebody wants something of this replica: a request, a poke, a vote. It comes right after. */
  stir(): void;
  /** Time has passed: do what is due. */
  time(): void;
  propose(proposals: readonly Proposal[]): void;
  read(id: RequestId): void;
  /** Somebody wants others to belong to the group. */
  change(id: RequestId, change: Change): void;
  /** The log's durable end has moved, or the batch with the own vote is durable. */
  persisted(batch: number): void;
  unreachable(node: NodeId, lostChunk: boolean): void;
  /** Somebody waits for a leader. */
  poke(): void;
  /** Somebody wants another voter to lead. */
  transfer(to: NodeId): void;
  /** The last entry that nobody needs from this replica's log; null when that is any. */
  readonly spareIndex: LogIndex | null;
  /** The role is about to be left. */
  leave(): void;
}

/**
 * How long to wait before standing for election: random, so that replicas seldom stand at once
 * (paper, 5.2).
 */
export function electionTimeout({ config, random }: Context): number {
  return random.between(config.electionMinMs, config.electionMaxMs);
}

/** Ends proposals and reads at a replica that does not lead. */
export function refuse(context: Context, ids: readonly RequestId[], leader: NodeId | null): void {
  for (const id of ids) context.effects.fail({ id, reason: "not_leader", leader });
}
