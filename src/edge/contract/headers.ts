import * as z from "zod/mini";

/** Headers of requests that change what they mean. */
export const requestHeaders = {
  "If-Match":
    "the write is made only if the key has the value of this ETag, or with * if it has any",
  "If-None-Match":
    "on a write, only *: it is made only if the key has no value. On a read: 304 if it has this ETag",
  "Idempotency-Key":
    "a name for this write: sent again with it, it happens once, and is answered alike",
  "KV-Metadata": "JSON to be kept with the value, of 1024 bytes at most",
  "KV-Bookmark": "with consistency=session: as an earlier answer told it",
  "KV-Consistency": "the same as the parameter consistency",
  "Last-Event-ID": "the same as the parameter from, as browsers send it",
  Accept: "application/x-ndjson for a stream of all keys",
  Upgrade: "websocket, to be told on one",
} as const;

export type RequestHeader = keyof typeof requestHeaders;

/** Headers of answers that browsers are to show to pages of other origins. */
export const answerHeaders = {
  ETag: "the revision of the value, in quotes",
  "KV-Revision": "the revision of the value or the write, or of the state that was read",
  "KV-Create-Revision": "since when the key has had values without a break",
  "KV-Version": "how many puts there have been since then",
  "KV-Deleted": "1 if there was a value, 0 if not",
  "KV-Metadata": "the JSON that was kept with the value",
  "KV-Expires": "when the value goes, in seconds since 1970",
  "KV-Lease": "the lease that the value goes with",
  "KV-Bookmark": "what to come back with, so as to see no less",
  "KV-Consistency": "how old what was read may be",
  "KV-Staleness-Ms": "how old it is at most, where that is known",
  "KV-Served-By": "region, role and id of the replica that answered",
  "Idempotency-Replayed": "true if this is the answer to an earlier request",
  "Retry-After": "seconds to wait before the next try",
  "Server-Timing": "how long the edge took for it",
  Location: "where to ask instead",
} as const;

export const headersSchema = (names: readonly RequestHeader[]) =>
  z.object(Object.fromEntries(names.map((name) => [name, z.optional(z.string())])));
