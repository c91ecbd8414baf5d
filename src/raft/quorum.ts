import { asIndex, type LogIndex, type NodeId } from "./types.ts";

/** How many of `size` voters make a majority. */
export const majority = (size: number): number => Math.floor(size / 2) + 1;

export type VoteOutcome = "won" | "lost" | "pending";

/**
 * Where an election stands. `votes` holds each voter's answer so far; answers of others do not
 * count.
 */
export function voteOutcome(
  voters: readonly NodeId[],
  votes: ReadonlyMap<NodeId, boolean>,
): VoteOutcome {
  const needed = majority(voters.length);
  const granted = voters.filter((voter) => votes.get(voter) === true).length;
  const refused = voters.filter((voter) => votes.get(voter) === false).length;
  if (granted >= needed) return "won";
  return voters.length - refused < needed ? "lost" : "pending";
}

/**
 * The highest value that a majority of voters has reached. For match indexes it is the highest
 * index that a majority holds (paper, 5.3); for ReadIndex rounds the newest round that a majority
 * has confirmed. Plain sorting: groups are small, and a cleverer way has gone wrong elsewhere.
 */
export function reachedByMajority(
  voters: readonly NodeId[],
  valueOf: (voter: NodeId) => number,
): number {
  const descending = voters.map(valueOf).sort((a, b) => b - a);
  return descending[majority(voters.length) - 1] ?? 0;
}

/**
 * The highest index that a majority of voters holds, given how far each one's log is known to
 * match.
 */
export function committedIndex(
  voters: readonly NodeId[],
  matchIndex: (voter: NodeId) => LogIndex,
): LogIndex {
  return asIndex(reachedByMajority(voters, matchIndex));
}
