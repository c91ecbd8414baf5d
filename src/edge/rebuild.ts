import type { ReplicaStatus } from "../protocol/client.ts";
import { pokeUntilLeads } from "./poke-until-leads.ts";
import { Problem } from "./problem.ts";
import type { ReplicaGroup } from "./replica-group.ts";
import { type Present, callRollOfGroup, newestLeader } from "./roll-call.ts";

/** What an operator must say to give replicas up for lost. */
export interface Sacrifice {
  /** The replica whose log is to be the group's. */
  readonly survivor: string;
  /** All others, in any order: so that somebody has looked at who is there. */
  readonly lost: readonly string[];
}

/** How long replicas may take to speak of themselves: all the time there is, for a last look. */
const statusTimeoutMs = 2000;

/**
 * Rebuilds a group that has lost its quorum for good, from one replica: that goes on alone, and everything
 * that it never heard of is lost. The others are told to retire, now if they can be reached, and when they
 * call if they come back.
 *
 * @returns the survivor's status, leading.
 * @throws Problem when a quorum may still be there, or when somebody else has more of the log.
 */
export async function rebuild(
  group: ReplicaGroup,
  { survivor, lost }: Sacrifice,
  timeoutMs: number,
): Promise<ReplicaStatus> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const roll = await callRollOfGroup(group, Math.min(statusTimeoutMs, Math.ceil(timeoutMs / 2)));
  const chosen = choose(roll, survivor);
  checkSacrifice(roll, chosen, lost);
  const result = await group.rebuild(survivor, chosen.epoch, deadline).catch(() => null);
  if (result === null) {
    throw new Problem("outcome_unknown", `replica ${survivor} did not answer; GET the cluster`, {
      outcome: "unknown",
    });
  }
  if (result.type === "refused") {
    throw new Problem(
      "membership_conflict",
      `replica ${survivor} leads again; nothing was changed`,
    );
  }
  const { epoch } = result;
  const others = roll.map(({ member }) => member.id).filter((id) => id !== survivor);
  const members = [{ id: survivor, region: chosen.region }];
  await Promise.allSettled(others.map((id) => group.retire(id, epoch, members, deadline)));
  const status = await pokeUntilLeads(group, survivor, chosen.term, deadline);
  if (status !== null) return status;
  throw new Problem("outcome_unknown", `replica ${survivor} was rebuilt, and does not lead yet`, {
    outcome: "unknown",
  });
}

/** The survivor must be there, and have the most of the log of those that are. */
function choose(roll: readonly Present[], survivor: string): ReplicaStatus {
  const present = roll.flatMap(({ status }) => (status?.type === "status" ? [status] : []));
  const chosen = present.find(({ id }) => id === survivor);
  if (chosen === undefined) {
    const ids = present.map(({ id }) => id).join(", ") || "nobody";
    throw new Problem(
      "replica_not_found",
      `there is no replica "${survivor}" to be reached: ${ids}`,
    );
  }
  const [best] = present.toSorted(
    (a, b) => b.lastLogTerm - a.lastLogTerm || b.lastLogIndex - a.lastLogIndex,
  );
  const hasMost =
    chosen.lastLogTerm === best!.lastLogTerm && chosen.lastLogIndex === best!.lastLogIndex;
  if (hasMost) return chosen;
  throw new Problem(
    "membership_conflict",
    `replica ${best!.id} has more of the log than ${survivor}: rebuild from that one`,
  );
}

function checkSacrifice(
  roll: readonly Present[],
  { id: survivor, members, outgoing = [] }: ReplicaStatus,
  lost: readonly string[],
): void {
  const leader = newestLeader(roll);
  if (leader !== null) {
    throw new Problem(
      "membership_conflict",
      `replica ${leader.id} leads: there is nothing to rebuild`,
    );
  }
  const isThere = (id: string): boolean =>
    roll.some(({ member, status }) => member.id === id && status?.type === "status");
  const voters = members.filter(({ role }) => role === "voter").map(({ id }) => id);
  const isMajorityThere = [voters, outgoing].every(
    (half) => half.length === 0 || half.filter(isThere).length > half.length / 2,
  );
  // Nobody whose state is wrong stands, so where all are, waiting helps nobody.
  const isAnyWell = roll.some(({ status }) => status?.type === "status" && !status.diverged);
  if (isAnyWell && isMajorityThere) {
    throw new Problem(
      "membership_conflict",
      "a majority of the voters can be reached, and will find a leader by themselves: wait for that",
    );
  }
  const others = members.map(({ id }) => id).filter((id) => id !== survivor);
  const isNamed = [...others].sort().join() === [...lost].sort().join();
  if (isNamed) return;
  throw new Problem(
    "bad_body",
    `"lost" must name all other members, which are then given up for good: ${JSON.stringify(others)}`,
  );
}
