import { type Configuration, type Member, hasLeft, membersOf } from "../raft/membership.ts";
import type { Message } from "../raft/messages.ts";
import { type NodeId, asTerm } from "../raft/types.ts";

/** What is kept of a group by a replica that has left it. */
export interface Left {
  /** Who belonged to it then, as far as it knows. */
  readonly members: readonly Member[];
  /** Ids below this had been given. */
  readonly nextId: number;
}

export const leftFrom = (configuration: Configuration, id: NodeId): Left => ({
  members: membersOf(configuration).filter((member) => member.id !== id),
  nextId: configuration.nextId,
});

/** Tells others that left before: perhaps they know of nobody else who could. */
export function answerOfLeft({ members, nextId }: Left, messages: readonly Message[]): Message[] {
  const configuration = { voters: members, outgoing: [], learners: [], nextId, epoch: 1 };
  return messages.flatMap((message): Message[] => {
    if (message.type !== "preVoteRequest" || !hasLeft(configuration, message.from)) return [];
    const [from, to] = [message.to, message.from];
    // In the asker's own term, which is one before that in which it would stand.
    const term = asTerm(message.term - 1);
    return [{ type: "preVoteResponse", from, to, term, granted: false, hasLeft: true }];
  });
}
