import { Leader } from "../../src/raft/leader.ts";
import type { LogIndex, NodeId } from "../../src/raft/types.ts";
import { check, holdsOrHeld } from "./check.ts";
import type { Life } from "./life.ts";

/** What must hold of what a leader believes its followers to hold. */
export class MatchInvariants {
  readonly #replicas: ReadonlyMap<NodeId, Pick<Life, "durable">>;
  /** What each leader knew each follower to hold, by `leader term follower`. */
  readonly #matches = new Map<string, LogIndex>();

  constructor(replicas: ReadonlyMap<NodeId, Pick<Life, "durable">>) {
    this.#replicas = replicas;
  }

  /** MatchIndex: what a leader knows a follower to hold is durable there, and never shrinks. */
  knows({ id, raft }: Life): void {
    const { roleHandler, config } = raft;
    if (!(roleHandler instanceof Leader)) throw new Error(`${id} leads without a leader`);
    for (const [node, { matchIndex, nextIndex, inflightMessages }] of roleHandler.followers) {
      check(inflightMessages <= config.maxInflightMessages, "window", () => `${id} to ${node}`);
      check(nextIndex > matchIndex, "match index", () => `${id} sends ${node} what it has`);
      const key = `${id} ${raft.term} ${node}`;
      const known = this.#matches.get(key) ?? 0;
      check(matchIndex >= known, "match index", () => `${key} went back`);
      if (matchIndex === known) continue;
      this.#matches.set(key, matchIndex);
      const { log, hardState } = this.#replicas.get(node)!.durable;
      // A newer leader may have cut what the old one, in its ignorance, counts on.
      if (hardState.term > raft.term || matchIndex <= raft.log.base.index) continue;
      check(holdsOrHeld(log, raft.log.idAt(matchIndex)), "match index", () => {
        return `${id} believes that ${node} holds ${matchIndex}`;
      });
    }
  }
}
