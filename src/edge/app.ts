import { type Context, type Handler, Hono } from "hono";
import type { EdgeEnv } from "./env.ts";
import { Problem } from "./problem.ts";
import { getCluster } from "./routes/cluster.ts";
import { getLive, getReady } from "./routes/health.ts";
import { deleteKey, getKey, putKey } from "./routes/keys.ts";
import { postLeader } from "./routes/leader.ts";
import { deleteMember, getMembers, postMember } from "./routes/members.ts";
import { postRebuild } from "./routes/rebuild.ts";
import { getWelcome } from "./routes/welcome.ts";

const keyPaths = ["/v1/ns/:ns/keys/*", "/v1/ns/:ns/replicas/:replica/keys/*"];

const leaderPath = "/v1/ns/:ns/cluster/leader";
const rebuildPath = "/v1/ns/:ns/cluster/rebuild";
const membersPath = "/v1/ns/:ns/cluster/members";
const memberPath = "/v1/ns/:ns/cluster/members/:id";

const readOnlyPaths: Readonly<Record<string, Handler<EdgeEnv>>> = {
  "/": getWelcome,
  "/livez": getLive,
  "/readyz": getReady,
  "/v1/ns/:ns/cluster": getCluster,
};

/** The whole HTTP API. Stateless but for hints; what is asked of a namespace a replica answers. */
export function createApp(): Hono<EdgeEnv> {
  // Routes are matched against the path as it was sent: a key is decoded once, in key-path.ts.
  const app = new Hono<EdgeEnv>({ getPath: pathOf });
  app.use(async function beCurrent(c, next) {
    await next();
    // Answers tell of one moment, so nobody may keep them for another; values say a little more.
    if (!c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
    c.res.headers.set("X-Content-Type-Options", "nosniff");
  });
  for (const path of keyPaths) {
    app.get(path, getKey).put(path, putKey).delete(path, deleteKey);
    app.all(path, notAllowed("GET, HEAD, PUT, DELETE"));
  }
  for (const [path, handler] of Object.entries(readOnlyPaths)) {
    app.get(path, handler).all(path, notAllowed("GET, HEAD"));
  }
  app.post(leaderPath, postLeader).all(leaderPath, notAllowed("POST"));
  app.post(rebuildPath, postRebuild).all(rebuildPath, notAllowed("POST"));
  app.get(membersPath, getMembers).post(membersPath, postMember);
  app.all(membersPath, notAllowed("GET, HEAD, POST"));
  app.delete(memberPath, deleteMember).all(memberPath, notAllowed("DELETE"));
  app.notFound((c) => {
    const path = pathOf(c.req);
    const detail = `there is no ${path}; GET / shows what there is, docs/http-api.md tells all`;
    return new Problem("route_not_found", detail).toResponse(path);
  });
  app.onError((error, c) => asProblem(error, c).toResponse(pathOf(c.req)));
  return app;
}

/** Takes a Request or Hono's view of one. */
const pathOf = ({ url }: { readonly url: string }): string => new URL(url).pathname;

/** Answers methods that a path does not have. */
function notAllowed(allow: string): Handler<EdgeEnv> {
  return function refuseMethod(c) {
    const detail = `${c.req.method} is not for this path; use ${allow}`;
    throw new Problem("method_not_allowed", detail, { headers: { Allow: allow } });
  };
}

function asProblem(error: Error, c: Context<EdgeEnv>): Problem {
  if (error instanceof Problem) return error;
  console.error(`${c.req.method} ${pathOf(c.req)}: ${error.stack ?? error.message}`);
  // A write may have been under way when this happened.
  const isRead = c.req.method === "GET" || c.req.method === "HEAD";
  const detail = "this is a mistake in quorumkv; its log has more, so please report it";
  return new Problem("internal_error", detail, { outcome: isRead ? "not_applied" : "unknown" });
}
