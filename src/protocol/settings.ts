import type { Member } from "./client.ts";

/** The variables of wrangler.toml and its secrets, all strings. */
export interface SettingsVars {
  readonly REPLICAS: string;
  readonly REGIONS: string;
  readonly HEARTBEAT_MS: string;
  readonly ELECTION_MIN_MS: string;
  readonly ELECTION_MAX_MS: string;
  readonly LOG_BYTES?: string;
  readonly LEADER_REGIONS?: string;
  readonly SLEEP_AFTER_MS?: string;
  /** Which pages may use the API: see src/edge/cors-origins.ts. */
  readonly CORS_ORIGINS?: string;
  /** A JSON object: for each replica's id, the URL of the Worker that holds it. */
  readonly REPLICA_URLS?: string;
  /** What Workers that hold replicas for each other prove themselves with. */
  readonly REPLICA_SECRET?: string;
}

export interface Settings {
  /**
   * The members that a new namespace starts with. Existing ones keep those they were founded with.
   */
  readonly members: readonly Member[];
  readonly heartbeatMs: number;
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
  /** The regions that the leader should rather be in, the best first. */
  readonly leaderRegions: readonly string[];
  /** A group that nobody has wanted anything of for so long goes to sleep; 0 for never. */
  readonly sleepAfterMs: number;
  /** A replica's log is cut when it has more bytes. */
  readonly logBytes: number;
  /** Where replicas are that other Workers hold; null when this one holds them all. */
  readonly elsewhere: Elsewhere | null;
  /** The secret that opens the gateway to the replicas here; null when there is none. */
  readonly gatewaySecret: string | null;
}

export interface Elsewhere {
  /** By the replica's id, without a slash at the end. */
  readonly urls: ReadonlyMap<string, string>;
  readonly secret: string;
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

/** Some ten thousand puts of small values, so that it is seldom cut, and costs next to nothing to keep. */
const defaultLogBytes = "8388608";

/** What an object stays in memory after its last event anyway (developers.cloudflare.com, 2026). */
const defaultSleepAfterMs = "10000";

/** A secret of fewer characters could be guessed. */
const leastSecret = 16;

/** Reads the variables. Throws an Error that names the variable and what it must be. */
export function parseSettings(vars: SettingsVars): Settings {
  const heartbeatMs = wholeNumber("HEARTBEAT_MS", vars.HEARTBEAT_MS, 10, 60_000);
  const members = parseMembers(vars);
  const gatewaySecret = parseSecret(vars.REPLICA_SECRET);
  return {
    members,
    elsewhere: parseElsewhere(vars.REPLICA_URLS, members, gatewaySecret),
    gatewaySecret,
    heartbeatMs,
    leaderRegions: parseLeaderRegions(vars.LEADER_REGIONS ?? ""),
    logBytes: wholeNumber("LOG_BYTES", vars.LOG_BYTES ?? defaultLogBytes, 4096, 2 ** 30),
    sleepAfterMs: wholeNumber(
      "SLEEP_AFTER_MS",
      vars.SLEEP_AFTER_MS ?? defaultSleepAfterMs,
      0,
      3_600_000,
    ),
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
  const regions = parseRegions("REGIONS", vars.REGIONS);
  return Array.from({ length: count }, (_, i) => ({
    id: String(i + 1),
    region: regions[i % regions.length]!,
  }));
}

function parseRegions(name: string, text: string): string[] {
  const regions = text.split(",").map((region) => region.trim());
  for (const region of regions) {
    if (region !== anyRegion && !locationHints.includes(region as (typeof locationHints)[number])) {
      throw new Error(
        `${name} has "${region}"; it must be of ${locationHints.join(", ")} or ${anyRegion}`,
      );
    }
  }
  return regions;
}

/** None when it is empty: who takes a preference back may leave the variable there. */
const parseLeaderRegions = (text: string): string[] =>
  text.trim() === "" ? [] : parseRegions("LEADER_REGIONS", text);

function parseSecret(secret: string | undefined): string | null {
  if (secret === undefined) return null;
  if (secret.length >= leastSecret && /^[!-~]+$/.test(secret)) return secret;
  throw new Error(
    `REPLICA_SECRET must be at least ${leastSecret} characters of ASCII without spaces`,
  );
}

function parseElsewhere(
  text: string | undefined,
  members: readonly Member[],
  secret: string | null,
): Elsewhere | null {
  if (text === undefined) return null;
  if (secret === null) {
    throw new Error("REPLICA_URLS needs a REPLICA_SECRET, by which the Workers know each other");
  }
  const urls = new Map(Object.entries(parseObject("REPLICA_URLS", text)).map(parseUrl));
  // One that is left out would be looked for here, where a second one of its id would come to be.
  const missing = members.find(({ id }) => !urls.has(id));
  if (missing !== undefined) {
    throw new Error(`REPLICA_URLS must name every replica; it has no ${missing.id}`);
  }
  return { urls, secret };
}

function parseObject(name: string, text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Said below.
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new Error(`${name} must be a JSON object like {"1":"https://one.example"}, not "${text}"`);
}

function parseUrl([id, text]: readonly [string, unknown]): [string, string] {
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && url.search === "" && url.hash === "" && url.username === "";
  if (!isPlain || !/^https?:$/.test(url.protocol)) {
    throw new Error(
      `REPLICA_URLS has ${JSON.stringify(text)} for replica ${id}; it must be an http or https URL`,
    );
  }
  return [id, url.href.replace(/\/+$/, "")];
}

function wholeNumber(name: string, text: string | undefined, min: number, max: number): number {
  const value = Number(text);
  if (text?.trim() === "" || !Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${name} must be a whole number from ${min} to ${max}, not "${text ?? ""}"`);
  }
  return value;
}
