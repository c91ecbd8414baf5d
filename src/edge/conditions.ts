import type { Condition } from "../kv/condition.ts";
import { Problem } from "./problem.ts";

/** Conditions on dates: revisions are what tells versions apart here. */
const unsupported = ["If-Modified-Since", "If-Unmodified-Since", "If-Range"];

/**
 * What must be so for a write to be made; undefined when that does not matter.
 *
 * @throws Problem when it cannot be told, since to ignore it would be wrong.
 */
export function readCondition(headers: Headers): Condition | undefined {
  for (const name of unsupported) {
    if (headers.has(name)) {
      throw new Problem(
        "unsupported_condition",
        `${name} is not supported: use If-Match and the ETag`,
      );
    }
  }
  const match = headers.get("If-Match");
  const noneMatch = headers.get("If-None-Match");
  if (match !== null && noneMatch !== null) {
    throw new Problem(
      "bad_condition",
      "If-Match and If-None-Match at once make no sense: send one",
    );
  }
  if (noneMatch !== null) {
    if (noneMatch.trim() === "*") return { type: "absent" };
    throw new Problem("bad_condition", `If-None-Match can only be * on a write, not ${noneMatch}`);
  }
  if (match === null) return undefined;
  if (match.trim() === "*") return { type: "exists" };
  return { type: "revision", revision: parseEtag(match) };
}

/** The revision that an ETag of this API stands for. */
function parseEtag(text: string): number {
  const [, tag] = /^\s*"([^"]*)"\s*$/.exec(text) ?? [];
  if (tag === undefined) {
    throw new Problem(
      "bad_condition",
      `If-Match must be * or one ETag with its quotes, like "42", not ${text}`,
    );
  }
  const revision = Number(tag);
  // One of another form was never given to a value, so nothing has it.
  return Number.isSafeInteger(revision) && String(revision) === tag ? revision : -1;
}

/** Whether a reader has this version already. Weak tags match as well: RFC 9110, 13.1.2. */
export function hasAlready(headers: Headers, etag: string): boolean {
  const given = headers.get("If-None-Match");
  if (given === null) return false;
  if (given.trim() === "*") return true;
  return given.split(",").some((each) => each.trim().replace(/^W\//, "") === etag);
}
