import { type Fault, killOne, lossyWays, majorityAlone, minorityAlone, stopOne } from "./faults.ts";
import type { Plan } from "./nemesis.ts";

/** Faults of one kind, and then all of them together. */
export const families = {
  simple: { faults: [] },
  unreliable: { faults: [lossyWays] },
  crash: { faults: [killOne] },
  partition: { faults: [majorityAlone, minorityAlone] },
  advanced: { faults: [lossyWays, killOne, majorityAlone, minorityAlone, stopOne], atOnce: 2 },
} as const satisfies Record<string, { faults: readonly Fault[]; atOnce?: number }>;

export type Family = keyof typeof families;

export const familyNames = Object.keys(families) as readonly Family[];

/** How a family's faults follow each other. */
export function planOf(family: Family): Plan {
  const { faults, atOnce = 1 }: { faults: readonly Fault[]; atOnce?: number } = families[family];
  return { faults, atOnce, lastMs: [500, 4000], restMs: [200, 2000] };
}
