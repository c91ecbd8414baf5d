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
  const signal = AbortSignal.timeout(timeoutMs);
  const statuses = new Map<string, StatusResult | null>();
  let strangers = group.members;
  while (strangers.length > 0) {
    group.meet(strangers);
    for (const [id, status] of await statusesOf(group, strangers, signal)) statuses.set(id, status);
    strangers = [...statuses.values()].flatMap(membersIn).filter(({ id }) => !statuses.has(id));
  }
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

async function statusesOf(
  group: ReplicaGroup,
  members: readonly Member[],
  signal: AbortSignal,
): Promise<Map<string, StatusResult | null>> {
  const calls = members.map(async ({ id }) => {
    // Whatever befell the call, the replica could not be reached.
    const status = await group.status(id, signal).catch(() => null);
    return [id, status] as const;
  });
  return new Map(await Promise.all(calls));
}

/** Everybody that somebody has told of, in the order of that. */
const membersIn = (status: StatusResult | null): readonly Member[] =>
  status === null || status.type === "uninitialised" ? [] : status.members;

/** By the newest configuration that anybody knows; null when nobody in the group was heard. */
function newestMembers(statuses: readonly (StatusResult | null)[]): readonly Member[] | null {
  const known = statuses.flatMap((status) => (status?.type === "status" ? [status] : []));
  return known.sort((a, b) => b.membersIndex - a.membersIndex)[0]?.members ?? null;
}
