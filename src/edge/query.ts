import { defaultTimeoutMs, maxTimeoutMs, minTimeoutMs } from "../protocol/limits.ts";
import { Problem } from "./problem.ts";

/**
 * Reads the query string of a path that takes the parameters `names`. One that it does not take is
 * refused: misspelt, it would silently mean the default.
 */
export function readQuery<Name extends string>(
  url: string,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const { searchParams } = new URL(url);
  const given = [...searchParams.keys()];
  const strangers = given.filter((name) => !names.includes(name as Name));
  if (strangers.length > 0) {
    throw new Problem(
      "bad_parameter",
      `there is no parameter ${strangers.join(", ")} here; there is ${names.join(", ")}`,
    );
  }
  const twice = given.find((name, i) => given.indexOf(name) < i);
  if (twice !== undefined) {
    throw new Problem("bad_parameter", `the parameter ${twice} is given twice; give it once`);
  }
  return Object.fromEntries(searchParams) as Partial<Record<Name, string>>;
}

/** How long a request may take altogether, in ms: `800`, `800ms` or `2s`; 5 s if not said. */
export function parseTimeout(text: string | undefined): number {
  if (text === undefined) return defaultTimeoutMs;
  const [, number, unit] = /^(\d{1,6}(?:\.\d+)?)(ms|s)?$/.exec(text) ?? [];
  const timeoutMs = Number(number) * (unit === "s" ? 1000 : 1);
  // Timers take whole numbers only.
  if (timeoutMs >= minTimeoutMs && timeoutMs <= maxTimeoutMs) return Math.floor(timeoutMs);
  throw new Problem(
    "bad_parameter",
    `timeout "${text}" must be from ${minTimeoutMs} to ${maxTimeoutMs} ms, like 800, 800ms or 2s`,
  );
}

/** Refuses what is not there yet, rather than give less than was asked for. */
export function checkConsistency(text = "linearizable"): void {
  if (text === "linearizable") return;
  throw new Problem("bad_parameter", `consistency can only be linearizable, not "${text}"`);
}
