import type { Member, StatusResult } from "../protocol/client.ts";
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
