import { Leader } from "../../src/raft/leader.ts";
import { votersOf } from "../../src/raft/membership.ts";
import type { NodeId } from "../../src/raft/types.ts";
import { LoneReplica } from "./lone-replica.ts";
import type { Start } from "./start.ts";

/**
 * Lone replicas n1 in a given role. `start.term` is the term before the one they stand in or lead.
 */

/** Follows n2 in the term it starts with, having heard from it just now. */
export function follower(start: Start = {}): LoneReplica {
  const n1 = new LoneReplica("n1", { term: 1, ...start });
  const { term } = n1.raft;
  n1.receive(`n2->n1 appendEntriesRequest t${term} prev 0/0 commit 0`);
  return n1;
}

export function preCandidate(start: Start = {}): LoneReplica {
  const n1 = new LoneReplica("n1", start);
  n1.campaign();
  return n1;
}

export function candidate(start: Start = {}): LoneReplica {
  const n1 = preCandidate(start);
  const term = n1.raft.term + 1;
  for (const from of othersOf(n1)) n1.receive(`${from}->n1 preVoteResponse t${term} granted`);
  return n1;
}

export function leader(start: Start = {}): LoneReplica {
  const n1 = candidate(start);
  const { term } = n1.raft;
  for (const from of othersOf(n1)) n1.receive(`${from}->n1 requestVoteResponse t${term} granted`);
  return n1;
}

/** A leader whose first entry all others hold, so that it is committed and applied. */
export function settledLeader(start: Start = {}): LoneReplica {
  const n1 = leader(start);
  acceptAll(n1, n1.raft.log.last.index);
  return n1;
}

/** All others, or those given, accept what `replica` has sent up to `index`. */
export function acceptAll(
  replica: LoneReplica,
  index: number,
  nodes: readonly NodeId[] = othersOf(replica),
): string[] {
  const { term } = replica.raft;
  return nodes.flatMap((from) =>
    replica.receive(`${from}->n1 appendEntriesResponse t${term} match ${index}`),
  );
}

export function othersOf({ id, raft: { log } }: LoneReplica): NodeId[] {
  return votersOf(log.configuration)
    .map((voter) => voter.id)
    .filter((voter) => voter !== id);
}

/** What a leader sends to one follower, of all that came out of a step. */
export function sentTo(node: NodeId, lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith(`send n1->${node}`));
}

/** What a leader knows of one follower: `state match next inflight`. */
export function progressOf({ id, raft: { roleHandler } }: LoneReplica, node: NodeId): string {
  if (!(roleHandler instanceof Leader)) throw new Error(`${id} does not lead`);
  const { state, matchIndex, nextIndex, inflightMessages } = roleHandler.followers.get(node)!;
  return `${state} ${matchIndex} ${nextIndex} ${inflightMessages}`;
}
