import * as z from "zod/mini";
import type { NewValue } from "../kv/command.ts";
import type { Found } from "../kv/result.ts";
import { describeBytes, fromBase64 } from "../protocol/json-value.ts";
import { maxTtlMs } from "../protocol/limits.ts";
import { defined } from "./defined.ts";
import { secondsOf } from "./expiry.ts";
import { checkKey } from "./key-path.ts";
import { metadataOf } from "./metadata.ts";
import { Problem } from "./problem.ts";
import { contentType, text } from "./transaction-body.ts";

/** How an export is written, and read again: a head, a line a key, and a last line that says how many there were. */

const format = "quorumkv-export";
const version = 1;

export const headOf =
  (namespace: string) =>
  (revision: number): object => ({
    format,
    version,
    namespace,
    revision,
  });

/** A key with its value and all that is kept of it, but for what its revisions were. */
export const lineOf = (key: string, found: Found, value: Uint8Array): object => ({
  key,
  ...describeBytes(value),
  ...(found.contentType === null ? {} : { content_type: found.contentType }),
  ...(found.metadata === null ? {} : { metadata: JSON.parse(found.metadata) as unknown }),
  ...(found.expiresMs === null ? {} : { expires: secondsOf(found.expiresMs) }),
  ...(found.lease === null ? {} : { lease: found.lease }),
});

const head = z.strictObject({
  format: z.literal(format),
  version: z.literal(version),
  namespace: z.string(),
  revision: z.int(),
});

const item = z.strictObject({
  key: text,
  value: z.optional(text),
  value_b64: z.optional(z.base64()),
  content_type: z.optional(contentType),
  metadata: z.optional(z.unknown()),
  expires: z.optional(z.number()),
  lease: z.optional(z.string()),
});

const tail = z.strictObject({ done: z.literal(true), count: z.int(), revision: z.int() });

const anyLine = z.union([item, head, tail]);

/** What a line of an export says. */
export type Line =
  | { readonly type: "head" }
  | { readonly type: "tail"; readonly count: number }
  | {
      readonly type: "item";
      readonly key: string;
      readonly wanted: NewValue | "expired" | "leased";
    };

/**
 * @param number of the line, for whoever has to mend it.
 * @throws Problem when it is no line of an export.
 */
export function readLine(line: string, number: number, nowMs: number): Line {
  const parsed = z.safeParse(anyLine, parse(line, number));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Problem("bad_body", `line ${number} is no line of an export (${issue!.message})`);
  }
  const said = parsed.data;
  if ("format" in said) return { type: "head" };
  if ("done" in said) return { type: "tail", count: said.count };
  const key = checkKey(said.key);
  if ((said.value === undefined) === (said.value_b64 === undefined)) {
    throw new Problem("bad_body", `line ${number} must have one of value and value_b64`);
  }
  if (said.lease !== undefined) return { type: "item", key, wanted: "leased" };
  const expiresMs = said.expires === undefined ? undefined : Math.floor(said.expires * 1000);
  if (expiresMs !== undefined && !(expiresMs <= nowMs + maxTtlMs)) {
    throw new Problem("bad_body", `line ${number} expires later than in ten years`);
  }
  if (expiresMs !== undefined && expiresMs <= nowMs)
    return { type: "item", key, wanted: "expired" };
  const wanted: NewValue = {
    value:
      said.value === undefined ? fromBase64(said.value_b64!) : new TextEncoder().encode(said.value),
    contentType: said.content_type || null,
    ...defined({
      metadata: said.metadata === undefined ? undefined : metadataOf(said.metadata),
      expiry: expiresMs === undefined ? undefined : ({ type: "at", expiresMs } as const),
    }),
  };
  return { type: "item", key, wanted };
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Problem("bad_body", `line ${number} is no JSON (${why})`);
  }
}
