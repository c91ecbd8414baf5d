import { Leader } from "../../src/raft/leader.ts";
import type { Message } from "../../src/raft/messages.ts";
import type { LogIndex, NodeId } from "../../src/raft/types.ts";
import { check, holdsOrHeld } from "./check.ts";
import { CommitInvariants } from "./commit-invariants.ts";
import { ElectionInvariants } from "./election-invariants.ts";
import { Following } from "./following.ts";
import { LogInvariants } from "./log-invariants.ts";
import type { StepRecord, TestReplica } from "./test-replica.ts";

/**
 * Watches every step and every message of a cluster and remembers what the replicas themselves may
 * forget in a crash. The invariants are the paper's five (figure 3) and those that its proof and
 * other implementations check (the TLA+ specifications of Raft, etcd and CCF). Each throws with its
 * name.
 */
export class Invariants {
  readonly elections: ElectionInvariants;
  readonly logs: LogInvariants;
  readonly commits: CommitInvariants;
  readonly following = new Following();
  readonly #replicas: ReadonlyMap<NodeId, TestReplica>;
  /** What each leader knew each follower to hold, by `leader term follower`. */
  readonly #matches = new Map<string, LogIndex>();

  constructor(replicas: ReadonlyMap<NodeId, TestReplica>) {
    this.#replicas = replicas;
    this.elections = new ElectionInvariants(replicas);
    this.logs = new LogInvariants(replicas);
    this.commits = new CommitInvariants(replicas);
  }

  /** To be told of every message when it leaves. */
  sent(message: Message): void {
    this.following.sent(message);
    this.elections.sent(message);
    this.logs.sent(message);
  }

  /** To be told of every step when it is done. */
  stepped(step: StepRecord): void {
    const { replica, before, input, output } = step;
    const { raft } = replica;
    this.logs.stepped(step);
    this.commits.stepped(step);
    this.following.stepped(step);
    if (raft.role === "leader") {
      if (before.role !== "leader" || before.term !== raft.term) {
        this.elections.leads(replica);
        this.commits.leads(replica);
      }
      this.#knowsFollowers(replica);
    }
    const { wakeAtMs } = output;
    check(wakeAtMs === null || wakeAtMs > input.nowMs, "wake", () => {
      return `${replica.id} wants to be woken at ${wakeAtMs}, it is ${input.nowMs}`;
    });
  }

  /** To be told when a replica has lost its memory and what was not durable. */
  crashed(replica: TestReplica): void {
    this.elections.crashed(replica);
    this.logs.crashed(replica);
    this.commits.crashed(replica);
  }

  /** MatchIndex: what a leader knows a follower to hold is durable there, and never shrinks. */
  #knowsFollowers({ id, raft, config }: TestReplica): void {
    const { roleHandler } = raft;
    if (!(roleHandler instanceof Leader)) throw new Error(`${id} leads without a leader`);
    for (const [node, { matchIndex, inflightMessages }] of roleHandler.followers) {
      check(inflightMessages <= config.maxInflightMessages, "window", () => `${id} to ${node}`);
      const key = `${id} ${raft.term} ${node}`;
      check(matchIndex >= (this.#matches.get(key) ?? 0), "match index", () => `${key} went back`);
      this.#matches.set(key, matchIndex);
      const { log, hardState } = this.#replicas.get(node)!.storage.durable;
      // A newer leader may have cut what the old one, in its ignorance, counts on.
      if (hardState.term > raft.term || matchIndex <= raft.log.base.index) continue;
      check(holdsOrHeld(log, raft.log.idAt(matchIndex)), "match index", () => {
        return `${id} believes that ${node} holds ${matchIndex}`;
      });
    }
  }
}
