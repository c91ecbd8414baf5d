import { Leader } from "../../src/raft/leader.ts";
import { isQuorum } from "../../src/raft/quorum.ts";
import type { NodeId } from "../../src/raft/types.ts";
import { check, holdsOrHeld } from "./check.ts";
import type { Life, Step } from "./life.ts";

/** What must hold of replicas that sleep: without a timer, nothing may be left that waits for one. */
export class SleepInvariants {
  readonly #replicas: ReadonlyMap<NodeId, Pick<Life, "durable">>;

  constructor(replicas: ReadonlyMap<NodeId, Pick<Life, "durable">>) {
    this.#replicas = replicas;
  }

  stepped({ replica, before, input, output }: Step): void {
    const { id, raft } = replica;
    const { isAsleep, log, appliedIndex, roleHandler } = raft;
    const isAlone = roleHandler instanceof Leader && roleHandler.followers.size === 0;
    const mayNotStand = raft.role === "follower" && !raft.mayStand;
    const isTimeless = isAsleep || isAlone || mayNotStand || raft.hasLeft;
    check((output.wakeAtMs === null) === isTimeless, "sleep", () => {
      return `${id} wants to be woken at ${output.wakeAtMs}, and ${isAsleep ? "sleeps" : "does not sleep"}`;
    });
    const mayRouse = [
      "propose",
      "read",
      "poke",
      "transfer",
      "change",
      "rebuild",
      "receive",
      "campaign",
    ];
    check(!before.isAsleep || isAsleep || mayRouse.includes(input.type), "sleep", () => {
      return `${id} wakes by ${input.type}`;
    });
    if (!isAsleep) return;
    const isDone = log.commitIndex === log.last.index && appliedIndex === log.commitIndex;
    check(isDone, "sleep", () => `${id} sleeps with entries that it does not know to be committed`);
    const isSilent = input.type === "receive" || output.sendNow.length === 0;
    check(isSilent, "sleep", () => `${id} talks in its sleep`);
    if (raft.role === "leader") this.#leads(replica);
  }

  #leads({ id, raft }: Life): void {
    const { roleHandler, proposals, successor, log, config, nowMs } = raft;
    if (!(roleHandler instanceof Leader)) throw new Error(`${id} leads without a leader`);
    const { reads, followers } = roleHandler;
    const open = proposals.size + reads.open + reads.waiting;
    check(
      open === 0 && successor === null,
      "sleep",
      () => `${id} sleeps with ${open} requests open`,
    );
    for (const [node, { matchIndex, heardMs }] of followers) {
      const isGivenUp = nowMs - heardMs >= config.patienceMs;
      const isThere = isGivenUp || matchIndex === log.last.index;
      check(isThere, "sleep", () => `${id} sleeps though ${node} has only ${matchIndex}`);
    }
    const isHolder = (voter: NodeId): boolean => {
      const { durable } = this.#replicas.get(voter)!;
      // One that has moved on to a newer term may have lost nothing that was committed.
      return (
        voter === id || durable.hardState.term > raft.term || holdsOrHeld(durable.log, log.last)
      );
    };
    const isSafe = isQuorum(log.configuration, isHolder);
    check(isSafe, "sleep", () => `${id} sleeps, and no quorum holds its log`);
  }
}
