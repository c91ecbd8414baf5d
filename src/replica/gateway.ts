import { namespacePattern } from "../protocol/limits.ts";
import { credentialOf, gatewayPrefix, reachObject } from "../protocol/reach.ts";
import {
  type ReplicaCall,
  type ReplicaPath,
  replicaPath,
  watchHeader,
} from "../protocol/replica-call.ts";
import { type Settings, anyRegion, parseSettings } from "../protocol/settings.ts";
import type { ReplicaEnv } from "./replica.ts";

const paths: readonly ReplicaPath[] = Object.values(replicaPath);

/** Whether the replicas of this Worker can be reached from others, and this request tries to. */
export function isForGateway({ url }: Request, env: ReplicaEnv): boolean {
  return env.REPLICA_SECRET !== undefined && new URL(url).pathname.startsWith(gatewayPrefix);
}

/**
 * Passes a request from another Worker of the same cluster on to a replica that this one holds:
 * `/_replica/{namespace}/{id}` and then the replica's own path. Answers 401 to whoever does not
 * prove itself, before anything else, 404 to what is no replica's, and 500 when the settings are
 * wrong.
 */
export async function answerAtGateway(request: Request, env: ReplicaEnv): Promise<Response> {
  let settings: Settings;
  try {
    settings = parseSettings(env);
  } catch (error) {
    return refuse(500, error instanceof Error ? error.message : String(error));
  }
  const credential = credentialOf(settings.gatewaySecret!);
  if (!(await isSame(request.headers.get("Authorization") ?? "", credential))) {
    return refuse(401, "this is between replicas", { "WWW-Authenticate": "Bearer" });
  }
  const { pathname } = new URL(request.url);
  const target = parsePath(pathname);
  if (target === null) return refuse(404, `no replica has ${pathname}`);
  const { namespace, id, path } = target;
  const region = settings.members.find((member) => member.id === id)?.region ?? anyRegion;
  const { method } = request;
  // Some clients announce an empty body with a GET, which must not be passed on as one.
  const body = method === "GET" ? null : request.body;
  // Nothing but what a replica looks at; the secret above all stays here.
  return reachObject(
    env.REPLICA,
    { namespace, id, region },
    { path, method, body, ...socketOf(request) },
  );
}

/** What asks for a WebSocket. */
function socketOf({ headers }: Request): Pick<ReplicaCall, "headers"> {
  const watched = headers.get(watchHeader);
  const upgrade = headers.get("Upgrade");
  if (watched === null || upgrade === null) return {};
  return { headers: { Upgrade: upgrade, [watchHeader]: watched } };
}

function parsePath(pathname: string): { namespace: string; id: string; path: ReplicaPath } | null {
  const [namespace = "", id = "", ...rest] = pathname.slice(gatewayPrefix.length).split("/");
  const path = paths.find((each) => each === `/${rest.join("/")}`);
  if (path === undefined || !namespacePattern.test(namespace) || !idPattern.test(id)) return null;
  return { namespace, id, path };
}

/** Ids are numbers from 1 that are never reused. */
const idPattern = /^[1-9][0-9]{0,3}$/;

/**
 * Whether two texts are equal, in a time that does not tell how far they agree: what is compared
 * are digests, of which nobody can choose the beginning.
 */
async function isSame(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([digest(a), digest(b)]);
  return one.reduce((difference, byte, i) => difference | (byte ^ other[i]!), 0) === 0;
}

const digest = async (text: string): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));

const refuse = (status: number, why: string, headers: HeadersInit = {}): Response =>
  new Response(`${why}\n`, { status, headers });
