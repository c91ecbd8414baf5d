import type { Member } from "../protocol/client.ts";

/** Where Cloudflare places replicas, in the order of the table. */
const regions = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "afr",
  "me",
  "apac-se",
  "apac",
  "apac-ne",
  "oc",
] as const;

export type Region = (typeof regions)[number];

/**
 * How far regions are from each other: about the ms of a round trip between large cities of them, by public
 * measurements of clouds. Cables count, not the globe: from Africa to the Gulf is further than it looks. Only
 * the order matters.
 */
const distances: readonly (readonly number[])[] = [
  [0],
  [65, 0],
  [175, 115, 0],
  [145, 85, 195, 0],
  [165, 105, 215, 30, 0],
  [285, 230, 340, 155, 170, 0],
  [225, 180, 295, 100, 90, 180, 0],
  [170, 225, 325, 160, 170, 230, 90, 0],
  [140, 200, 300, 190, 200, 270, 115, 35, 0],
  [105, 155, 265, 225, 235, 320, 160, 70, 35, 0],
  [140, 200, 310, 265, 275, 380, 185, 95, 105, 110, 0],
];

/** The region in which somebody is who sends a request; null when Cloudflare does not tell. */
export function regionOf({ cf }: Request): Region | null {
  const { continent, longitude } = (cf ?? {}) as { continent?: string; longitude?: string };
  const east = Number(longitude ?? Number.NaN);
  switch (continent) {
    case "NA":
      return east < -100 ? "wnam" : "enam";
    case "SA":
      return "sam";
    case "EU":
      return east >= 15 ? "eeur" : "weur";
    case "AF":
      return "afr";
    case "AS":
      if (east < 60) return "me";
      return east < 115 ? "apac-se" : east >= 115 ? "apac-ne" : "apac";
    case "OC":
      return "oc";
    default:
      return null;
  }
}

/** The members of a group, the nearest first. Of those that are as near as each other, who leads has the newest. */
export function nearestFirst(
  members: readonly Member[],
  from: Region | null,
  leader: string | null,
): string[] {
  const ranked = members.map(({ id, region }) => ({
    id,
    distance: from === null ? 0 : distanceOf(from, region),
  }));
  ranked.sort(
    (a, b) =>
      a.distance - b.distance ||
      Number(b.id === leader) - Number(a.id === leader) ||
      Number(a.id) - Number(b.id),
  );
  return ranked.map(({ id }) => id);
}

/** One that is nowhere in particular is as near as can be. */
function distanceOf(from: Region, region: string): number {
  const [a, b] = [regions.indexOf(from), (regions as readonly string[]).indexOf(region)];
  return b === -1 ? 0 : distances[Math.max(a, b)]![Math.min(a, b)]!;
}
