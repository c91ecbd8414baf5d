import { CatchUp } from "./catch-up.ts";
import type { Context } from "./context.ts";
import {
  type Change,
  type Configuration,
  type Learner,
  begin,
  isAmong,
  isJoint,
  leaveJoint,
  membersOf,
  promote,
  votersOf,
} from "./membership.ts";
import { Progress } from "./progress.ts";
import { isQuorum } from "./quorum.ts";
import type { NodeId } from "./types.ts";

type Next =
  | { readonly type: "configure"; readonly configuration: Configuration }
  /** Another must lead before it can go on. */
  | { readonly type: "handOver" };

/**
 * How a leader changes who belongs to the group, one committed configuration after the other: a new
 * member comes as a learner; when it has caught up, voters change to a joint configuration, and from that
 * to the one that is wanted (thesis, 4.2 and 4.3). All that is to come can be told from the configuration
 * in the log, so that whoever leads next goes on with it.
 */
export class Reconfiguration {
  readonly #context: Context;
  readonly #followers: Map<NodeId, Progress>;
  readonly #catchUps = new Map<NodeId, CatchUp>();
  /** Those who have left and need not know yet, and until when they are told. */
  readonly #leaving = new Map<NodeId, number>();

  /** @param followers is kept to those that are members. */
  constructor(context: Context, followers: Map<NodeId, Progress>) {
    this.#context = context;
    this.#followers = followers;
  }

  /** The configuration that begins a change; null when it can't begin now, or never. */
  begin(change: Change): Configuration | null {
    const { config, log } = this.#context;
    if (!this.#isSettled || isJoint(log.configuration)) return null;
    if (change.type === "remove" && change.id === config.id) return null;
    const next = begin(log.configuration, change);
    if (typeof next === "string") return null;
    return isJoint(next) && !this.#isThere(next) ? null : next;
  }

  /** What comes next by itself; null when that is nothing, or not yet. */
  next(): Next | null {
    const { configuration } = this.#context.log;
    if (!this.#isSettled) return null;
    if (isJoint(configuration)) {
      return { type: "configure", configuration: leaveJoint(configuration) };
    }
    const learner = configuration.learners.find(({ id }) => this.#hasCaughtUp(id));
    if (learner === undefined) return null;
    return this.#promotion(configuration, learner);
  }

  /** Sees to it that there is a Progress for each member, and for nobody else. */
  followMembers(): void {
    const { config, log, nowMs } = this.#context;
    const followed = this.#followed.filter((id) => id !== config.id);
    for (const id of followed) {
      if (!this.#followers.has(id)) this.#followers.set(id, new Progress(log.last.index, nowMs));
    }
    for (const [id, progress] of this.#followers) {
      if (followed.includes(id)) continue;
      progress.end();
      this.#followers.delete(id);
    }
  }

  /**
   * The newest configuration is committed. Those whom it leaves out are followed on until they know, for a
   * while: they could find out by themselves, but only by asking for votes.
   */
  committed(): void {
    const { config, log, nowMs } = this.#context;
    const members = membersOf(log.configuration);
    for (const id of this.#followers.keys()) {
      if (isAmong(members, id) || this.#leaving.has(id)) continue;
      this.#leaving.set(id, nowMs + config.patienceMs);
    }
    this.followMembers();
  }

  /** Lets go of those who have left: who knows is silent, and who is out of reach can't be told. */
  time(): void {
    const { config, nowMs } = this.#context;
    for (const [id, untilMs] of this.#leaving) {
      const heardMs = this.#followers.get(id)?.heardMs ?? -Infinity;
      const isSilent = nowMs - heardMs >= config.electionMaxMs;
      if (!isSilent && nowMs < untilMs) continue;
      this.#leaving.delete(id);
      this.followMembers();
    }
  }

  /**
   * Whether those who would have to agree are there. Else not even the change itself could be committed, nor
   * anything after it, and who leads would lose its quorum by it.
   */
  #isThere(next: Configuration): boolean {
    const { id } = this.#context.config;
    return isQuorum(next, (voter) => voter === id || this.#followers.get(voter)?.active === true);
  }

  #promotion(configuration: Configuration, learner: Learner): Next | null {
    // Who is to go should not lead then.
    if (learner.replaces === this.#context.config.id && configuration.voters.length > 1) {
      return { type: "handOver" };
    }
    const promoted = promote(configuration, learner);
    return this.#isThere(promoted) ? { type: "configure", configuration: promoted } : null;
  }

  /**
   * Nothing is under way: the newest configuration is committed, and so is something of this term, without
   * which another leader's change might be (the bug of single-server changes, raft-dev 2015).
   */
  get #isSettled(): boolean {
    const { log, term } = this.#context;
    return log.configurationIndex <= log.commitIndex && log.termAt(log.commitIndex) === term;
  }

  /**
   * Those that have a say, those that leave until that is committed, and learners from when that is: an id
   * that comes to nothing must not have been heard of.
   */
  get #followed(): NodeId[] {
    const { log } = this.#context;
    const committed = membersOf(log.configurationAt(log.commitIndex));
    const members = [...committed, ...votersOf(log.configuration)].map(({ id }) => id);
    return [...members, ...this.#leaving.keys()];
  }

  #hasCaughtUp(id: NodeId): boolean {
    const { log, nowMs, config } = this.#context;
    const progress = this.#followers.get(id);
    if (progress === undefined) return false;
    const catchUp = this.#catchUps.get(id) ?? new CatchUp(log.last.index, nowMs);
    this.#catchUps.set(id, catchUp);
    catchUp.holds(progress.matchIndex, log.last.index, nowMs, config.electionMinMs);
    // One whose state is wrong gets another first.
    return catchUp.isDone && progress.state === "replicate" && progress.diverged === null;
  }
}
