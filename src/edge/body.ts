import { maxLargeBytes, maxValueBytes } from "../protocol/limits.ts";
import { Problem } from "./problem.ts";

/**
 * A body that is too long is still taken in up to here, and dropped: many clients look for an
 * answer only once they have sent everything, and take a closed connection for a failure.
 */
const maxReadBytes = 2 * maxLargeBytes;

/** A value that fits into an entry of the log. */
export const readValue = (request: Request): Promise<Uint8Array> =>
  readBody(request, maxValueBytes, () => {
    const detail = `the body may have ${maxValueBytes} bytes, and this one has more`;
    return new Problem("value_too_large", detail);
  });

/** What a request carries. Holds no more of it than `maxBytes`, and throws `tooLarge` when there is more. */
export async function readBody(
  request: Request,
  maxBytes: number,
  tooLarge: () => Problem,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(request, tooLarge)) {
    size += chunk.byteLength;
    if (size <= maxBytes) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (size > maxBytes) throw tooLarge();
  return concatenate(chunks, size);
}

/** What a request carries, as it comes. Throws `tooLarge` when there is far more than it may carry. */
export async function* chunksOf(
  { body, headers }: Request,
  tooLarge: () => Problem,
  maxBytes = maxReadBytes,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  if (Number(headers.get("Content-Length") ?? 0) > maxBytes) {
    await body.cancel();
    throw tooLarge();
  }
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      // To leave the loop cancels the body, so the rest is not read.
      if (size > maxBytes) break;
      yield chunk;
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new Problem("bad_body", `the body ended early (${why}); send it again, whole`);
  }
  if (size > maxBytes) throw tooLarge();
}

export function concatenate(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first!.byteLength === size) return first!;
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}
