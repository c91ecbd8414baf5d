import * as z from "zod/mini";
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

/**
 * What a larger JSON body says, with the bytes that it is.
 *
 * @throws Problem when it is not of this shape, and says where.
 */
export async function readJson<Schema extends z.ZodMiniType>(
  request: Request,
  schema: Schema,
  maxSize: number,
): Promise<{ readonly body: z.infer<Schema>; readonly bytes: Uint8Array }> {
  const bytes = await readBody(request, maxSize, () => {
    const detail = `the body may have ${maxSize} bytes, and this one has more: send several requests`;
    return new Problem("body_too_large", detail);
  });
  const parsed = z.safeParse(schema, parse(bytes));
  if (parsed.success) return { body: parsed.data, bytes };
  const [issue] = parsed.error.issues;
  const where = issue!.path.length === 0 ? "the body" : issue!.path.map(String).join(".");
  throw new Problem("bad_body", `${where}: ${tell(issue!)}`);
}

/** What is wrong: the package itself says no more than that something is. */
function tell(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "unrecognized_keys":
      return `there is no ${issue.keys.join(", ")} here`;
    case "invalid_type":
      return `must be of the type ${issue.expected}`;
    case "too_big":
      return `may be or have ${issue.maximum} at most`;
    case "invalid_union":
      if (!("options" in issue)) return "is of no type that it may have";
      return `must be one of ${issue.options.join(", ")}`;
    case "invalid_format":
      return issue.format === "regex" ? `must match ${issue.pattern}` : `must be ${issue.format}`;
    default:
      return issue.message;
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Problem("bad_body", `the body must be JSON in UTF-8 (${why})`);
  }
}
