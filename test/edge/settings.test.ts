import { describe, expect, test } from "vitest";
import { parseSettings } from "../../src/protocol/settings.ts";

const vars = {
  REPLICAS: "3",
  REGIONS: "wnam,enam,weur",
  HEARTBEAT_MS: "500",
  ELECTION_MIN_MS: "2000",
  ELECTION_MAX_MS: "4000",
};
const secret = "0123456789abcdef";
const urls = { 1: "https://one.example", 2: "https://two.example", 3: "http://127.0.0.1:80/a/b" };
const text = JSON.stringify(urls);

describe("The log's length", () => {
  test("is 8 MiB unless told otherwise", () => {
    expect(parseSettings(vars).logBytes).toBe(8 * 1024 * 1024);
    expect(parseSettings({ ...vars, LOG_BYTES: "4096" }).logBytes).toBe(4096);
  });

  test.each(["4095", "1073741825", "", "many", "5000.5"])("is not %s", (bytes) => {
    expect(() => parseSettings({ ...vars, LOG_BYTES: bytes })).toThrow(
      "LOG_BYTES must be a whole number from 4096 to 1073741824",
    );
  });
});

describe("How soon a group sleeps", () => {
  test("is ten seconds unless told otherwise, and may be never", () => {
    expect(parseSettings(vars).sleepAfterMs).toBe(10_000);
    expect(parseSettings({ ...vars, SLEEP_AFTER_MS: "0" }).sleepAfterMs).toBe(0);
    expect(parseSettings({ ...vars, SLEEP_AFTER_MS: "3600000" }).sleepAfterMs).toBe(3_600_000);
  });

  test.each(["-1", "3600001", "", "soon", "0.5"])("is not %s", (ms) => {
    expect(() => parseSettings({ ...vars, SLEEP_AFTER_MS: ms })).toThrow(
      "SLEEP_AFTER_MS must be a whole number from 0 to 3600000",
    );
  });
});

describe("The regions that the leader should be in", () => {
  test.each([undefined, "", " "])("are none when that is %j", (regions) => {
    const given = regions === undefined ? {} : { LEADER_REGIONS: regions };
    expect(parseSettings({ ...vars, ...given }).leaderRegions).toEqual([]);
  });

  test("are a list, of which none may be unknown", () => {
    const regionsOf = (LEADER_REGIONS: string): readonly string[] =>
      parseSettings({ ...vars, LEADER_REGIONS }).leaderRegions;
    expect(regionsOf("weur, enam")).toEqual(["weur", "enam"]);
    expect(() => regionsOf("weur,")).toThrow('LEADER_REGIONS has ""');
  });
});

describe("Replicas in Workers of their own", () => {
  test("are off unless asked for", () => {
    expect(parseSettings(vars)).toMatchObject({ elsewhere: null, gatewaySecret: null });
  });

  test("take the URLs and the secret", () => {
    const settings = parseSettings({ ...vars, REPLICA_URLS: text, REPLICA_SECRET: secret });
    expect(settings.gatewaySecret).toBe(secret);
    expect(settings.elsewhere?.secret).toBe(secret);
    expect(Object.fromEntries(settings.elsewhere!.urls)).toEqual({
      ...urls,
      3: "http://127.0.0.1/a/b",
    });
  });

  test("may be named beyond those that the settings ask for: older groups have more", () => {
    const more = JSON.stringify({ ...urls, 5: "https://five.example/" });
    const settings = parseSettings({ ...vars, REPLICA_URLS: more, REPLICA_SECRET: secret });
    expect(settings.elsewhere!.urls.get("5")).toBe("https://five.example");
  });

  test("need no URLs for a Worker that holds them all and lets others in", () => {
    const settings = parseSettings({ ...vars, REPLICA_SECRET: secret });
    expect(settings).toMatchObject({ elsewhere: null, gatewaySecret: secret });
  });

  test.each([
    ["a short secret", "0123456789abcde", "at least 16 characters"],
    ["an empty secret", "", "at least 16 characters"],
    ["a secret that no header can carry", `${secret}\n`, "ASCII"],
  ])("refuse %s", (_, short, message) => {
    expect(() => parseSettings({ ...vars, REPLICA_SECRET: short })).toThrow(message);
  });

  test("refuse URLs without a secret", () => {
    const unproven = { ...vars, REPLICA_URLS: text };
    expect(() => parseSettings(unproven)).toThrow("REPLICA_URLS needs a REPLICA_SECRET");
  });

  test.each([
    ["what is no JSON", "https://one.example", "must be a JSON object like"],
    ["a list", JSON.stringify(Object.values(urls)), "must be a JSON object like"],
    ["a replica left out", '{"1":"https://one.example"}', "it has no 2"],
    ["no URL", JSON.stringify({ ...urls, 2: "two" }), '"two" for replica 2'],
    ["a number", JSON.stringify({ ...urls, 2: 8080 }), "8080 for replica 2"],
    ["another scheme", JSON.stringify({ ...urls, 3: "ws://three" }), "an http or https URL"],
    ["a query", JSON.stringify({ ...urls, 3: "http://three?x" }), "an http or https URL"],
  ])("refuse URLs that are %s", (_, wrong, message) => {
    const settings = { ...vars, REPLICA_URLS: wrong, REPLICA_SECRET: secret };
    expect(() => parseSettings(settings)).toThrow(message);
  });
});
