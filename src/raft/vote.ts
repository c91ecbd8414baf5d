import type { PreVoteRequest, RequestVoteRequest } from "./messages.ts";
import { type EntryId, type NodeId, type Term, isUpToDate } from "./types.ts";

/** What a vote depends on besides the request. */
export interface Voter {
  readonly term: Term;
  readonly vote: NodeId | null;
  /** The leader of `term`, when known. */
  readonly leader: NodeId | null;
  /** The end of the voter's log. */
  readonly last: EntryId;
}

/**
 * Whether to grant a vote or a pre-vote whose term is at least the voter's (paper, 5.2 and 5.4.1;
 * thesis, 9.6). A vote is given once a term, first come; a pre-vote for a coming term binds nobody,
 * so any number may be given.
 */
export function grantsVote(voter: Voter, request: RequestVoteRequest | PreVoteRequest): boolean {
  const free = voter.vote === request.from || (voter.vote === null && voter.leader === null);
  const ahead = request.type === "preVoteRequest" && request.term > voter.term;
  return (free || ahead) && isUpToDate(request.last, voter.last);
}
