import type { Message } from "../../src/raft/messages.ts";
import { Leader } from "../../src/raft/leader.ts";
import { type Configuration, votersOf } from "../../src/raft/membership.ts";
import { maxRounds } from "../../src/raft/read-index.ts";
import type { EntryId, NodeId } from "../../src/raft/types.ts";
import { check } from "./check.ts";
import { CommitInvariants } from "./commits.ts";
import { DivergenceInvariants } from "./divergence.ts";
import { ElectionInvariants } from "./elections.ts";
import { Following } from "./following.ts";
import type { Life, Step } from "./life.ts";
import { LogInvariants } from "./logs.ts";
import { MatchInvariants } from "./matches.ts";
import { MembershipInvariants } from "./membership.ts";
import { ReadInvariants } from "./reads.ts";
import { SleepInvariants } from "./sleep.ts";

/** What a role may turn into within one step. */
const turns: Readonly<Record<string, readonly string[]>> = {
  follower: ["follower", "preCandidate"],
  preCandidate: ["preCandidate", "candidate", "follower"],
  candidate: ["candidate", "leader", "follower", "preCandidate"],
  leader: ["leader", "follower"],
};

/**
 * Watches every step and every message of a group and remembers what the replicas themselves may
 * forget in a crash. The invariants are the paper's five (figure 3) and those that its proof and
 * other implementations check (the TLA+ specifications of Raft, etcd and CCF). Each throws a
 * Violation with its name.
 */
export class Invariants {
  readonly elections: ElectionInvariants;
  readonly logs: LogInvariants;
  readonly members: MembershipInvariants;
  readonly commits: CommitInvariants;
  readonly following = new Following();
  readonly reads: ReadInvariants;
  readonly #matches: MatchInvariants;
  readonly #divergence = new DivergenceInvariants();
  readonly #sleep: SleepInvariants;

  /**
   * @param founding who belongs to the group in the beginning.
   * @param replicas each with its newest life; may become more.
   */
  constructor(
    founding: Configuration,
    replicas: ReadonlyMap<NodeId, Pick<Life, "id" | "durable">>,
  ) {
    this.members = new MembershipInvariants(founding);
    this.elections = new ElectionInvariants(replicas);
    this.logs = new LogInvariants(replicas);
    this.commits = new CommitInvariants(this.members, replicas);
    this.reads = new ReadInvariants(this.commits, this.following);
    this.#matches = new MatchInvariants(replicas);
    this.#sleep = new SleepInvariants(replicas);
  }

  /** To be told of every message when it leaves. */
  sent(message: Message): void {
    this.following.sent(message);
    this.elections.sent(message);
    this.logs.sent(message);
  }

  /** To be told of every step when it is done. */
  stepped(step: Step): void {
    const { replica, before, input, output } = step;
    const { id, raft } = replica;
    this.logs.stepped(step);
    this.commits.stepped(step);
    const { log } = raft;
    const isCut = (output.persist?.compactTo ?? null) !== null;
    const isNews = log.commitIndex > before.commitIndex || isCut;
    if (isNews) this.members.knows(replica);
    this.following.stepped(step);
    this.reads.stepped(step);
    this.#divergence.stepped(step);
    this.#sleep.stepped(step);
    if (raft.role === "leader") {
      if (before.role !== "leader" || before.term !== raft.term) {
        this.elections.leads(replica);
        this.logs.leads(replica);
        this.commits.leads(replica);
      }
      this.#matches.knows(replica);
      this.#serves(replica);
    }
    const { leader, term, proposals } = raft;
    const isLeader = leader === null || leader === this.elections.leaderOf(term);
    check(isLeader, "known leader", () => `${id} takes ${leader} for the leader of term ${term}`);
    check(proposals.size > 0 || proposals.bytes === 0, "proposals", () => {
      return `${id} counts ${proposals.bytes} bytes of no proposals`;
    });
    // Alone, a replica may go through all roles in one step.
    const isTold =
      input.type === "receive" &&
      input.message.type === "timeoutNowRequest" &&
      isEnd(raft.log.last, input.message.last);
    const mayStand = isTold && before.role === "follower" && raft.role === "candidate";
    const isAlone = votersOf(raft.log.configuration).length === 1;
    const mayTurn = isAlone || mayStand || turns[before.role]!.includes(raft.role);
    check(mayTurn, "state transitions", () => `${id} went from ${before.role} to ${raft.role}`);
    const { wakeAtMs } = output;
    check(wakeAtMs === null || wakeAtMs > input.nowMs, "wake", () => {
      return `${id} wants to be woken at ${wakeAtMs}, it is ${input.nowMs}`;
    });
  }

  /** Reads wait only for a place among the rounds, or for the first commit of the term. */
  #serves({ id, raft: { log, term, roleHandler } }: Life): void {
    if (!(roleHandler instanceof Leader) || log.termAt(log.commitIndex) !== term) return;
    const { waiting, open } = roleHandler.reads;
    check(waiting === 0 || open >= maxRounds, "reads begin", () => `${id} lets ${waiting} wait`);
  }
}

/** Whether a log that ends at `last` is as long as it should be. Those of peer version 1 do not say. */
const isEnd = (last: EntryId, wanted = last): boolean =>
  last.term === wanted.term && last.index === wanted.index;
