import type { Context } from "hono";
import { type Terms, carry } from "../carry.ts";
import { readCondition } from "../conditions.ts";
import { consistencyNames, readConsistency } from "../consistency.ts";
import type { ParameterName } from "../contract/parameters.ts";
import { defined } from "../defined.ts";
import type { EdgeEnv } from "../env.ts";
import { parseExpiry } from "../expiry.ts";
import type { Draft } from "../forward.ts";
import { readIdempotency } from "../idempotency.ts";
import { type KeyPath, parseKeyPath } from "../key-path.ts";
import { readLarge, takeIn } from "../large-value.ts";
import { readMetadata } from "../metadata.ts";
import { Problem } from "../problem.ts";
import { parseRevision, parseTimeout, readQuery } from "../query.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { respond } from "../respond.ts";
import { callRoll } from "../roll-call.ts";
import { checkWriteHeaders, readContentType } from "../write-headers.ts";

/** `GET` and `HEAD …/keys/{key}`: the value, as it was put. */
export async function getKey(c: Context<EdgeEnv>): Promise<Response> {
  const target = readTarget(c, ["revision"]);
  const metadataOnly = c.req.method === "HEAD";
  const at = parseRevision(target.query.revision);
  return answer(c, target, { type: "get", key: target.path.key, metadataOnly, ...defined({ at }) });
}

/** `PUT …/keys/{key}`: the body becomes the value. */
export async function putKey(c: Context<EdgeEnv>): Promise<Response> {
  const { raw } = c.req;
  const target = readTarget(c, ["ttl", "expires", "lease"]);
  checkWriteHeaders(raw.headers, ["If-Match", "If-None-Match", "Idempotency-Key", "KV-Metadata"]);
  const said = {
    condition: readCondition(raw.headers),
    expiry: parseExpiry(target.query, "bad_parameter", raw.headers.has("Idempotency-Key")),
    metadata: readMetadata(raw.headers),
  };
  const contentType = readContentType(raw.headers);
  const { key, namespace } = target.path;
  const { value, large, fingerprint } = await takeIn(raw, new ReplicaGroup(c.env, namespace));
  const idempotency = await readIdempotency(raw, fingerprint);
  const optional = defined({ ...said, large, idempotency });
  return answer(c, target, { type: "put", key, value, contentType, ...optional });
}

/** `DELETE …/keys/{key}`: succeeds also when there is nothing to delete. */
export async function deleteKey(c: Context<EdgeEnv>): Promise<Response> {
  const { raw } = c.req;
  const target = readTarget(c);
  checkWriteHeaders(raw.headers, ["If-Match", "If-None-Match", "Idempotency-Key"]);
  const condition = readCondition(raw.headers);
  const idempotency = await readIdempotency(raw);
  const { key } = target.path;
  return answer(c, target, { type: "delete", key, ...defined({ condition, idempotency }) });
}

interface Target<Name extends string = never> extends Terms {
  readonly path: KeyPath;
  readonly query: Partial<Record<Name, string>>;
}

function readTarget<Name extends ParameterName = never>(
  { req: { url, raw } }: Context<EdgeEnv>,
  names: readonly Name[] = [],
): Target<Name> {
  const path = parseKeyPath(url);
  const query = readQuery(url, [...common, ...names]);
  const consistency = readConsistency(raw.headers, query, path.namespace);
  return { path, timeoutMs: parseTimeout((query as CommonQuery).timeout), consistency, query };
}

const common = ["timeout", ...consistencyNames] as const;
type CommonQuery = Partial<Record<(typeof common)[number], string>>;

async function answer(
  c: Context<EdgeEnv>,
  { path: { namespace, replica, rawKey }, timeoutMs, consistency }: Target,
  draft: Draft,
): Promise<Response> {
  const group = new ReplicaGroup(c.env, namespace);
  if (replica !== null) await checkMember(group, replica, timeoutMs);
  const forwarded = await carry(c.req.raw, group, draft, { timeoutMs, consistency }, replica);
  const { search } = new URL(c.req.url);
  return respond(forwarded, {
    request: c.req.raw,
    namespace,
    read: (by, large) => readLarge(group, by, large),
    // The key as it was sent, so that following it asks for the very same.
    pathAt: (leader) => `/v1/ns/${namespace}/replicas/${leader}/keys/${rawKey}${search}`,
  });
}

/** Only members are called: to call any other would create an object for it. */
async function checkMember(group: ReplicaGroup, id: string, timeoutMs: number): Promise<void> {
  const isIt = (member: { readonly id: string }): boolean => member.id === id;
  if (group.members.some(isIt)) return;
  const members = (await callRoll(group, timeoutMs)).map(({ member }) => member);
  if (members.some(isIt)) return;
  throw new Problem(
    "replica_not_found",
    `there is no replica "${id}" of ${group.namespace}; there are ${members.map((member) => member.id).join(", ")}`,
  );
}
