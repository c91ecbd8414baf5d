import { type Left, hasLeft } from "../raft/membership.ts";
import type { Message } from "../raft/messages.ts";
import { asTerm } from "../raft/types.ts";

/** What a replica that has left answers: it tells others that left before, who perhaps know of nobody else; and all others who went on. */
export function answerOfLeft(left: Left, messages: readonly Message[]): Message[] {
  const configuration = {
    voters: left.members,
    outgoing: [],
    learners: [],
    nextId: left.nextId,
    epoch: 1,
  };
  return messages.flatMap((message): Message[] => {
    if (message.type !== "preVoteRequest") return [];
    const [from, to] = [message.to, message.from];
    // In the asker's own term, which is one before that in which it would stand.
    const term = asTerm(message.term - 1);
    const answer = { type: "preVoteResponse", from, to, term, granted: false } as const;
    // It may have left later, or be behind: those who went on know.
    return [hasLeft(configuration, to) ? { ...answer, left } : { ...answer, others: left.members }];
  });
}
