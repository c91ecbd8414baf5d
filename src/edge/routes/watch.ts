import type { Context } from "hono";
import { type KeyRange, next, withPrefix } from "../../kv/key-range.ts";
import { maxSocketRangeBytes, maxWatchWaitMs } from "../../protocol/limits.ts";
import { type WatchRequest, watchVersion } from "../../protocol/watch.ts";
import { parseDuration } from "../duration.ts";
import type { EdgeEnv } from "../env.ts";
import { checkKey, checkNamespace, checkPart } from "../key-path.ts";
import { regionOf } from "../nearest.ts";
import { Problem } from "../problem.ts";
import { parseRevision, readQuery } from "../query.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { askAny } from "../watch-source.ts";

/** `GET …/watch`: what changes, as server-sent events or, with `wait`, as the first that there are. */
export async function getWatch(c: Context<EdgeEnv>): Promise<Response> {
  const namespace = checkNamespace(c.req.param("ns") ?? "");
  const query = readQuery(c.req.url, ["key", "prefix", "from", "wait"]);
  const request: WatchRequest = {
    version: watchVersion,
    range: rangeOf(query),
    // A browser that comes back says where it was, and does not know of `from` any more.
    after: parseRevision(c.req.header("Last-Event-ID") ?? query.from, "from") ?? null,
    waitMs: query.wait === undefined ? null : parseWait(query.wait),
  };
  const onSocket = c.req.header("Upgrade")?.toLowerCase() === "websocket";
  if (onSocket) checkForSocket(request);
  const wanted = { request, onSocket, from: regionOf(c.req.raw) };
  const { response, replica } = await askAny(new ReplicaGroup(c.env, namespace), wanted);
  if (onSocket) return response;
  return new Response(response.body, {
    headers: {
      "Content-Type": response.headers.get("Content-Type")!,
      "Cache-Control": "no-store, no-transform",
      "KV-Served-By": replica,
    },
  });
}

function checkForSocket({ range, waitMs }: WatchRequest): void {
  if (waitMs !== null) {
    throw new Problem("bad_parameter", "wait has no meaning on a WebSocket: leave it out");
  }
  const bytes = new TextEncoder().encode(range.from).byteLength;
  if (bytes > maxSocketRangeBytes) {
    const detail = `on a WebSocket a key or prefix may have ${maxSocketRangeBytes} bytes, and this one has ${bytes}`;
    throw new Problem("key_too_long", detail);
  }
}

function rangeOf({ key, prefix }: { readonly key?: string; readonly prefix?: string }): KeyRange {
  if (key !== undefined && prefix !== undefined) {
    throw new Problem("bad_parameter", "key and prefix say what to watch: give one of them");
  }
  if (key !== undefined) return { from: checkKey(key), to: next(key) };
  return withPrefix(checkPart(prefix ?? ""));
}

function parseWait(text: string): number {
  const waitMs = parseDuration(text, "s");
  if (waitMs !== null && waitMs <= maxWatchWaitMs) return waitMs;
  throw new Problem("bad_parameter", `wait "${text}" must be a time up to 60 s, like 30s`);
}
