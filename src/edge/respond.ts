import type { ServedBy } from "../protocol/client.ts";
import type { DefiniteResult, Forwarded } from "./forward.ts";
import { Problem } from "./problem.ts";

/** The one table from what became of a request to its response. */
export function respond(
  forwarded: Exclude<Forwarded, { type: "redirect" }>,
  isHead: boolean,
): Response {
  switch (forwarded.type) {
    case "answered":
      return respondTo(forwarded.result, forwarded.servedBy, isHead);
    case "refused":
      throw forwarded.reason === "overloaded"
        ? new Problem("overloaded", "the leader has too much under way; try again, more slowly")
        : new Problem("no_leader", "no leader was found in time; nothing was changed, try again");
    case "unknown":
      throw new Problem(
        "outcome_unknown",
        "the write was sent, but whether it takes effect is not known yet: read the key to see",
        { outcome: "unknown" },
      );
  }
}

function respondTo(result: DefiniteResult, servedBy: ServedBy, isHead: boolean): Response {
  const headers = new Headers({
    "Cache-Control": "no-store",
    "KV-Served-By": `${servedBy.region}/${servedBy.role}/${servedBy.replica}`,
  });
  switch (result.type) {
    case "value":
      headers.set("ETag", etag(result.modRevision));
      headers.set("KV-Revision", String(result.modRevision));
      headers.set("KV-Create-Revision", String(result.createRevision));
      headers.set("KV-Version", String(result.version));
      headers.set("KV-Consistency", "linearizable");
      headers.set("Content-Type", result.contentType ?? "application/octet-stream");
      headers.set("Content-Length", String(result.size));
      // Anyone may have put it: it must not run as a page of this site (CVE-2020-25864 was that).
      headers.set("X-Content-Type-Options", "nosniff");
      headers.set("Content-Security-Policy", "sandbox");
      return new Response(isHead ? null : result.value, { headers });
    case "absent":
      throw new Problem("key_not_found", "the key has no value", {
        headers: {
          "KV-Revision": String(result.revision),
          "KV-Consistency": "linearizable",
          "KV-Served-By": headers.get("KV-Served-By")!,
        },
      });
    case "put":
      headers.set("ETag", etag(result.revision));
      headers.set("KV-Revision", String(result.revision));
      return new Response(null, { status: result.created ? 201 : 200, headers });
    case "deleted":
      headers.set("KV-Revision", String(result.revision));
      headers.set("KV-Deleted", result.deleted ? "1" : "0");
      return new Response(null, { status: 204, headers });
  }
}

const etag = (revision: number): string => `"${revision}"`;
