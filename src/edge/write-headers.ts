import { maxContentTypeBytes } from "../protocol/limits.ts";
import { Problem, type ProblemCode } from "./problem.ts";

/**
 * Headers that change what a write means, and that some writes would have to ignore. A client that
 * sends one relies on it, so its write is refused instead.
 */
const meaningful = {
  "If-Match": "unsupported_condition",
  "If-None-Match": "unsupported_condition",
  "If-Modified-Since": "unsupported_condition",
  "If-Unmodified-Since": "unsupported_condition",
  "Idempotency-Key": "unsupported_header",
  "KV-Metadata": "unsupported_header",
  "Content-Encoding": "unsupported_header",
  "Content-Range": "unsupported_header",
} as const satisfies Record<string, ProblemCode>;

export type MeaningfulHeader = keyof typeof meaningful;

/** Refuses a write whose meaning is not known, rather than do something else: of these headers it knows `known`. */
export function checkWriteHeaders(headers: Headers, known: readonly MeaningfulHeader[] = []): void {
  for (const [name, code] of Object.entries(meaningful)) {
    if (headers.has(name) && !known.includes(name as MeaningfulHeader)) {
      throw new Problem(
        code,
        `${name} is not supported here, and ignoring it would be wrong: leave it out`,
      );
    }
  }
}

/**
 * The content type to keep with a value; null when none was given. It is never interpreted, but must
 * be fit to be sent back as a header.
 */
export function readContentType(headers: Headers): string | null {
  const contentType = headers.get("Content-Type");
  if (contentType === null || contentType === "") return null;
  if (!/^[\t\x20-\x7e]*$/.test(contentType)) {
    throw new Problem("bad_content_type", "the Content-Type must be of printable ASCII characters");
  }
  if (contentType.length > maxContentTypeBytes) {
    throw new Problem(
      "bad_content_type",
      `the Content-Type has ${contentType.length} bytes; it may have ${maxContentTypeBytes}`,
    );
  }
  return contentType;
}
