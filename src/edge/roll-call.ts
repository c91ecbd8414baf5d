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
 * A group keeps the members it was founded with, and those may be others than the settings name
 * today. So they are taken from the first replica that knows them; the settings stand in when none
 * does.
 */
export async function callRoll(group: ReplicaGroup, timeoutMs: number): Promise<Present[]> {
  const statuses = await statusesOf(group, group.members, timeoutMs);
  const members = [...statuses.values()].flatMap(membersIn)[0] ?? group.members;
  const strangers = members.filter(({ id }) => !statuses.has(id));
  const more = await statusesOf(group, strangers, timeoutMs);
  return members.map((member) => ({
    member,
    status: statuses.get(member.id) ?? more.get(member.id) ?? null,
  }));
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
  return statuses.find((status) => status.role === "leader" && status.term === term) ?? null;
}

async function statusesOf(
  group: ReplicaGroup,
  members: readonly Member[],
  timeoutMs: number,
): Promise<Map<string, StatusResult | null>> {
  const signal = AbortSignal.timeout(timeoutMs);
  const calls = members.map(async ({ id }) => {
    // Whatever befell the call, the replica could not be reached.
    const status = await group.status(id, signal).catch(() => null);
    return [id, status] as const;
  });
  return new Map(await Promise.all(calls));
}

const membersIn = (status: StatusResult | null): (readonly Member[])[] =>
  status?.type === "status" ? [status.members] : [];
