import { isJoint, isVoter } from "../../src/raft/membership.ts";
import type { Input } from "../../src/raft/io.ts";
import type { Message } from "../../src/raft/messages.ts";
import type { Before, Life, Step } from "../invariants/life.ts";
import type { World } from "./world.ts";

/** Sees what a world comes across, and counts it. Changes nothing, so a run is the same without it. */
export class Watcher {
  readonly #world: World;
  /** Who led last. */
  #lastLeader = "";
  /** Whom a leader has told to stand for election, since the last one. */
  #toldToStand = "";
  /** Who began the change of voters that is under way. */
  #jointBy = "";
  /** Who led when it slept, and was lost in its sleep. */
  #lostAsleep = "";

  constructor(world: World) {
    this.#world = world;
  }

  /** The memory of a replica is gone, or the replica does not answer any more. */
  lost(id: string, life: Life | null): void {
    if (life?.raft.role !== "leader" || !life.raft.isAsleep) return;
    this.#lostAsleep = id;
    this.#world.seen.saw("leader lost while it slept");
  }

  /** A message leaves a replica. */
  sent(message: Message): void {
    const { seen } = this.#world;
    if (message.type === "preVoteResponse" && !message.granted) seen.saw("pre-vote refused");
    if (message.type === "preVoteResponse" && message.left !== undefined) {
      seen.saw("told to have left");
    }
    if (message.type === "requestVoteResponse" && !message.granted) seen.saw("vote refused");
    if (message.type === "appendEntriesResponse" && message.result.type === "conflict") {
      seen.saw("log conflict");
    }
    if (message.type === "installSnapshotResponse") {
      if (message.result.type === "restart") seen.saw("snapshot begun anew");
      if (message.result.type === "stored") seen.saw("chunk stored");
    }
  }

  /** A core has done a step. */
  stepped({ replica, input, output, before }: Step): void {
    const { seen } = this.#world;
    const { role, term } = replica.raft;
    if (role === "leader" && before.role !== "leader") {
      seen.saw("leader elected");
      if (this.#lastLeader === replica.id) seen.saw("leader restarted and elected again");
      if (this.#toldToStand === replica.id) seen.saw("leadership handed over");
      if (this.#lostAsleep === replica.id) seen.saw("leader lost asleep leads again");
      else if (this.#lostAsleep !== "") seen.saw("leader lost asleep is replaced");
      this.#lostAsleep = "";
      this.#lastLeader = replica.id;
      this.#toldToStand = "";
    }
    if (input.type === "receive" && input.message.type === "requestVoteRequest") {
      if (!isVoter(before.configuration, replica.id)) seen.saw("learner asked for its vote");
    }
    if (input.type === "receive" && input.message.type === "timeoutNowRequest") {
      seen.saw("follower told to stand");
      this.#toldToStand = replica.id;
    }
    this.#countSleep(replica, before, input);
    const isDeposed = before.role === "leader" && role !== "leader";
    if (isDeposed && term === before.term) seen.saw("leader steps down without a quorum");
    const { persist } = output;
    if ((persist?.truncateFrom ?? null) !== null) seen.saw("log cut");
    if ((persist?.compactTo ?? null) !== null) seen.saw("log compacted");
    if ((persist?.install ?? null) !== null) {
      seen.saw("snapshot installed");
      if (persist!.chunk!.place > 1) seen.saw("snapshot of many chunks");
      if (before.commitIndex > 0) seen.saw("snapshot in place of an older state");
    }
    if (replica.raft.audit.hasDiverged && !before.hasDiverged) {
      if (before.role === "leader") seen.saw("leader finds that it has diverged");
      else seen.saw("follower finds that it has diverged");
    }
    if ((persist?.repair ?? null) !== null) {
      seen.saw("state repaired, log kept");
      if (persist!.repair!.index < before.appliedIndex) seen.saw("state repaired by one of before");
    }
    if (input.type === "compact" && persist?.compactTo?.index !== input.index) {
      seen.saw("log kept for a follower");
    }
    this.#countMembers(replica, input, before);
    for (const { reason } of output.failed) {
      if (reason === "dropped") seen.saw("proposal dropped");
      if (reason === "unknown") seen.saw("write under another leader's fate");
    }
    if (role === "leader" && before.role !== "leader" && this.#world.openWrites > 0) {
      seen.saw("leader elected with writes open");
    }
    if (input.type === "read" && role === "leader") {
      const { log } = replica.raft;
      if (log.termAt(log.commitIndex) !== term) seen.saw("read before the first own commit");
      if (replica.isReplaced) seen.saw("read begun by a zombie leader");
    }
  }

  #countMembers({ id, raft }: Life, input: Step["input"], before: Step["before"]): void {
    const { seen, founders } = this.#world;
    const { configuration } = raft.log;
    if (configuration === before.configuration) return;
    const [was, is] = [isJoint(before.configuration), isJoint(configuration)];
    const leads = raft.role === "leader";
    if (leads && is && before.configuration.learners.length > configuration.learners.length) {
      seen.saw("learner promoted");
    }
    if (leads && was && !is) {
      seen.saw("joint configuration committed");
      if (this.#jointBy !== id) seen.saw("change ended by another leader");
      if (!isVoter(configuration, id)) seen.saw("leader that is no voter");
      if (founders.every((founder) => !isVoter(configuration, founder))) {
        seen.saw("all founders replaced");
      }
    }
    if (leads && is) this.#jointBy = id;
    if (input.type !== "receive") return;
    const { type } = input.message;
    if (type === "installSnapshotRequest") seen.saw("configuration by snapshot");
    const isCut =
      type === "appendEntriesRequest" && configuration.nextId < before.configuration.nextId;
    if (isCut) seen.saw("configuration cut off");
  }

  #countSleep({ raft }: Life, before: Before, input: Input): void {
    const { seen } = this.#world;
    if (before.isAsleep === raft.isAsleep) {
      const isLate = input.type === "receive" && input.message.type === "appendEntriesRequest";
      if (isLate && raft.isAsleep && !input.message.sleep) seen.saw("late heartbeat wakes nobody");
      return;
    }
    const leads = before.role === "leader";
    if (raft.isAsleep) seen.saw(leads ? "group asleep" : "follower asleep");
    else if (input.type === "receive")
      seen.saw(leads ? "leader woken by a message" : "follower woken");
    else seen.saw(leads ? "group woken by a request" : "follower woken by a request");
  }
}
