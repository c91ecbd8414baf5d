import type { WatchRequest } from "../protocol/watch.ts";
import { Forwarding } from "./forward.ts";
import { type Region, nearestFirst } from "./nearest.ts";
import { Problem } from "./problem.ts";
import type { ReplicaGroup } from "./replica-group.ts";
import { type Present, callRoll, newestLeader } from "./roll-call.ts";

/** How long a replica may take to begin an answer, beyond what it was asked to wait. */
const patienceMs = 2000;

export interface Source {
  readonly response: Response;
  /** Region, role and id of who answers. */
  readonly replica: string;
}

export interface Wanted {
  readonly request: WatchRequest;
  /** Whether it is to be told on a WebSocket. */
  readonly onSocket: boolean;
  /** Where whoever asks is; null where that is all one. */
  readonly from: Region | null;
}

/**
 * Has a replica tell what changes: the first that does. One that has lately come may not have what is asked
 * for any more, though others do; so only when none has is it gone.
 */
export async function askAny(group: ReplicaGroup, wanted: Wanted): Promise<Source> {
  const roll = await callRoll(group, patienceMs);
  if (roll.every(({ status }) => status?.type === "uninitialised")) return found(group, wanted);
  const { request, onSocket } = wanted;
  let compacted: number | null = null;
  for (const { member, status } of inTurn(roll, wanted)) {
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

/**
 * Those that can be reached, in the order in which to ask them: the nearest first, which will tell as much in the end; but
 * who says from no revision wants what comes after the newest, and that who leads has.
 */
function inTurn(roll: readonly Present[], { request, from }: Wanted): Present[] {
  const leader = newestLeader(roll)?.id ?? null;
  const present = roll.filter(({ status }) => status?.type === "status");
  const members = present.map(({ member }) => member);
  const order = nearestFirst(members, request.after === null ? null : from, leader);
  return order.map((id) => present.find(({ member }) => member.id === id)!);
}

/** A namespace comes into being when somebody first wants something of it, if only to watch. */
async function found(group: ReplicaGroup, wanted: Wanted): Promise<Source> {
  const { type } = await new Forwarding(
    group,
    { type: "count", range: nothing },
    patienceMs,
  ).toLeader();
  if (type === "answered") return askAny(group, wanted);
  throw new Problem("unavailable", "no leader was found in time; try again");
}

const nothing = { from: "", to: "" };

const revisionIn = (body: string): number =>
  (JSON.parse(body) as { readonly compact_revision: number }).compact_revision;
