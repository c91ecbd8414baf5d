import type { Member } from "./client.ts";

/** The variables of wrangler.toml, all strings. */
export interface SettingsVars {
  readonly REPLICAS: string;
  readonly REGIONS: string;
  readonly HEARTBEAT_MS: string;
  readonly ELECTION_MIN_MS: string;
  readonly ELECTION_MAX_MS: string;
}

export interface Settings {
  /**
   * The members that a new namespace starts with. Existing ones keep those they were founded with.
   */
  readonly members: readonly Member[];
  readonly heartbeatMs: number;
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
}

/**
 * Where Cloudflare can be asked to place an object (developers.cloudflare.com, durable-
 * objects/reference/data-location).
 */
export const locationHints = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "apac-ne",
  "apac-se",
  "oc",
  "afr",
  "me",
] as const;

/** The region of a replica that is placed nowhere in particular. */
export const anyRegion = "local";

/** Reads the variables. Throws an Error that names the variable and what it must be. */
export function parseSettings(vars: SettingsVars): Settings {
  const heartbeatMs = wholeNumber("HEARTBEAT_MS", vars.HEARTBEAT_MS, 10, 60_000);
  return {
    members: parseMembers(vars),
    heartbeatMs,
    electionMinMs: wholeNumber("ELECTION_MIN_MS", vars.ELECTION_MIN_MS, 2 * heartbeatMs, 300_000),
    electionMaxMs: wholeNumber(
      "ELECTION_MAX_MS",
      vars.ELECTION_MAX_MS,
      Number(vars.ELECTION_MIN_MS) + 1,
      600_000,
    ),
  };
}

function parseMembers(vars: SettingsVars): Member[] {
  const count = wholeNumber("REPLICAS", vars.REPLICAS, 1, 7);
  if (count % 2 === 0) {
    throw new Error(
      `REPLICAS must be odd, not ${count}: an even one more survives no more failures`,
    );
  }
  const regions = vars.REGIONS.split(",").map((region) => region.trim());
  for (const region of regions) {
    if (region !== anyRegion && !locationHints.includes(region as (typeof locationHints)[number])) {
      throw new Error(
        `REGIONS has "${region}"; it must be of ${locationHints.join(", ")} or ${anyRegion}`,
      );
    }
  }
  return Array.from({ length: count }, (_, i) => ({
    id: String(i + 1),
    region: regions[i % regions.length]!,
  }));
}

function wholeNumber(name: string, text: string | undefined, min: number, max: number): number {
  const value = Number(text);
  if (text?.trim() === "" || !Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${name} must be a whole number from ${min} to ${max}, not "${text ?? ""}"`);
  }
  return value;
}
