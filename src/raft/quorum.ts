import { type Configuration, halvesOf } from "./membership.ts";
import { type LogIndex, type NodeId, asIndex } from "./types.ts";

/** How many of `size` voters make a majority. */
export const majority = (size: number): number => Math.floor(size / 2) + 1;

/** Whether a majority is among these, of each group of voters that must agree. */
export const isQuorum = (configuration: Configuration, isIn: (voter: NodeId) => boolean): boolean =>
  halvesOf(configuration).every(
    (voters) => voters.filter(({ id }) => isIn(id)).length >= majority(voters.length),
  );

export type VoteOutcome = "won" | "lost" | "pending";

/**
 * Where an election stands. `votes` holds each voter's answer so far; answers of others do not
 * count.
 */
export function voteOutcome(
  configuration: Configuration,
  votes: ReadonlyMap<NodeId, boolean>,
): VoteOutcome {
  if (isQuorum(configuration, (voter) => votes.get(voter) === true)) return "won";
  return isQuorum(configuration, (voter) => votes.get(voter) !== false) ? "pending" : "lost";
}

/**
 * The highest value that a majority of voters has reached, of each group that must agree. For match
 * indexes it is the highest index that a majority holds (paper, 5.3); for ReadIndex rounds the newest
 * round that a majority has confirmed. Plain sorting: groups are small, and a cleverer way has gone
 * wrong elsewhere.
 */
export function reachedByQuorum(
  configuration: Configuration,
  valueOf: (voter: NodeId) => number,
): number {
  const reached = halvesOf(configuration).map((voters) => {
    const descending = voters.map(({ id }) => valueOf(id)).sort((a, b) => b - a);
    return descending[majority(voters.length) - 1] ?? 0;
  });
  return Math.min(...reached);
}

/**
 * The highest index that a quorum of voters holds, given how far each one's log is known to match.
 */
export function committedIndex(
  configuration: Configuration,
  matchIndex: (voter: NodeId) => LogIndex,
): LogIndex {
  return asIndex(reachedByQuorum(configuration, matchIndex));
}
