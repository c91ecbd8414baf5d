import { defaultTimeoutMs, maxTimeoutMs, minTimeoutMs } from "../protocol/limits.ts";
import * as z from "zod/mini";
import { type Parameter, type ParameterName, parameters } from "./contract/parameters.ts";
import { Problem } from "./problem.ts";

/**
 * Reads the query string of a path that takes the parameters `names`. One that it does not take is
 * refused: misspelt, it would silently mean the default. What is given has the form that the API's
 * description says.
 */
export function readQuery<Name extends ParameterName>(
  url: string,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const { search, searchParams } = new URL(url);
  checkEscapes(search);
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
  for (const [name, value] of searchParams) {
    const { schema, description }: Parameter = parameters[name as Name];
    if (z.safeParse(schema, value).success) continue;
    throw new Problem("bad_parameter", `${name} "${value}" is not what it must be: ${description}`);
  }
  return Object.fromEntries(searchParams) as Partial<Record<Name, string>>;
}

/** What is no UTF-8 would otherwise be read as U+FFFD, and so mean something else. */
function checkEscapes(search: string): void {
  try {
    decodeURIComponent(search);
  } catch {
    throw new Problem(
      "bad_parameter",
      "the query is not UTF-8 in percent-encoding: encode it as encodeURIComponent does",
    );
  }
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

/** A revision; undefined when none is given. */
export function parseRevision(text: string | undefined, name = "revision"): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new Problem("bad_parameter", `${name} "${text}" must be a revision, like 42`);
}

/** A parameter that is there or not. */
export function parseFlag(name: string, text: string | undefined): boolean {
  if (text === undefined || text === "false") return false;
  // In a query, to be there is to be meant.
  if (text === "true" || text === "") return true;
  throw new Problem("bad_parameter", `${name} is true or false, not "${text}"`);
}
