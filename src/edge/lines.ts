import { Problem } from "./problem.ts";

/** A line that holds the largest value there may be, in base64, with all else that is kept of it. */
const maxLineChars = 36 * 1024 * 1024;

/** The lines of a text that comes in pieces, without their ends; empty ones are passed over. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  let rest = "";
  for await (const chunk of chunks) {
    const [first = "", ...others] = decode(() => decoder.decode(chunk, { stream: true })).split(
      "\n",
    );
    rest += first;
    if (rest.length > maxLineChars)
      throw new Problem("bad_body", "a line is longer than any may be");
    for (const next of others) {
      if (rest.trim() !== "") yield rest;
      rest = next;
    }
  }
  rest += decode(() => decoder.decode());
  if (rest.trim() !== "") yield rest;
}

function decode(read: () => string): string {
  try {
    return read();
  } catch {
    throw new Problem("bad_body", "the body must be text in UTF-8");
  }
}
