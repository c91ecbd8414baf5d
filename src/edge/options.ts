import { defaultTimeoutMs, maxTimeoutMs, minTimeoutMs } from "../protocol/limits.ts";
import { Problem } from "./problem.ts";

/** What the query string of a request asks for. */
export interface Options {
  /** How long the request may take altogether. */
  readonly timeoutMs: number;
}

/**
 * Reads the query string. A parameter nobody knows is refused: misspelt, it would silently mean the
 * default.
 */
export function parseOptions(url: string): Options {
  const { searchParams } = new URL(url);
  for (const name of searchParams.keys()) {
    if (name !== "timeout" && name !== "consistency") {
      throw new Problem(
        "bad_parameter",
        `there is no parameter ${name}: use timeout or consistency`,
      );
    }
    if (searchParams.getAll(name).length > 1) {
      throw new Problem("bad_parameter", `${name} is given twice: which one is meant?`);
    }
  }
  const consistency = searchParams.get("consistency") ?? "linearizable";
  if (consistency !== "linearizable") {
    throw new Problem("bad_parameter", `consistency can be linearizable, not "${consistency}"`);
  }
  return { timeoutMs: parseTimeout(searchParams.get("timeout")) };
}

/** `800`, `800ms` or `2s`. */
function parseTimeout(text: string | null): number {
  if (text === null) return defaultTimeoutMs;
  const [, number, unit] = /^(\d{1,6}(?:\.\d+)?)(ms|s)?$/.exec(text) ?? [];
  const timeoutMs = Number(number) * (unit === "s" ? 1000 : 1);
  // Timers take whole numbers only.
  if (timeoutMs >= minTimeoutMs && timeoutMs <= maxTimeoutMs) return Math.floor(timeoutMs);
  throw new Problem(
    "bad_parameter",
    `timeout "${text}" must be from ${minTimeoutMs} to ${maxTimeoutMs} ms, like 800, 800ms or 2s`,
  );
}

/** Headers that change what a write means, and that this version would have to ignore. */
const unsupported = [
  "If-Match",
  "If-None-Match",
  "If-Unmodified-Since",
  "Idempotency-Key",
  // A part would become the whole value (RFC 9110, 14.5), and readers would not learn of a coding.
  "Content-Range",
  "Content-Encoding",
];

/** Refuses a write whose meaning this version does not know, rather than do something else. */
export function checkWriteHeaders(headers: Headers): void {
  const found = unsupported.find((name) => headers.has(name));
  if (found === undefined) return;
  throw new Problem("unsupported_header", `${found} is not supported yet; leave it out`);
}
