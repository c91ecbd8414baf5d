import type { Context } from "hono";
import type { EdgeEnv } from "../env.ts";
import { checkNamespace } from "../key-path.ts";
import { parseTimeout, readQuery } from "../query.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { type Present, callRollOfGroup, newestLeader } from "../roll-call.ts";

/** How long a replica may take to speak of itself before it counts as unreachable. */
const statusTimeoutMs = 1000;

/** `GET /v1/ns/{ns}/cluster`: what each replica says of itself. No leader is needed for it. */
export async function getCluster(c: Context<EdgeEnv>): Promise<Response> {
  const namespace = checkNamespace(c.req.param("ns") ?? "");
  const { timeout } = readQuery(c.req.url, ["timeout"]);
  const timeoutMs = Math.min(statusTimeoutMs, parseTimeout(timeout));
  const roll = await callRollOfGroup(new ReplicaGroup(c.env, namespace), timeoutMs);
  const leader = newestLeader(roll);
  const cluster = {
    namespace,
    leader: leader?.id ?? null,
    term: leader?.term ?? null,
    replicas: roll.map(describeReplica),
  };
  return c.body(`${JSON.stringify(cluster, null, 2)}\n`, 200, {
    "Content-Type": "application/json",
  });
}

/** One line of the answer. What is not known is null. */
function describeReplica({ member: { id, region }, status }: Present): object {
  const own = status?.type === "status" ? status : null;
  return {
    id,
    region,
    reachable: status !== null,
    // A member that has heard nothing of its group yet has none.
    role: own?.role ?? (status === null ? null : "none"),
    term: own?.term ?? null,
    leader: own?.leader ?? null,
    commitIndex: own?.commitIndex ?? null,
    lastApplied: own?.lastApplied ?? null,
    firstLogIndex: own?.firstLogIndex ?? null,
    lastLogIndex: own?.lastLogIndex ?? null,
    logBytes: own?.logBytes ?? null,
    revision: own?.revision ?? null,
    stateHash: own?.stateHash ?? null,
    diverged: own?.diverged ?? null,
  };
}
