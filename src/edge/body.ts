import { maxContentTypeBytes, maxValueBytes } from "../protocol/limits.ts";
import { Problem } from "./problem.ts";

/** The value a request carries, read no further than a value may be long. */
export async function readValue(request: Request): Promise<Uint8Array> {
  const announced = Number(request.headers.get("Content-Length") ?? 0);
  if (announced > maxValueBytes) {
    await request.body?.cancel();
    throw tooLarge();
  }
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // The loop cancels the body when it is left early, so the rest is not read.
    for await (const chunk of request.body) {
      size += chunk.byteLength;
      if (size > maxValueBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    // The client went away in the middle, or its chunks are malformed.
    throw new Problem("bad_body", "the upload broke off before its end; nothing was changed");
  }
  return concatenate(chunks, size);
}

/** The content type to keep with a value; null when none was given. It is never interpreted. */
export function readContentType(request: Request): string | null {
  const contentType = request.headers.get("Content-Type");
  if (contentType !== null && new TextEncoder().encode(contentType).length > maxContentTypeBytes) {
    throw new Problem(
      "bad_content_type",
      `the Content-Type is longer than the ${maxContentTypeBytes} bytes that are kept`,
    );
  }
  return contentType;
}

function concatenate(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

const tooLarge = (): Problem =>
  new Problem("value_too_large", `a value may have ${maxValueBytes} bytes; this one has more`);
