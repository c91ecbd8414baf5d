import { Hono } from "hono";
import type { Context, Handler } from "hono";
import type { EdgeEnv } from "./env.ts";
import { Problem } from "./problem.ts";
import { getCluster } from "./routes/cluster.ts";
import { getLive, getReady } from "./routes/health.ts";
import { deleteKey, getKey, putKey } from "./routes/keys.ts";

const welcome = `quorumkv

A strongly consistent key-value store in several regions.

  PUT, GET, HEAD, DELETE  /v1/ns/{namespace}/keys/{key}
  GET                     /v1/ns/{namespace}/cluster
  GET                     /livez, /readyz?ns={namespace}
`;

/** The whole HTTP API. Stateless but for hints; every request is answered by a replica. */
export function createApp(): Hono<EdgeEnv> {
  const app = new Hono<EdgeEnv>({ strict: false });
  app.get("/", (c) => c.text(welcome));
  app.get("/livez", getLive);
  app.get("/readyz", getReady);
  app.get("/v1/ns/:ns/cluster", getCluster);
  for (const path of ["/v1/ns/:ns/keys/*", "/v1/ns/:ns/replicas/:replica/keys/*"]) {
    app.get(path, getKey).put(path, putKey).delete(path, deleteKey);
    app.all(path, notAllowed("GET, HEAD, PUT, DELETE"));
  }
  for (const path of ["/", "/livez", "/readyz", "/v1/ns/:ns/cluster"]) {
    app.all(path, notAllowed("GET, HEAD"));
  }
  app.notFound((c) => {
    const detail = `there is no ${pathOf(c)}; docs/http-api.md lists what there is`;
    return new Problem("route_not_found", detail).toResponse(pathOf(c));
  });
  app.onError((error, c) => {
    if (error instanceof Problem) return error.toResponse(pathOf(c));
    console.error(`${c.req.method} ${pathOf(c)}: ${error.stack ?? error.message}`);
    // A write may have been under way when this happened.
    const outcome = c.req.method === "GET" || c.req.method === "HEAD" ? "not_applied" : "unknown";
    return new Problem("internal_error", "this is a mistake in quorumkv; its log has more", {
      outcome,
    }).toResponse(pathOf(c));
  });
  return app;
}

const pathOf = (c: Context<EdgeEnv>): string => new URL(c.req.url).pathname;

/**
 * Answers methods a path does not have. An arrow of its own body, since a throw is its whole work.
 */
const notAllowed =
  (allow: string): Handler<EdgeEnv> =>
  (c) => {
    throw new Problem("method_not_allowed", `${c.req.method} is not for this path: use ${allow}`, {
      headers: { Allow: allow },
    });
  };
