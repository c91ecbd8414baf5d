import { describeConfiguration } from "../../src/raft/describe.ts";
import {
  type Configuration,
  hasLeft,
  isJoint,
  isMember,
  membersOf,
} from "../../src/raft/membership.ts";
import { type Entry, type LogIndex, type NodeId, asIndex } from "../../src/raft/types.ts";
import { check } from "./check.ts";
import type { Life } from "./life.ts";

/** What must hold of the configurations that are committed, one after the other. */
export class MembershipInvariants {
  /** Those that were committed, and from which entry on each holds. */
  readonly #history: { readonly index: LogIndex; readonly configuration: Configuration }[];
  /** Whoever belonged to the group at some time. */
  readonly #known = new Set<NodeId>();

  constructor(founding: Configuration) {
    this.#history = [{ index: asIndex(0), configuration: founding }];
    this.#know(founding);
  }

  /** The newest that is committed. */
  get configuration(): Configuration {
    return this.#history.at(-1)!.configuration;
  }

  /** A replica goes by what is committed, as far as it knows that to be, and its log reaches. */
  knows({ id, raft: { log } }: Life): void {
    const held = describeConfiguration(log.configurationAt(log.commitIndex));
    const { configuration } = this.#history.findLast(({ index }) => index <= log.commitIndex)!;
    const says = (): string => `${id} has ${held} at ${log.commitIndex}`;
    check(held === describeConfiguration(configuration), "true configuration", says);
  }

  /** An entry is committed, the first time anywhere. */
  commits(entry: Entry): void {
    if (entry.type !== "configuration") return;
    const [before, after] = [this.configuration, entry.configuration];
    const says = (): string =>
      `${describeConfiguration(after)} after ${describeConfiguration(before)}`;
    check(follows(before, after), "joint consensus", says);
    for (const { id } of membersOf(after)) {
      const isReused = this.#known.has(id) && !isMember(before, id);
      check(!isReused, "ids are never reused", () => `${id} comes again: ${says()}`);
    }
    this.#history.push({ index: entry.index, configuration: after });
    this.#know(after);
  }

  /** Nobody is called before the entry that names it is committed. */
  mayBeCalled(id: NodeId): void {
    check(this.#known.has(id), "called when committed", () => `${id} is called too early`);
  }

  /** A replica takes itself for one that has left. */
  left(id: NodeId): void {
    check(hasLeft(this.configuration, id), "who has left", () => `${id} belongs to the group`);
  }

  #know(configuration: Configuration): void {
    for (const { id } of membersOf(configuration)) this.#known.add(id);
  }
}

/** Voters change only into and out of a joint configuration, and learners only outside of one. */
function follows(before: Configuration, after: Configuration): boolean {
  const ids = (members: readonly { readonly id: string }[]): string =>
    members.map(({ id }) => id).join();
  const isSame = ids(before.voters) === ids(after.voters);
  const haveSameLearners = ids(before.learners) === ids(after.learners);
  if (isJoint(before)) return isSame && !isJoint(after) && haveSameLearners;
  return isJoint(after) ? ids(after.outgoing) === ids(before.voters) : isSame;
}
