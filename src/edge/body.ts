import { maxValueBytes } from "../protocol/limits.ts";
import { Problem } from "./problem.ts";

/**
 * A body that is too long is still taken in up to here, and dropped: many clients look for an
 * answer only once they have sent everything, and take a closed connection for a failure.
 */
const maxReadBytes = 16 * maxValueBytes;

/** The value a request carries. */
export const readValue = (request: Request): Promise<Uint8Array> =>
  readBody(request, maxValueBytes, () => {
    const detail = `a value may have ${maxValueBytes} bytes, and this one has more: split it over several keys`;
    return new Problem("value_too_large", detail);
  });

/** What a request carries. Holds no more of it than `maxBytes`, and throws `tooLarge` when there is more. */
export async function readBody(
  request: Request,
  maxBytes: number,
  tooLarge: () => Problem,
): Promise<Uint8Array> {
  const announced = Number(request.headers.get("Content-Length") ?? 0);
  if (announced > maxReadBytes) {
    await request.body?.cancel();
    throw tooLarge();
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(request)) {
    size += chunk.byteLength;
    // To leave the loop cancels the body, so the rest is not read.
    if (size > maxReadBytes) break;
    if (size <= maxBytes) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (size > maxBytes) throw tooLarge();
  return concatenate(chunks, size);
}

async function* chunksOf({ body }: Request): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  try {
    yield* body;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Problem("bad_body", `the body ended early (${why}); send it again, whole`);
  }
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
