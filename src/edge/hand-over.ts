import type { Member, ReplicaStatus } from "../protocol/client.ts";
import { pokeUntilLeads } from "./poke-until-leads.ts";
import { Problem } from "./problem.ts";
import type { ReplicaGroup } from "./replica-group.ts";
import { type Present, callRollOfGroup, leaderIn } from "./roll-call.ts";

/** Whom somebody wants to lead: one replica, or any of a region. */
export type Wanted = { readonly replica: string } | { readonly region: string };

/** How long replicas may take to speak of themselves. */
const statusTimeoutMs = 1000;

/**
 * Hands the leadership of a group over, and waits until that shows. Does nothing if it is there already.
 *
 * @returns the new leader's status.
 * @throws Problem when there is nobody to hand over, or to hand over to, and when it did not show in
 * time: it may then still happen.
 */
export async function handOver(
  group: ReplicaGroup,
  wanted: Wanted,
  timeoutMs: number,
): Promise<ReplicaStatus> {
  const deadline = AbortSignal.timeout(timeoutMs);
  // Half the time at most, since somebody silent must not use up all of it.
  const roll = await callRollOfGroup(group, Math.min(statusTimeoutMs, Math.ceil(timeoutMs / 2)));
  const leader = leaderIn(roll);
  const candidates = candidatesIn(roll, wanted, group.namespace);
  if (candidates.some(({ member }) => member.id === leader.id)) return leader;
  const successor = await tellOne(group, leader.id, candidates, deadline);
  const status = await pokeUntilLeads(group, successor, leader.term, deadline);
  if (status !== null) return status;
  throw new Problem(
    "outcome_unknown",
    `replica ${successor} was asked to lead, and does not yet; GET the cluster to see who does`,
    { outcome: "unknown" },
  );
}

/** The members that may be meant. */
function candidatesIn(roll: readonly Present[], wanted: Wanted, namespace: string): Present[] {
  const isMeant = ({ id, region }: Member): boolean =>
    "replica" in wanted ? id === wanted.replica : region === wanted.region;
  const candidates = roll.filter(({ member }) => isMeant(member));
  if (candidates.length > 0) return candidates;
  const members = roll.map(({ member: { id, region } }) => `${id} in ${region}`).join(", ");
  const what = "replica" in wanted ? `replica "${wanted.replica}"` : `region "${wanted.region}"`;
  throw new Problem("replica_not_found", `${namespace} has no ${what}; it has ${members}`);
}

/** Tells the leader to hand over to the best candidate that it is ready for. Returns which that is. */
async function tellOne(
  group: ReplicaGroup,
  leader: string,
  candidates: readonly Present[],
  deadline: AbortSignal,
): Promise<string> {
  const able = mostAdvancedFirst(candidates);
  for (const { id } of able) {
    if (deadline.aborted) {
      const detail = "time was up before the leader could be told; nothing was changed";
      throw new Problem("unavailable", detail);
    }
    if (await tell(group, leader, id, deadline)) return id;
  }
  const ids = candidates.map(({ member }) => member.id).join(", ");
  const why = able.length === 0 ? "does not answer" : "is behind or out of the leader's reach";
  throw new Problem("not_ready", `replica ${ids} ${why}, so it cannot lead; nothing was changed`);
}

/** Those that answer, the one with most of the log first. */
const mostAdvancedFirst = (candidates: readonly Present[]): ReplicaStatus[] =>
  candidates
    .flatMap(({ status }) => (status?.type === "status" ? [status] : []))
    .sort((a, b) => b.lastLogIndex - a.lastLogIndex);

/** Tells the leader to hand over to a replica. Returns false when it is not ready for that one. */
async function tell(
  group: ReplicaGroup,
  leader: string,
  to: string,
  deadline: AbortSignal,
): Promise<boolean> {
  const result = await group.transfer(leader, to, deadline).catch(() => null);
  switch (result?.type) {
    case "started":
      return true;
    case "notReady":
      return false;
    case "notLeader":
      throw new Problem("no_leader", `replica ${leader} has just lost the leadership; try again`);
    case undefined:
      throw new Problem(
        "outcome_unknown",
        `replica ${leader} was asked to hand over, and did not answer; GET the cluster to see`,
        { outcome: "unknown" },
      );
  }
}
