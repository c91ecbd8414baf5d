import { readBody } from "./body.ts";
import { Problem } from "./problem.ts";

/** The ids of all the replicas that there may be take less. */
const maxBytes = 1024;

/** Whatever somebody sent, by its names. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * The fields of a small JSON object that a request carries.
 *
 * @param example what such a body looks like, for whoever sent something else.
 * @throws Problem `bad_body` when it carries anything else, or more than 1 KiB.
 */
export async function readFields(request: Request, example: string): Promise<Fields> {
  const bytes = await readBody(request, maxBytes, () => {
    const detail = `the body may have ${maxBytes} bytes, like ${example}; this one has more`;
    return new Problem("bad_body", detail);
  });
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof body === "object" && body !== null) return body as Fields;
  } catch {
    // Said below.
  }
  throw notLike(example);
}

/** What is said of a body that is not as it should be. */
export const notLike = (example: string): Problem =>
  new Problem("bad_body", `the body must be JSON like ${example}`);
