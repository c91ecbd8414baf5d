import type { Cluster, ClusterStatus } from "../../src/cluster/start.ts";
import { eventually } from "./eventually.ts";

/** The leader that a majority of the reachable replicas agrees on, once there is one. */
export async function leaderOf(cluster: Cluster): Promise<string> {
  return eventually("a leader is known", async () => (await cluster.status()).leader);
}

/**
 * Waits until all replicas are reachable, agree on the leader, and have applied the same to the
 * same end.
 */
export async function settled(cluster: Cluster, withinMs: number): Promise<ClusterStatus> {
  return eventually(
    "all replicas are equal",
    async () => {
      const status = await cluster.status();
      const { replicas } = status;
      const same = (value: (replica: (typeof replicas)[number]) => unknown): boolean =>
        new Set(replicas.map(value)).size === 1;
      const agreed =
        status.leader !== null &&
        replicas.every(({ reachable }) => reachable) &&
        same(({ leader }) => leader) &&
        same(({ lastApplied }) => lastApplied) &&
        same(({ stateHash }) => stateHash);
      if (!agreed) throw new Error(`not settled: ${JSON.stringify(status)}`);
      return status;
    },
    { withinMs },
  );
}
