import type { WatchRequest } from "../protocol/watch.ts";
import { Forwarding } from "./forward.ts";
import { Problem } from "./problem.ts";
import type { ReplicaGroup } from "./replica-group.ts";
import { callRoll, newestLeader } from "./roll-call.ts";

/** How long a replica may take to begin an answer, beyond what it was asked to wait. */
const patienceMs = 2000;

export interface Source {
  readonly response: Response;
  /** Region, role and id of who answers. */
  readonly replica: string;
}

/**
 * Has a replica tell what changes: the first that does. One that has lately come may not have what is asked
 * for any more, though others do; so only when none has is it gone.
 */
export async function askAny(
  group: ReplicaGroup,
  request: WatchRequest,
  onSocket: boolean,
): Promise<Source> {
  const roll = await callRoll(group, patienceMs);
  if (roll.every(({ status }) => status?.type === "uninitialised")) {
    return found(group, request, onSocket);
  }
  const leader = newestLeader(roll)?.id;
  // Who leads has the newest.
  const present = roll.filter(({ status }) => status?.type === "status");
  present.sort((a, b) => Number(b.member.id === leader) - Number(a.member.id === leader));
  let compacted: number | null = null;
  for (const { member, status } of present) {
    const asked = onSocket
      ? group.watchOnSocket(member.id, request, AbortSignal.timeout(patienceMs))
      : group.watch(member.id, request, patienceMs);
    const response = await asked.catch(() => null);
    if (response === null) continue;
    if (response.ok || response.status === 101) {
      const role = status?.type === "status" ? status.role : "none";
      return { response, replica: `${member.region}/${role}/${member.id}` };
    }
    const body = await response.text();
    if (response.status === 416) throw future(Number(body));
    if (response.status === 410) {
      compacted = Math.min(compacted ?? Number.POSITIVE_INFINITY, revisionIn(body));
    }
  }
  if (compacted === null) {
    throw new Problem("unavailable", "no replica could be reached in time; try again");
  }
  const detail = `what came after that revision is not all kept any more: read what there is, and watch from then on; all that came after ${compacted} is kept`;
  throw new Problem("compacted", detail, { extra: { compact_revision: compacted } });
}

const future = (revision: number): Problem =>
  new Problem(
    "future_revision",
    `revision ${revision} is the newest, and what comes after a later one was asked for`,
  );

/** A namespace comes into being when somebody first wants something of it, if only to watch. */
async function found(
  group: ReplicaGroup,
  request: WatchRequest,
  onSocket: boolean,
): Promise<Source> {
  const { type } = await new Forwarding(
    group,
    { type: "count", range: nothing },
    patienceMs,
  ).toLeader();
  if (type === "answered") return askAny(group, request, onSocket);
  throw new Problem("unavailable", "no leader was found in time; try again");
}

const nothing = { from: "", to: "" };

const revisionIn = (body: string): number =>
  (JSON.parse(body) as { readonly compact_revision: number }).compact_revision;
