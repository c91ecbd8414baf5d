import type { Member, ReplicaStatus, StatusResult } from "../protocol/client.ts";
import { Problem } from "./problem.ts";
import type { ReplicaGroup } from "./replica-group.ts";

/** A member of a group and what it says of itself; null when it did not answer in time. */
export interface Present {
  readonly member: Member;
  readonly status: StatusResult | null;
}

/**
 * Asks every member of a group for its status, all at once.
 *
 * The members may be others than the settings name. So they are taken from whoever knows the newest
 * configuration, which is searched for from one replica that was told of to the next; the settings
 * stand in when nobody knows.
 */
export async function callRoll(group: ReplicaGroup, timeoutMs: number): Promise<Present[]> {
  const isEnough = new AbortController();
  const signal = AbortSignal.any([isEnough.signal, AbortSignal.timeout(timeoutMs)]);
  const statuses = new Map<string, StatusResult | null>();
  const ask = async (member: Member): Promise<void> => {
    const { id } = member;
    if (statuses.has(id)) return;
    statuses.set(id, null);
    group.meet([member]);
    // Whatever befell the call, the replica could not be reached.
    const status = await group.status(id, signal).catch(() => null);
    statuses.set(id, status);
    // One that hangs, and perhaps has left long ago, holds nobody up.
    if (haveAllSpoken(statuses)) isEnough.abort();
    await Promise.all(membersIn(status).map(ask));
  };
  await Promise.all(group.members.map(ask));
  const members = newestMembers([...statuses.values()]) ?? group.members;
  return members.map((member) => ({ member, status: statuses.get(member.id) ?? null }));
}

/** The same, for what makes sense only of a group that there is. Throws a Problem when there is none. */
export async function callRollOfGroup(group: ReplicaGroup, timeoutMs: number): Promise<Present[]> {
  const roll = await callRoll(group, timeoutMs);
  if (!roll.every(({ status }) => status?.type === "uninitialised")) return roll;
  throw new Problem(
    "namespace_not_found",
    `"${group.namespace}" has never been used: it comes into being at its first read or write`,
  );
}

/**
 * The leader of the newest term. One of an older term has been replaced and only does not know it
 * yet.
 */
export function newestLeader(roll: readonly Present[]): ReplicaStatus | null {
  const statuses = roll.flatMap(({ status }) => (status?.type === "status" ? [status] : []));
  const term = Math.max(...statuses.map((status) => status.term));
  const leads = ({ role, term: own, diverged }: ReplicaStatus): boolean =>
    role === "leader" && own === term && !diverged;
  return statuses.find(leads) ?? null;
}

/** The same, for what needs one. Throws a Problem when none was found. */
export function leaderIn(roll: readonly Present[]): ReplicaStatus {
  const leader = newestLeader(roll);
  if (leader !== null) return leader;
  const isAnyHeard = roll.some(({ status }) => status !== null);
  throw isAnyHeard
    ? new Problem("no_leader", "the group has no leader at the moment; nothing was changed")
    : new Problem("unavailable", "no replica could be reached in time; nothing was changed");
}

/** Whether all whom the newest configuration names are there. */
const haveAllSpoken = (statuses: ReadonlyMap<string, StatusResult | null>): boolean =>
  newestMembers([...statuses.values()])?.every(({ id }) => statuses.get(id)?.type === "status") ??
  false;

/** Everybody that somebody has told of, in the order of that. */
const membersIn = (status: StatusResult | null): readonly Member[] =>
  status === null || status.type === "uninitialised" ? [] : status.members;

/** By the newest configuration that anybody knows; null when nobody in the group was heard. */
function newestMembers(statuses: readonly (StatusResult | null)[]): readonly Member[] | null {
  const known = statuses.flatMap((status) => (status?.type === "status" ? [status] : []));
  return (
    known.sort((a, b) => b.epoch - a.epoch || b.membersIndex - a.membersIndex)[0]?.members ?? null
  );
}
