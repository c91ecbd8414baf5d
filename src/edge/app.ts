import { type Context, type Handler, Hono, type MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { EdgeEnv } from "./env.ts";
import { answerHeaders, requestHeaders } from "./contract/headers.ts";
import { allowedOrigin, anyOrigin } from "./cors-origins.ts";
import { Problem } from "./problem.ts";
import { getDocs, getOpenApi } from "./routes/contract.ts";
import { getCluster } from "./routes/cluster.ts";
import { getExport, postImport } from "./routes/exports.ts";
import { deleteHistory, getHistory, putHistory } from "./routes/history.ts";
import { getLive, getReady } from "./routes/health.ts";
import { deleteKey, getKey, putKey } from "./routes/keys.ts";
import { postLeader } from "./routes/leader.ts";
import { deleteLease, getLease, postLease, putLease } from "./routes/leases.ts";
import { deleteKeys, getKeys } from "./routes/list.ts";
import { deleteLock, postLock } from "./routes/locks.ts";
import { deleteMember, getMembers, postMember } from "./routes/members.ts";
import { postRebuild } from "./routes/rebuild.ts";
import { postGet, postTransaction } from "./routes/transactions.ts";
import { getWatch } from "./routes/watch.ts";
import { getWelcome } from "./routes/welcome.ts";

const keyPaths = ["/v1/ns/:ns/keys/*", "/v1/ns/:ns/replicas/:replica/keys/*"];

const keysPath = "/v1/ns/:ns/keys";
const transactionPath = "/v1/ns/:ns/txn";
const getPath = "/v1/ns/:ns/get";
const leasesPath = "/v1/ns/:ns/leases";
const leasePath = "/v1/ns/:ns/leases/:lease";
const historyPath = "/v1/ns/:ns/history";
const importPath = "/v1/ns/:ns/import";
const locksPath = "/v1/ns/:ns/locks/*";
const leaderPath = "/v1/ns/:ns/cluster/leader";
const rebuildPath = "/v1/ns/:ns/cluster/rebuild";
const membersPath = "/v1/ns/:ns/cluster/members";
const memberPath = "/v1/ns/:ns/cluster/members/:id";

const readOnlyPaths: Readonly<Record<string, Handler<EdgeEnv>>> = {
  "/": getWelcome,
  "/livez": getLive,
  "/readyz": getReady,
  "/openapi.json": getOpenApi,
  "/docs": getDocs,
  "/v1/ns/:ns/cluster": getCluster,
};

/** Their answers have no end that could be told in advance, so there is no HEAD. */
const streamPaths: Readonly<Record<string, Handler<EdgeEnv>>> = {
  "/v1/ns/:ns/export": getExport,
  "/v1/ns/:ns/watch": getWatch,
};

/** The whole HTTP API. Stateless but for hints; what is asked of a namespace a replica answers. */
export function createApp(): Hono<EdgeEnv> {
  // Routes are matched against the path as it was sent: a key is decoded once, in key-path.ts.
  const app = new Hono<EdgeEnv>({ getPath: pathOf });
  app.use(
    cors({
      origin: (origin, c: Context<EdgeEnv>) =>
        allowedOrigin(origin, c.env.CORS_ORIGINS ?? anyOrigin),
      allowMethods: ["GET", "HEAD", "PUT", "POST", "DELETE"],
      allowHeaders: ["Content-Type", ...Object.keys(requestHeaders)],
      exposeHeaders: Object.keys(answerHeaders),
      maxAge: 86_400,
    }),
  );
  app.use(async function beCurrent(c, next) {
    const startMs = Date.now();
    await next();
    // A socket has no headers to speak of.
    if (c.res.status === 101) return;
    // Answers tell of one moment, so nobody may keep them for another; values say a little more.
    if (!c.res.headers.has("Cache-Control")) c.res.headers.set("Cache-Control", "no-store");
    c.res.headers.set("X-Content-Type-Options", "nosniff");
    c.res.headers.set("Server-Timing", `edge;dur=${Date.now() - startMs}`);
  });
  // A wildcard stands for nothing as well, so this comes first.
  app.get(keysPath, getKeys).delete(keysPath, deleteKeys);
  app.all(keysPath, notAllowed("GET, HEAD, DELETE"));
  for (const path of keyPaths) {
    app.get(path, getKey).put(path, putKey).delete(path, deleteKey);
    app.all(path, notAllowed("GET, HEAD, PUT, DELETE"));
  }
  for (const [path, handler] of Object.entries(readOnlyPaths)) {
    app.get(path, handler).all(path, notAllowed("GET, HEAD"));
  }
  app.post(transactionPath, postTransaction).all(transactionPath, notAllowed("POST"));
  app.post(getPath, postGet).all(getPath, notAllowed("POST"));
  app.post(leasesPath, postLease).all(leasesPath, notAllowed("POST"));
  app.get(leasePath, getLease).put(leasePath, putLease).delete(leasePath, deleteLease);
  app.all(leasePath, notAllowed("GET, HEAD, PUT, DELETE"));
  app.get(historyPath, getHistory).put(historyPath, putHistory);
  app.delete(historyPath, deleteHistory).all(historyPath, notAllowed("GET, HEAD, PUT, DELETE"));
  for (const [path, handler] of Object.entries(streamPaths)) {
    app.get(path, onlyGet, handler).all(path, notAllowed("GET"));
  }
  app.post(importPath, postImport).all(importPath, notAllowed("POST"));
  app.post(locksPath, postLock).delete(locksPath, deleteLock);
  app.all(locksPath, notAllowed("POST, DELETE"));
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

/** HEAD comes where GET does. */
const onlyGet: MiddlewareHandler<EdgeEnv> = async (c, next) => {
  if (c.req.method === "HEAD") await notAllowed("GET")(c, next);
  await next();
};

function asProblem(error: Error, c: Context<EdgeEnv>): Problem {
  if (error instanceof Problem) return error;
  console.error(`${c.req.method} ${pathOf(c.req)}: ${error.stack ?? error.message}`);
  // A write may have been under way when this happened.
  const isRead = c.req.method === "GET" || c.req.method === "HEAD";
  const detail = "this is a mistake in quorumkv; its log has more, so please report it";
  return new Problem("internal_error", detail, { outcome: isRead ? "not_applied" : "unknown" });
}
