import type { ServedBy } from "../protocol/client.ts";
import type { DefiniteResult, Forwarded, Refusal } from "./forward.ts";
import { Problem } from "./problem.ts";

/** What a response depends on besides the result. */
export interface Asked {
  readonly isHead: boolean;
  /** The path of the same request at one replica. */
  readonly pathAt: (replica: string) => string;
}

/** The one table from what became of a request to its response. Throws the Problem that it is. */
export function respond(forwarded: Forwarded, asked: Asked): Response {
  switch (forwarded.type) {
    case "answered":
      return respondTo(forwarded.result, forwarded.servedBy, asked.isHead);
    case "redirected":
      return new Response(null, {
        status: 307,
        headers: { ...servedBy(forwarded.servedBy), Location: asked.pathAt(forwarded.leader) },
      });
    case "refused":
      throw new Problem(forwarded.reason, refusals[forwarded.reason]);
    case "unknown":
      throw new Problem(
        "outcome_unknown",
        "the write was sent, but no answer came in time, so it may have taken effect or may yet: " +
          "read the key to see, or send the write again if it may take effect twice",
        { outcome: "unknown" },
      );
  }
}

const refusals: Readonly<Record<Refusal, string>> = {
  unavailable: "no replica could be reached in time; nothing was changed, so try again",
  no_leader:
    "no leader was found in time, a majority may be out of reach; nothing was changed, so try again",
  overloaded: "the leader has too much under way; nothing was changed, so try again, more slowly",
};

type HeaderMap = Readonly<Record<string, string>>;

function respondTo(result: DefiniteResult, by: ServedBy, isHead: boolean): Response {
  const served = servedBy(by);
  switch (result.type) {
    case "value":
      return new Response(isHead ? null : result.value, {
        headers: {
          ...served,
          ...consistency,
          ...revision(result.modRevision),
          ETag: etag(result.modRevision, by.epoch ?? 1),
          "KV-Create-Revision": String(result.createRevision),
          "KV-Version": String(result.version),
          "Content-Length": String(result.size),
          ...(result.contentType === null ? {} : { "Content-Type": result.contentType }),
          ...asData,
        },
      });
    case "absent":
      throw new Problem("key_not_found", "the key has no value; PUT gives it one", {
        headers: { ...served, ...consistency, ...revision(result.revision) },
      });
    case "put":
      return new Response(null, {
        status: result.created ? 201 : 200,
        headers: {
          ...served,
          ...revision(result.revision),
          ETag: etag(result.revision, by.epoch ?? 1),
        },
      });
    case "deleted":
      return new Response(null, {
        status: 204,
        headers: {
          ...served,
          ...revision(result.revision),
          "KV-Deleted": result.deleted ? "1" : "0",
        },
      });
  }
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

const consistency: HeaderMap = { "KV-Consistency": "linearizable" };

const servedBy = ({ region, role, replica }: ServedBy): HeaderMap => ({
  "KV-Served-By": `${region}/${role}/${replica}`,
});

const revision = (number: number): HeaderMap => ({ "KV-Revision": String(number) });

/**
 * Of a group that was rebuilt, revisions may name something else than before. So the epoch goes with them,
 * and no ETag of an earlier one is ever equal to a new one.
 */
const etag = (number: number, epoch: number): string =>
  epoch === 1 ? `"${number}"` : `"${epoch}.${number}"`;
