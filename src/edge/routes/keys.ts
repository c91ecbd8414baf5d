import type { Context } from "hono";
import { parseSettings } from "../../protocol/settings.ts";
import { readContentType, readValue } from "../body.ts";
import type { EdgeEnv } from "../env.ts";
import { Forwarder, type MakeRequest } from "../forward.ts";
import { type KeyPath, parseKeyPath } from "../key-path.ts";
import { checkWriteHeaders, parseOptions } from "../options.ts";
import { Problem } from "../problem.ts";
import { respond } from "../respond.ts";

/** `GET` and `HEAD …/keys/{key}`: the value, as it was put. */
export async function getKey(c: Context<EdgeEnv>): Promise<Response> {
  const path = parseKeyPath(c.req.url);
  const metadataOnly = c.req.method === "HEAD";
  return send(c, path, () => ({ type: "get", key: path.key, metadataOnly }));
}

/** `PUT …/keys/{key}`: the body becomes the value. */
export async function putKey(c: Context<EdgeEnv>): Promise<Response> {
  const path = parseKeyPath(c.req.url);
  checkWriteHeaders(c.req.raw.headers);
  const contentType = readContentType(c.req.raw);
  const value = await readValue(c.req.raw);
  const requestId = crypto.randomUUID();
  return send(c, path, (floor) => ({
    type: "put",
    requestId,
    floor,
    key: path.key,
    value,
    contentType,
  }));
}

/** `DELETE …/keys/{key}`: succeeds also when there is nothing to delete. */
export async function deleteKey(c: Context<EdgeEnv>): Promise<Response> {
  const path = parseKeyPath(c.req.url);
  checkWriteHeaders(c.req.raw.headers);
  const requestId = crypto.randomUUID();
  return send(c, path, (floor) => ({ type: "delete", requestId, floor, key: path.key }));
}

async function send(c: Context<EdgeEnv>, path: KeyPath, make: MakeRequest): Promise<Response> {
  const { timeoutMs } = parseOptions(c.req.url);
  const settings = parseSettings(c.env);
  const forwarder = new Forwarder(c.env, settings, path.namespace, timeoutMs);
  if (path.replica !== null && !settings.members.some(({ id }) => id === path.replica)) {
    throw new Problem(
      "replica_not_found",
      `there is no replica "${path.replica}"; there are ${settings.members.map(({ id }) => id).join(", ")}`,
    );
  }
  const forwarded =
    path.replica === null
      ? await forwarder.toLeader(make)
      : await forwarder.toReplica(path.replica, make);
  if (forwarded.type === "redirect") return redirect(c.req.url, path, forwarded.leader);
  return respond(forwarded, c.req.method === "HEAD");
}

/** Sends the client to the leader's own path, with the method and body kept. */
function redirect(url: string, { namespace, rawKey }: KeyPath, leader: string | null): Response {
  if (leader === null) {
    throw new Problem("no_leader", "this replica does not lead and knows of no leader; try again");
  }
  const location = `/v1/ns/${namespace}/replicas/${leader}/keys/${rawKey}${new URL(url).search}`;
  return new Response(null, { status: 307, headers: { Location: location } });
}
