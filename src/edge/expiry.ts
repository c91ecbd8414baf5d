import type { Expiry } from "../kv/command.ts";
import { maxTtlMs, minTtlMs } from "../protocol/limits.ts";
import { parseDuration } from "./duration.ts";
import { Problem, type ProblemCode } from "./problem.ts";

/** When a value is to go, as somebody wrote it: at most one of the three. */
export interface WantedExpiry {
  /** A duration, in seconds if it has no unit. */
  readonly ttl?: string | undefined;
  /** Seconds since 1970. */
  readonly expires?: string | undefined;
  readonly lease?: string | undefined;
}

/**
 * @param mayBeOver whether the moment may be one that has passed: who repeats a request that has a name gets
 * the first answer.
 * @throws Problem of this code when it makes no sense.
 */
export function parseExpiry(
  { ttl, expires, lease }: WantedExpiry,
  code: ProblemCode,
  mayBeOver: boolean,
): Expiry | undefined {
  if ([ttl, expires, lease].filter((each) => each !== undefined).length > 1) {
    throw new Problem(code, "ttl, expires and lease say when a value goes: give one of them");
  }
  if (ttl !== undefined) return { type: "ttl", ttlMs: parseTtl(ttl, code) };
  if (expires !== undefined)
    return { type: "at", expiresMs: parseMoment(expires, code, mayBeOver) };
  if (lease !== undefined) return { type: "lease", lease };
  return undefined;
}

/** How long something lives, in ms. */
export function parseTtl(text: string, code: ProblemCode): number {
  const ttlMs = parseDuration(text, "s");
  if (ttlMs !== null && ttlMs >= minTtlMs && ttlMs <= maxTtlMs) return ttlMs;
  throw new Problem(
    code,
    `ttl "${text}" must be a time from 1 s to 3660 d, in seconds or like 90s, 1500ms, 5m, 2h or 7d`,
  );
}

function parseMoment(text: string, code: ProblemCode, mayBeOver: boolean): number {
  const expiresMs = /^\d{1,11}(?:\.\d{1,9})?$/.test(text)
    ? Math.floor(Number(text) * 1000)
    : Number.NaN;
  const isSoonEnough = expiresMs > Date.now() || (mayBeOver && expiresMs >= 0);
  if (isSoonEnough && expiresMs <= Date.now() + maxTtlMs) return expiresMs;
  throw new Problem(
    code,
    `expires "${text}" must be a moment to come, in seconds since 1970, within ten years`,
  );
}

/** A moment as the API tells it: seconds since 1970. */
export const secondsOf = (ms: number): number => ms / 1000;
