import type { NodeId } from "./types.ts";

/** One replica of a group, and where it is. */
export interface Member {
  readonly id: NodeId;
  readonly region: string;
}

/** A member that has no vote yet, and gets one when it has caught up. */
export interface Learner extends Member {
  /** The voter whose place it takes then; null when it comes in addition. */
  readonly replaces: NodeId | null;
}

/**
 * Who belongs to a group. A replica goes by the newest configuration in its log, committed or not
 * (thesis, 4.1).
 *
 * While voters change, two groups of them must agree to everything, each with a majority of its own: those
 * that will vote and those that did. There is no moment at which two disjoint majorities could decide
 * (thesis, 4.3).
 */
export interface Configuration {
  readonly voters: readonly Member[];
  /** Those that voted before, while voters change; else nobody. */
  readonly outgoing: readonly Member[];
  readonly learners: readonly Learner[];
  /** The number that the next new member gets for its id. None is ever given twice. */
  readonly nextId: number;
  /**
   * How often the group was rebuilt from one replica, counted from 1. Replicas of different epochs have
   * nothing to say to each other.
   */
  readonly epoch: number;
}

/** What one that has left the group knows of those who go on with it. */
export interface Left {
  /** Who belonged to the group then. */
  readonly members: readonly Member[];
  /** Ids below this had been given. */
  readonly nextId: number;
}

export type Change =
  | { readonly type: "add"; readonly region: string; readonly replaces: NodeId | null }
  | { readonly type: "remove"; readonly id: NodeId };

/** Why a change makes no sense, whenever it is tried. */
export type ChangeRefusal = "no_such_member" | "last_voter" | "too_many" | "already_replaced";

/** More voters would cost more than they help, and a majority must answer every write. */
export const maxVoters = 7;
/** Members that wait for their vote at once. */
export const maxLearners = 3;

/** What a group begins with. */
export const founding = (members: readonly Member[]): Configuration => ({
  voters: members,
  outgoing: [],
  learners: [],
  nextId: 1 + Math.max(0, ...members.map(({ id }) => Number(id) || 0)),
  epoch: 1,
});

/** Ids that the lost replicas may have given to others, and that this one never heard of. */
const skippedIds = 100;

/** An election takes one term, and no group has as many in its life. */
export const rebuildTerms = 1_000_000;

/** What is left of a group that is rebuilt from one member. Null when that is none. */
export function rebuiltFrom(configuration: Configuration, id: NodeId): Configuration | null {
  const member = membersOf(configuration).find((each) => each.id === id);
  if (member === undefined) return null;
  return {
    voters: [{ id, region: member.region }],
    outgoing: [],
    learners: [],
    nextId: configuration.nextId + skippedIds,
    epoch: configuration.epoch + 1,
  };
}

export const isJoint = ({ outgoing }: Configuration): boolean => outgoing.length > 0;

/** The groups of voters each of which must agree. */
export const halvesOf = ({ voters, outgoing }: Configuration): readonly (readonly Member[])[] =>
  outgoing.length === 0 ? [voters] : [voters, outgoing];

/** Everybody with a vote, once. */
export const votersOf = (configuration: Configuration): readonly Member[] =>
  distinct(halvesOf(configuration).flat());

export const membersOf = (configuration: Configuration): readonly Member[] =>
  distinct([...votersOf(configuration), ...configuration.learners]);

export const isVoter = (configuration: Configuration, id: NodeId): boolean =>
  halvesOf(configuration).some((voters) => isAmong(voters, id));

export const isMember = (configuration: Configuration, id: NodeId): boolean =>
  isVoter(configuration, id) || isAmong(configuration.learners, id);

export const leftFrom = (configuration: Configuration, id: NodeId): Left => ({
  members: membersOf(configuration).filter((member) => member.id !== id),
  nextId: configuration.nextId,
});

/** The region of a member; null for anybody else. */
export const regionOf = (configuration: Configuration, id: NodeId): string | null =>
  membersOf(configuration).find((member) => member.id === id)?.region ?? null;

/** Whether `id` once belonged to the group and never will again. Only a committed configuration can tell. */
export const hasLeft = (configuration: Configuration, id: NodeId): boolean =>
  Number(id) < configuration.nextId && !isMember(configuration, id);

/** The configuration that begins a change, or why there is none. */
export function begin(configuration: Configuration, change: Change): Configuration | ChangeRefusal {
  return change.type === "add"
    ? add(configuration, change.region, change.replaces)
    : remove(configuration, change.id);
}

/** A learner gets its vote, in the place of whom it replaces. */
export function promote(configuration: Configuration, learner: Learner): Configuration {
  const { voters, learners } = configuration;
  const { id, region, replaces } = learner;
  return {
    ...configuration,
    voters: [...voters.filter((voter) => voter.id !== replaces), { id, region }],
    outgoing: voters,
    learners: learners.filter((other) => other.id !== id),
  };
}

/** Ends the change of voters. */
export const leaveJoint = (configuration: Configuration): Configuration => ({
  ...configuration,
  outgoing: [],
});

function add(
  configuration: Configuration,
  region: string,
  replaces: NodeId | null,
): Configuration | ChangeRefusal {
  const { voters, learners, nextId } = configuration;
  if (replaces !== null && !isAmong(voters, replaces)) return "no_such_member";
  const isReplaced = learners.some((learner) => learner.replaces === replaces);
  if (replaces !== null && isReplaced) return "already_replaced";
  const additional = learners.filter((learner) => learner.replaces === null).length;
  const isTooMany = replaces === null && voters.length + additional >= maxVoters;
  if (isTooMany || learners.length >= maxLearners) return "too_many";
  const learner = { id: String(nextId), region, replaces };
  return { ...configuration, learners: [...learners, learner], nextId: nextId + 1 };
}

function remove(configuration: Configuration, id: NodeId): Configuration | ChangeRefusal {
  const { voters, learners } = configuration;
  const remaining = learners.filter((learner) => learner.id !== id);
  if (remaining.length < learners.length) return { ...configuration, learners: remaining };
  const left = voters.filter((voter) => voter.id !== id);
  if (left.length === voters.length) return "no_such_member";
  if (left.length === 0) return "last_voter";
  if (learners.some((learner) => learner.replaces === id)) return "already_replaced";
  return { ...configuration, voters: left, outgoing: voters };
}

export const isAmong = (members: readonly Member[], id: NodeId): boolean =>
  members.some((member) => member.id === id);

const distinct = (members: readonly Member[]): readonly Member[] => [
  ...new Map(members.map((member) => [member.id, member])).values(),
];
