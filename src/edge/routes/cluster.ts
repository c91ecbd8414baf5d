import type { Context } from "hono";
import {
  type Member,
  type ReplicaStatus,
  type StatusResult,
  statusPath,
} from "../../protocol/client.ts";
import { parseSettings } from "../../protocol/settings.ts";
import type { EdgeEnv } from "../env.ts";
import { checkNamespace } from "../key-path.ts";
import { Problem } from "../problem.ts";
import { callReplica } from "../replica-stub.ts";

/** How long a replica may take to speak of itself before it counts as unreachable. */
const statusTimeoutMs = 1000;

/** `GET /v1/ns/{ns}/cluster`: what each replica says of itself, without asking the others. */
export async function getCluster(c: Context<EdgeEnv>): Promise<Response> {
  const namespace = checkNamespace(c.req.param("ns") ?? "");
  const { members } = parseSettings(c.env);
  const ask = (member: Member): Promise<StatusResult | null> =>
    callReplica<StatusResult>(c.env, namespace, member, {
      path: statusPath,
      method: "GET",
      timeoutMs: statusTimeoutMs,
    }).catch(() => null);
  const results = await Promise.all(members.map(ask));
  if (!results.some((result) => result?.type === "status")) {
    // One that did not answer may know the namespace.
    if (results.includes(null)) {
      throw new Problem("no_leader", "no replica that knows the namespace was reached; try again");
    }
    throw new Problem(
      "namespace_not_found",
      `nothing is known of ${namespace}: a namespace comes into being at its first read or write`,
    );
  }
  const replicas = members.map((member, i) => describe(member, results[i]!));
  const leader = newestLeader(results);
  const status = { namespace, leader: leader?.id ?? null, term: leader?.term ?? null, replicas };
  return c.body(`${JSON.stringify(status, null, 2)}\n`, 200, {
    "Content-Type": "application/json",
  });
}

const unknown = {
  role: null,
  term: null,
  leader: null,
  commitIndex: null,
  lastApplied: null,
  lastLogIndex: null,
  revision: null,
  stateHash: null,
};

function describe({ id, region }: Member, result: StatusResult | null): object {
  if (result?.type !== "status") return { id, region, reachable: result !== null, ...unknown };
  const { type: _type, members: _members, ...status } = result;
  return { ...status, reachable: true };
}

/**
 * The leader of the newest term. One of an older term has been replaced and only does not know it
 * yet.
 */
function newestLeader(results: readonly (StatusResult | null)[]): ReplicaStatus | null {
  const statuses = results.filter((result) => result?.type === "status");
  const term = Math.max(...statuses.map((status) => status.term));
  return statuses.find((status) => status.role === "leader" && status.term === term) ?? null;
}
