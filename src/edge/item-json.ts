import type { Found } from "../kv/result.ts";
import { describeBytes } from "../protocol/json-value.ts";
import { secondsOf } from "./expiry.ts";

/** What JSON answers say of a value that was found. */
export function describeFound(found: Found): object {
  return {
    revision: found.modRevision,
    create_revision: found.createRevision,
    version: found.version,
    size: found.size,
    content_type: found.contentType,
    metadata: found.metadata === null ? null : (JSON.parse(found.metadata) as unknown),
    expires: found.expiresMs === null ? null : secondsOf(found.expiresMs),
    lease: found.lease,
    ...(found.value === null ? {} : describeBytes(found.value)),
  };
}
