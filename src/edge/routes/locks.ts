import type { Context } from "hono";
import { next } from "../../kv/key-range.ts";
import { maxWatchWaitMs } from "../../protocol/limits.ts";
import { watchVersion } from "../../protocol/watch.ts";
import { etagOf, headersOf, revisionOf } from "../answer-headers.ts";
import { readValue } from "../body.ts";
import { defined } from "../defined.ts";
import { parseDuration } from "../duration.ts";
import type { EdgeEnv } from "../env.ts";
import { parseTtl, secondsOf } from "../expiry.ts";
import { Forwarding, type WriteDraft } from "../forward.ts";
import { readIdempotency } from "../idempotency.ts";
import { parseKeyPath } from "../key-path.ts";
import { pause } from "../pause.ts";
import { Problem } from "../problem.ts";
import { parseRevision, parseTimeout, readQuery } from "../query.ts";
import { refusalOf } from "../refusals.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { respond } from "../respond.ts";
import { type Settled, settle } from "../settle.ts";
import { askAny } from "../watch-source.ts";
import { checkWriteHeaders, readContentType } from "../write-headers.ts";

/**
 * `POST …/locks/{key}?ttl=`: the key gets the body as its value, and a lease, if it has none yet. Who holds
 * the lease holds the lock, as long as it lasts; the token rises from holder to holder.
 */
export async function postLock(c: Context<EdgeEnv>): Promise<Response> {
  const { raw } = c.req;
  const { namespace, key } = parseKeyPath(c.req.url);
  const query = readQuery(c.req.url, ["ttl", "wait", "timeout"]);
  checkWriteHeaders(raw.headers, ["Idempotency-Key"]);
  if (query.ttl === undefined) {
    throw new Problem("bad_parameter", "ttl says how long the lock is held at most, like ttl=30s");
  }
  const ttlMs = parseTtl(query.ttl, "bad_parameter");
  const waitMs = query.wait === undefined ? 0 : parseWait(query.wait);
  const contentType = readContentType(raw.headers);
  const value = await readValue(raw);
  const idempotency = await readIdempotency(raw, value);
  const draft = {
    type: "lock",
    key,
    value,
    contentType,
    ttlMs,
    ...defined({ idempotency }),
  } as const;
  const group = new ReplicaGroup(c.env, namespace);
  const settled = await acquire(group, draft, waitMs, parseTimeout(query.timeout));
  const { result } = settled;
  if (result.type !== "locked") throw refusal(namespace, settled);
  const { revision: token, lease, expiresMs } = result;
  const lock = { lock: key, token, lease, ttl: secondsOf(ttlMs), expires: secondsOf(expiresMs) };
  return c.body(`${JSON.stringify(lock)}\n`, 200, {
    "Content-Type": "application/json",
    ETag: etagOf(token),
    ...revisionOf(token),
    ...headersOf(namespace, settled),
  });
}

/** `DELETE …/locks/{key}?token=`: the lock is free, if it is still that of the token. */
export async function deleteLock(c: Context<EdgeEnv>): Promise<Response> {
  const { raw } = c.req;
  const { namespace, key } = parseKeyPath(c.req.url);
  const { token, timeout } = readQuery(c.req.url, ["token", "timeout"]);
  checkWriteHeaders(raw.headers, ["Idempotency-Key"]);
  const revision = parseRevision(token, "token");
  if (revision === undefined) {
    throw new Problem(
      "bad_parameter",
      "token says which holder's lock it is: send the one you got",
    );
  }
  const idempotency = await readIdempotency(raw);
  const draft = { type: "unlock", key, token: revision, ...defined({ idempotency }) } as const;
  const group = new ReplicaGroup(c.env, namespace);
  const forwarded = await new Forwarding(group, draft, parseTimeout(timeout)).toLeader();
  return respond(forwarded, { request: raw, namespace });
}

/** Tries to get a lock until it is free or time is up. Who waits is not in a queue: whoever is first gets it. */
async function acquire(
  group: ReplicaGroup,
  draft: WriteDraft & { readonly type: "lock" },
  waitMs: number,
  timeoutMs: number,
): Promise<Settled> {
  const deadlineMs = Date.now() + waitMs;
  for (;;) {
    const forwarded = await new Forwarding(group, draft, timeoutMs).toLeader();
    if (forwarded.type === "redirected") throw new Error("nobody is sent on from here");
    const settled = settle(forwarded);
    const leftMs = deadlineMs - Date.now();
    if (settled.result.type !== "mismatch" || leftMs <= 0 || settled.isReplayed) return settled;
    await change(group, draft.key, settled.result.revision, leftMs);
  }
}

/** Waits until a key is changed after a revision, or time is up, or it cannot be told. */
async function change(
  group: ReplicaGroup,
  key: string,
  after: number,
  waitMs: number,
): Promise<void> {
  const range = { from: key, to: next(key) };
  try {
    const request = { version: watchVersion, range, after, waitMs } as const;
    // From the one that decides: the lock is asked for there at once.
    const { response } = await askAny(group, { request, onSocket: false, from: null });
    await response.arrayBuffer();
  } catch {
    // While there is an election, say. It is asked for again, but not at once.
    await pause(retryMs, AbortSignal.timeout(waitMs));
  }
}

const retryMs = 200;

function refusal(namespace: string, settled: Settled): Problem {
  const { result } = settled;
  const headers = headersOf(namespace, settled);
  if (result.type === "refused") return refusalOf(result, headers);
  if (result.type !== "mismatch") throw new Error(`a lock was answered with ${result.type}`);
  return new Problem("lock_held", "somebody else holds the lock; wait=10s waits for it", {
    headers: { ...headers, ...revisionOf(result.revision) },
    extra: { current_revision: result.current },
  });
}

function parseWait(text: string): number {
  const waitMs = parseDuration(text, "s");
  if (waitMs !== null && waitMs <= maxWatchWaitMs) return waitMs;
  throw new Problem("bad_parameter", `wait "${text}" must be a time up to 60 s, like 10s`);
}
