import type { Level } from "../protocol/client.ts";
import { maxStalenessMs, minStalenessMs } from "../protocol/limits.ts";
import { type Bookmark, readBookmark } from "./bookmark.ts";
import { parseDuration } from "./duration.ts";
import { Problem } from "./problem.ts";

/** How old may be what a client reads. */
export type Consistency =
  | { readonly type: "linearizable" }
  /** No older than what it has seen. */
  | { readonly type: "session"; readonly bookmark: Bookmark }
  | { readonly type: "bounded"; readonly maxStalenessMs: number }
  | { readonly type: "any" };

export const linearizable: Consistency = { type: "linearizable" };

/** The parameters by which it can be said. */
export const consistencyNames = ["consistency", "max_staleness"] as const;

type Query = Partial<Record<(typeof consistencyNames)[number], string>>;

/**
 * Reads what a client wants, in the query or in headers.
 *
 * @throws Problem when that makes no sense, or says something that the level takes no notice of: who says it
 * relies on it.
 */
export function readConsistency(headers: Headers, query: Query, namespace: string): Consistency {
  const type = readType(headers.get("KV-Consistency"), query.consistency);
  const bookmark = headers.get("KV-Bookmark");
  const { max_staleness: staleness } = query;
  if (bookmark !== null && type !== "session") throw idle("KV-Bookmark", "session", type);
  if (staleness !== undefined && type !== "bounded") throw idle("max_staleness", "bounded", type);
  switch (type) {
    case "linearizable":
    case "any":
      return { type };
    case "session":
      // Who has seen nothing yet may be shown anything.
      if (bookmark === null) return { type: "any" };
      return { type, bookmark: readBookmark(bookmark, namespace) };
    case "bounded":
      return { type, maxStalenessMs: parseStaleness(staleness) };
  }
}

/** The same for a replica. `maxWaitMs` is how long it may wait for what others have before it asks for it. */
export function levelOf(consistency: Consistency, maxWaitMs: number): Level {
  if (consistency.type !== "session") return consistency;
  return { type: "session", ...consistency.bookmark, maxWaitMs };
}

function readType(header: string | null, query: string | undefined): Consistency["type"] {
  if (header !== null && query !== undefined && header !== query) {
    const detail = `the query says consistency=${query}, and the header KV-Consistency ${header}: send one`;
    throw new Problem("bad_parameter", detail);
  }
  const text = query ?? header ?? "linearizable";
  const type = types.find((each) => each === text);
  if (type !== undefined) return type;
  throw new Problem(
    "bad_parameter",
    `consistency must be one of ${types.join(", ")}, not "${text}"`,
  );
}

const types = ["linearizable", "session", "bounded", "any"] as const;

const idle = (name: string, level: string, type: string): Problem =>
  new Problem(
    "bad_parameter",
    `${name} has no meaning with consistency=${type}, but with ${level}`,
  );

function parseStaleness(text: string | undefined): number {
  const ms = text === undefined ? null : parseDuration(text, "s");
  if (ms !== null && ms >= minStalenessMs && ms <= maxStalenessMs) return ms;
  throw new Problem(
    "bad_parameter",
    "bounded needs max_staleness, a time from 100 ms to 1 h, in seconds or like 500ms, 2s or 5m" +
      (text === undefined ? "" : `, not "${text}"`),
  );
}
