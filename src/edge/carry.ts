import { isReached } from "./bookmark.ts";
import { type Consistency, levelOf, linearizable } from "./consistency.ts";
import { type Draft, type Forwarded, Forwarding, isWrite } from "./forward.ts";
import { regionOf } from "./nearest.ts";
import { Problem } from "./problem.ts";
import type { ReplicaGroup } from "./replica-group.ts";

/**
 * How long a replica waits, in ms, for what a session has seen before it asks for it. Where somebody writes all
 * the time it comes by itself; else only with the next heartbeat, and to ask is sooner.
 */
const newsMs = 50;

/** What is wanted of an answer, besides what the request is about. */
export interface Terms {
  readonly timeoutMs: number;
  readonly consistency: Consistency;
}

/**
 * Takes a request to whoever is to answer it: the leader, or the nearest replica whose state is new enough;
 * or the one replica that it is for.
 */
export async function carry(
  request: Request,
  group: ReplicaGroup,
  draft: Draft,
  { timeoutMs, consistency: wanted }: Terms,
  replica: string | null = null,
): Promise<Forwarded> {
  if (isWrite(draft) && wanted.type !== "linearizable") {
    throw new Problem(
      "bad_parameter",
      `a write is linearizable; consistency=${wanted.type} is for reads`,
    );
  }
  const forwarding = new Forwarding(group, draft, timeoutMs);
  const consistency = fitFor(draft, wanted);
  const waitMs = Math.floor(Math.min(newsMs, group.settings.heartbeatMs / 2, timeoutMs / 8));
  const level = consistency.type === "linearizable" ? null : levelOf(consistency, waitMs);
  const forwarded = await (replica !== null
    ? forwarding.toReplica(replica, level)
    : level === null
      ? forwarding.toLeader()
      : forwarding.toNearest(level, regionOf(request)));
  checkReached(forwarded, wanted);
  return forwarded;
}

/** What changes without a new revision: no bookmark tells whether a state has it. */
const unrevised: ReadonlySet<Draft["type"]> = new Set(["lease", "retention"]);

const fitFor = ({ type }: Draft, consistency: Consistency): Consistency =>
  consistency.type === "session" && unrevised.has(type) ? linearizable : consistency;

/** A session must not go back, not even where what it has seen is lost: that is for the client to decide. */
function checkReached(forwarded: Forwarded, wanted: Consistency): void {
  if (forwarded.type !== "answered" || wanted.type !== "session") return;
  const { servedBy, revision } = forwarded;
  const { epoch = 1 } = servedBy;
  // Replicas of older code do not say; they lead a group that was never rebuilt.
  if (revision === null || isReached(wanted.bookmark, { epoch, revision })) return;
  throw new Problem(
    "bad_bookmark",
    "this namespace has nothing that the KV-Bookmark stands for: it was made anew, restored from an export, or rebuilt from one " +
      "replica (writes may be lost); begin a new session without it",
  );
}
