import { type Member, objectName } from "../protocol/client.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";
import { anyRegion } from "../protocol/settings.ts";
import type { EdgeBindings } from "./env.ts";

/**
 * Calls one replica and reads its answer. Takes a fresh stub: some errors break a stub for good.
 * The region says where to create the object, the first time it is ever called.
 *
 * @throws whatever befell the call, in time: an answer that is not there after `timeoutMs` is lost.
 */
export async function callReplica<T>(
  env: EdgeBindings,
  namespace: string,
  { id, region }: Member,
  { path, method, body, timeoutMs }: Call,
): Promise<T> {
  const stub = env.REPLICA.get(env.REPLICA.idFromName(objectName(namespace, id)), {
    ...(region === anyRegion ? {} : { locationHint: region as DurableObjectLocationHint }),
    // The edge asks again by itself, and elsewhere.
    retry: { maxRetries: 0 },
  });
  const response = await stub.fetch(`https://replica${path}`, {
    method,
    signal: AbortSignal.timeout(timeoutMs),
    ...(body === undefined ? {} : { body: toBytes(body) }),
  });
  // Read even when refused: an unread body holds its connection.
  const bytes = await response.arrayBuffer();
  if (!response.ok) throw new Error(`replica ${id} answered ${response.status}`);
  return fromBytes<T>(bytes);
}

export interface Call {
  readonly path: string;
  readonly method: "GET" | "POST";
  readonly body?: unknown;
  readonly timeoutMs: number;
}
