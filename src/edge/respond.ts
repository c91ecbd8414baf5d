import {
  type HeaderMap,
  etagOf,
  expiresAt,
  headersOf,
  revisionOf,
  servedBy,
  worthOf,
} from "./answer-headers.ts";
import { hasAlready } from "./conditions.ts";
import type { DefiniteResult, Forwarded } from "./forward.ts";
import { Problem } from "./problem.ts";
import { refusalOf } from "./refusals.ts";
import { settle } from "./settle.ts";
import type { LargeValue } from "../kv/table.ts";
import type { ServedBy } from "../protocol/client.ts";

/** What a response depends on besides the result. */
export interface Asked {
  readonly request: Request;
  readonly namespace: string;
  /** The path of the same request at one replica, where the request was to one. */
  readonly pathAt?: (replica: string) => string;
  /** Reads a value that is in parts. */
  readonly read?: (by: ServedBy, large: LargeValue) => ReadableStream<Uint8Array>;
}

/** The one table from what became of a request for a key to its response. Throws the Problem that it is. */
export function respond(
  forwarded: Forwarded,
  { request, namespace, pathAt, read }: Asked,
): Response {
  if (forwarded.type === "redirected") {
    if (pathAt === undefined) throw new Error("nobody is sent on from here");
    const headers = { ...servedBy(forwarded.servedBy), Location: pathAt(forwarded.leader) };
    return new Response(null, { status: 307, headers });
  }
  const settled = settle(forwarded);
  const { result, servedBy: by } = settled;
  const headers = headersOf(namespace, settled);
  switch (result.type) {
    case "value":
      return respondWithValue(result, request, headers, (large) => read!(by, large));
    case "absent":
      throw new Problem("key_not_found", "the key has no value; PUT gives it one", {
        headers: { ...headers, ...worthOf(result), ...revisionOf(result.revision) },
      });
    case "put":
      return new Response(null, {
        status: result.created ? 201 : 200,
        headers: { ...headers, ...revisionOf(result.revision), ETag: etagOf(result.revision) },
      });
    case "deleted":
      return new Response(null, {
        status: 204,
        headers: {
          ...headers,
          ...revisionOf(result.revision),
          "KV-Deleted": result.deleted ? "1" : "0",
        },
      });
    case "mismatch":
      throw mismatch(result, headers);
    case "refused":
      throw refusalOf(result, headers);
    default:
      throw new Error(`a request for a key was answered with ${result.type}`);
  }
}

function respondWithValue(
  result: DefiniteResult & { readonly type: "value" },
  request: Request,
  headers: HeaderMap,
  read: (large: LargeValue) => ReadableStream<Uint8Array>,
): Response {
  const etag = etagOf(result.modRevision);
  const isOld = hasAlready(request.headers, etag);
  const { metadata, expiresMs, lease, large } = result;
  const described = {
    ...headers,
    ...worthOf(result),
    ...revisionOf(result.modRevision),
    ...expiresAt(expiresMs),
    ...(metadata === null ? {} : { "KV-Metadata": metadata }),
    ...(lease === null ? {} : { "KV-Lease": lease }),
    ETag: etag,
    "KV-Create-Revision": String(result.createRevision),
    "KV-Version": String(result.version),
    ...asData,
  };
  if (isOld) return new Response(null, { status: 304, headers: described });
  const body = large === null ? result.value : withLength(read(large), large.size);
  return new Response(request.method === "HEAD" ? null : body, {
    headers: {
      ...described,
      "Content-Length": String(result.size),
      ...(result.contentType === null ? {} : { "Content-Type": result.contentType }),
    },
  });
}

/** The platform sends the length of a stream only if it is told so. */
function withLength(body: ReadableStream<Uint8Array>, size: number): ReadableStream<Uint8Array> {
  return "FixedLengthStream" in globalThis ? body.pipeThrough(new FixedLengthStream(size)) : body;
}

function mismatch(
  { current, revision }: DefiniteResult & { readonly type: "mismatch" },
  headers: HeaderMap,
): Problem {
  const detail =
    current === null
      ? "the key has no value, and nothing was changed"
      : `the key has the value of revision ${current}, and nothing was changed`;
  return new Problem("precondition_failed", detail, {
    headers: {
      ...headers,
      ...revisionOf(revision),
      ...(current === null ? {} : { ETag: etagOf(current) }),
    },
    extra: { current_revision: current },
  });
}

/**
 * Values are served as they were put. Anyone may have put them, so they must not run as pages of
 * this site (CVE-2020-25864 was that); and nobody on the way may compress or rewrite them, which
 * would take the ETag along.
 */
const asData: HeaderMap = {
  "Content-Security-Policy": "sandbox",
  "Cache-Control": "no-store, no-transform",
};
