import type { ChangeResult, MemberStatus, ReplicaStatus } from "../protocol/client.ts";
import { backoffMs, pause } from "./pause.ts";
import { Problem } from "./problem.ts";
import type { ReplicaGroup } from "./replica-group.ts";
import { callRollOfGroup, leaderIn } from "./roll-call.ts";

/** How somebody wants the members of a group to change. */
export type WantedChange =
  /** A new one, in the place of another or in addition. */
  | { readonly type: "add"; readonly region: string | null; readonly replaces: string | null }
  | { readonly type: "remove"; readonly id: string };

/** A change that has begun for good. */
export interface Changed {
  /** The member that came, or the one that goes. */
  readonly id: string;
  /** Whether all of it has happened; else it goes on by itself. */
  readonly isOver: boolean;
  readonly status: ReplicaStatus;
}

/** How long replicas may take to speak of themselves. */
const statusTimeoutMs = 1000;
/** The longest wait between two looks. */
const longestPauseMs = 100;

/** The leader of a group, with what it says of the members. Throws a Problem when none is found. */
export const findLeader = async (group: ReplicaGroup, timeoutMs: number): Promise<ReplicaStatus> =>
  leaderIn(await callRollOfGroup(group, timeoutMs));

/**
 * Has the leader of a group change its members, and waits until that is over or time is up.
 *
 * @throws Problem when nothing can be changed, and when it is not known whether anything was.
 */
export async function reconfigure(
  group: ReplicaGroup,
  wanted: WantedChange,
  timeoutMs: number,
): Promise<Changed> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const rollMs = Math.min(statusTimeoutMs, Math.ceil(timeoutMs / 3));
  for (let n = 0; ; n++) {
    const leader = await awaitLeader(group, rollMs, deadline);
    const change = toChange(wanted, leader, group);
    const result = await group.change(leader.id, change, deadline).catch(() => null);
    if (result?.type === "begun") {
      const isEnd = ({ members, membersIndex, commitIndex }: ReplicaStatus): boolean =>
        membersIndex <= commitIndex && isOver(members, wanted, result.id);
      const begun = { id: result.id, isOver: false, status: leader };
      return awaitEnd(group, begun, isEnd, rollMs, deadline);
    }
    refuse(result, wanted, leader);
    await pause(backoffMs(n, longestPauseMs), deadline);
    // Later, a change that is not even sent would be taken for one in doubt.
    if (deadline.aborted) {
      throw new Problem(
        "not_ready",
        `replica ${leader.id} has another change under way, or does not reach those who would have to agree; see the cluster, and try again`,
      );
    }
  }
}

/** The same, but waits for one as long as there is time: whom a change removes may be about to hand over. */
async function awaitLeader(
  group: ReplicaGroup,
  rollMs: number,
  deadline: AbortSignal,
): Promise<ReplicaStatus> {
  for (let n = 0; ; n++) {
    try {
      return await findLeader(group, rollMs);
    } catch (error) {
      const mayCome = error instanceof Problem && error.code === "no_leader";
      if (!mayCome || deadline.aborted) throw error;
    }
    await pause(backoffMs(n, longestPauseMs), deadline);
  }
}

/** Makes a change of what is wanted, by what the leader says of the members. */
function toChange(
  wanted: WantedChange,
  { members, nextId }: ReplicaStatus,
  { settings, namespace }: ReplicaGroup,
): Parameters<ReplicaGroup["change"]>[1] {
  if (wanted.type === "remove") return wanted;
  const { replaces } = wanted;
  const old = members.find(({ id }) => id === replaces);
  if (replaces !== null && old === undefined) throw noSuchMember(namespace, replaces, members);
  if (settings.elsewhere !== null && !settings.elsewhere.urls.has(nextId)) {
    throw new Problem(
      "membership_conflict",
      `the new replica will be ${nextId}, of which REPLICA_URLS knows nothing: name its Worker there, in all of them, and deploy them first`,
    );
  }
  return { type: "add", region: wanted.region ?? old!.region, replaces };
}

/** Throws what makes no sense to try again. */
function refuse(result: ChangeResult | null, wanted: WantedChange, leader: ReplicaStatus): void {
  if (result === null || result.type === "unknown") {
    throw new Problem(
      "outcome_unknown",
      `replica ${leader.id} was asked to change the members, and whether it did is not known; GET them to see`,
      { outcome: "unknown" },
    );
  }
  if (result.type === "tooOld") {
    const ids = result.ids.join(", ");
    throw new Problem(
      "not_ready",
      `replica ${ids} runs code that knows no change of members; deploy the present one there first`,
    );
  }
  if (result.type !== "refused") return;
  switch (result.reason) {
    case "no_such_member":
      throw noSuchMember(
        "the group",
        (wanted.type === "remove" ? wanted.id : wanted.replaces) ?? "",
        leader.members,
      );
    case "last_voter":
      throw new Problem("membership_conflict", "the last voter cannot go; add another one first");
    case "too_many":
      throw new Problem(
        "membership_conflict",
        "there may be 7 voters, and 3 members may wait for their vote; remove one first",
      );
    case "already_replaced":
      throw new Problem(
        "membership_conflict",
        "another replica is about to take its place; wait for that, or remove the newcomer",
      );
  }
}

/** Waits until it is over, or time is. */
async function awaitEnd(
  group: ReplicaGroup,
  { id, status: first }: Changed,
  isEnd: (status: ReplicaStatus) => boolean,
  rollMs: number,
  deadline: AbortSignal,
): Promise<Changed> {
  let status = first;
  for (let n = 0; !deadline.aborted; n++) {
    // The leader may be another by now, or none for a moment.
    status = await findLeader(group, rollMs).catch(() => status);
    if (isEnd(status)) return { id, isOver: true, status };
    await pause(backoffMs(n, longestPauseMs), deadline);
  }
  return { id, isOver: false, status };
}

/** Whether the newcomer votes, or whoever was to go is gone; and nobody else is on the way out. */
function isOver(members: readonly MemberStatus[], { type }: WantedChange, id: string): boolean {
  if (members.some(({ role }) => role === "leaving")) return false;
  const member = members.find((each) => each.id === id);
  return type === "add" ? member?.role === "voter" : member === undefined;
}

const noSuchMember = (namespace: string, id: string, members: readonly MemberStatus[]): Problem => {
  const ids = members.map((member) => member.id).join(", ");
  return new Problem("replica_not_found", `${namespace} has no replica "${id}"; it has ${ids}`);
};
