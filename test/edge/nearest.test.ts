import { describe, expect, test } from "vitest";
import { type Region, nearestFirst, regionOf } from "../../src/edge/nearest.ts";
import { locationHints } from "../../src/protocol/settings.ts";

const requestFrom = (cf: object | undefined): Request => ({ cf }) as unknown as Request;

describe("where a request comes from", () => {
  test.each([
    [{ continent: "NA", longitude: "-122.4" }, "wnam"],
    [{ continent: "NA", longitude: "-74.0" }, "enam"],
    [{ continent: "NA" }, "enam"],
    [{ continent: "SA", longitude: "-46.6" }, "sam"],
    [{ continent: "EU", longitude: "-0.1" }, "weur"],
    [{ continent: "EU", longitude: "21.0" }, "eeur"],
    [{ continent: "EU" }, "weur"],
    [{ continent: "AF", longitude: "28.0" }, "afr"],
    [{ continent: "AS", longitude: "55.3" }, "me"],
    [{ continent: "AS", longitude: "103.8" }, "apac-se"],
    [{ continent: "AS", longitude: "139.7" }, "apac-ne"],
    [{ continent: "AS" }, "apac"],
    [{ continent: "AS", longitude: "east" }, "apac"],
    [{ continent: "OC", longitude: "151.2" }, "oc"],
    [{ continent: "AN", longitude: "0" }, null],
    [{ country: "T1" }, null],
    [{}, null],
    [undefined, null],
  ])("%j is %s", (cf, region) => {
    expect(regionOf(requestFrom(cf))).toBe(region);
  });
});

const placed = (...regions: string[]) =>
  regions.map((region, i) => ({ id: String(i + 1), region }));

/** Regions by distance, the nearest first. */
const order = (from: Region | null, ...regions: string[]): string[] =>
  nearestFirst(placed(...regions), from, null).map((id) => regions[Number(id) - 1]!);

describe("the nearest first", () => {
  test.each<[Region, string]>([
    ["wnam", "wnam enam weur"],
    ["enam", "enam wnam weur"],
    ["weur", "weur enam wnam"],
    ["sam", "enam wnam weur"],
    ["afr", "weur enam wnam"],
    ["me", "weur enam wnam"],
    ["apac-ne", "wnam enam weur"],
    ["apac-se", "weur wnam enam"],
    ["oc", "wnam enam weur"],
  ])("from %s, of wnam, enam and weur: %s", (from, expected) => {
    expect(order(from, "wnam", "enam", "weur").join(" ")).toBe(expected);
  });

  test.each(locationHints)("from %s, who is there comes before all others", (hint) => {
    expect(order(hint, ...locationHints)[0]).toBe(hint);
  });

  test("of those as far from each other as from here, who leads, and then the lowest id", () => {
    const members = placed("weur", "weur", "weur", "enam");
    expect(nearestFirst(members, "weur", null)).toEqual(["1", "2", "3", "4"]);
    expect(nearestFirst(members, "weur", "3")).toEqual(["3", "1", "2", "4"]);
    expect(nearestFirst(members, "weur", "4"), "it is not as near").toEqual(["1", "2", "3", "4"]);
  });

  test("ids are numbers, also where there are many", () => {
    const members = ["10", "9", "2"].map((id) => ({ id, region: "weur" }));
    expect(nearestFirst(members, "weur", null)).toEqual(["2", "9", "10"]);
  });

  test("from nobody knows where, all are as near as each other", () => {
    expect(nearestFirst(placed("oc", "weur", "enam"), null, "2")).toEqual(["2", "1", "3"]);
  });

  test("who is nowhere in particular is near to everybody", () => {
    expect(order("oc", "weur", "local", "oc")).toEqual(["local", "oc", "weur"]);
    expect(order("oc", "local", "local")).toEqual(["local", "local"]);
  });

  test("from there and back is as far", () => {
    for (const a of locationHints) {
      for (const b of locationHints) {
        // Whoever is nearer to a than to b would come first in one of these orders alone.
        const [there, back] = [order(a, b, "local"), order(b, a, "local")];
        expect(there[0] === "local").toBe(back[0] === "local");
      }
    }
  });
});
