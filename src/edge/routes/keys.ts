import type { Context } from "hono";
import { readValue } from "../body.ts";
import type { EdgeEnv } from "../env.ts";
import { type Draft, Forwarding } from "../forward.ts";
import { type KeyPath, parseKeyPath } from "../key-path.ts";
import { Problem } from "../problem.ts";
import { checkConsistency, parseTimeout, readQuery } from "../query.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { respond } from "../respond.ts";
import { callRoll } from "../roll-call.ts";
import { checkWriteHeaders, readContentType } from "../write-headers.ts";

/** `GET` and `HEAD …/keys/{key}`: the value, as it was put. */
export async function getKey(c: Context<EdgeEnv>): Promise<Response> {
  const target = readTarget(c);
  const metadataOnly = c.req.method === "HEAD";
  return answer(c, target, { type: "get", key: target.path.key, metadataOnly });
}

/** `PUT …/keys/{key}`: the body becomes the value. */
export async function putKey(c: Context<EdgeEnv>): Promise<Response> {
  const target = readTarget(c);
  const { raw } = c.req;
  checkWriteHeaders(raw.headers);
  const contentType = readContentType(raw.headers);
  const value = await readValue(raw);
  return answer(c, target, { type: "put", key: target.path.key, value, contentType });
}

/** `DELETE …/keys/{key}`: succeeds also when there is nothing to delete. */
export async function deleteKey(c: Context<EdgeEnv>): Promise<Response> {
  const target = readTarget(c);
  checkWriteHeaders(c.req.raw.headers);
  return answer(c, target, { type: "delete", key: target.path.key });
}

interface Target {
  readonly path: KeyPath;
  readonly timeoutMs: number;
}

function readTarget({ req: { url } }: Context<EdgeEnv>): Target {
  const path = parseKeyPath(url);
  const { timeout, consistency } = readQuery(url, ["timeout", "consistency"]);
  checkConsistency(consistency);
  return { path, timeoutMs: parseTimeout(timeout) };
}

async function answer(
  c: Context<EdgeEnv>,
  { path: { namespace, replica, rawKey }, timeoutMs }: Target,
  draft: Draft,
): Promise<Response> {
  const group = new ReplicaGroup(c.env, namespace);
  if (replica !== null) await checkMember(group, replica, timeoutMs);
  const forwarding = new Forwarding(group, draft, timeoutMs);
  const forwarded = await (replica === null
    ? forwarding.toLeader()
    : forwarding.toReplica(replica));
  const { search } = new URL(c.req.url);
  return respond(forwarded, {
    isHead: c.req.method === "HEAD",
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
