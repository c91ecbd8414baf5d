import { objectName } from "./client.ts";
import type { ReplicaCall } from "./replica-call.ts";
import { type Elsewhere, type Settings, anyRegion } from "./settings.ts";

/**
 * How a replica is reached: through this Worker's own binding, or over HTTP where the settings name
 * the Worker that holds it. Both carry the same calls.
 */

/** Whom to reach. The region counts only when the object is created. */
export interface Address {
  readonly namespace: string;
  readonly id: string;
  readonly region: string;
}

/** What the paths of a gateway begin with; see src/replica/gateway.ts. */
export const gatewayPrefix = "/_replica/";

/** What a gateway wants to see in `Authorization`. */
export const credentialOf = (secret: string): string => `Bearer ${secret}`;

/**
 * Carries a call to a replica, one of this Worker's `objects` or elsewhere, and has called fetch when it returns. Rejects when the replica cannot
 * be reached, and with the reason of its signal.
 */
export function reachReplica(
  objects: DurableObjectNamespace,
  { elsewhere }: Settings,
  replica: Address,
  call: ReplicaCall,
): Promise<Response> {
  return elsewhere === null
    ? reachObject(objects, replica, call)
    : reachWorker(elsewhere, replica, call);
}

/** Carries a call to a replica that this Worker holds. */
export function reachObject(
  objects: DurableObjectNamespace,
  { namespace, id, region }: Address,
  { path, ...init }: ReplicaCall,
): Promise<Response> {
  // A fresh stub for each call, since some errors break a stub for good.
  const stub = objects.get(objects.idFromName(objectName(namespace, id)), {
    ...(region === anyRegion ? {} : { locationHint: region as DurableObjectLocationHint }),
    // Raft and the edge have their own ways with lost messages; a call repeated behind their backs
    // only comes late.
    retry: { maxRetries: 0 },
  });
  return stub.fetch(`https://replica${path}`, init);
}

async function reachWorker(
  { urls, secret }: Elsewhere,
  { namespace, id }: Address,
  { path, headers, ...init }: ReplicaCall,
): Promise<Response> {
  const base = urls.get(id);
  // This Worker's object of that name would be another replica under the same id, with a vote.
  if (base === undefined) throw new Error(`REPLICA_URLS has no replica ${id}`);
  return fetch(`${base}${gatewayPrefix}${namespace}/${id}${path}`, {
    ...init,
    headers: { ...headers, Authorization: credentialOf(secret) },
    // A redirect would take the secret along to wherever it points.
    redirect: "manual",
  });
}
