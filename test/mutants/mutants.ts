import { coreMutants } from "./core-mutants.ts";
import { divergenceMutants } from "./divergence-mutants.ts";
import { hostMutants } from "./host-mutants.ts";
import { kvMutants } from "./kv-mutants.ts";
import { membershipMutants } from "./membership-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { sleepMutants } from "./sleep-mutants.ts";

/**
 * Mistakes that somebody might make, many of them made by others before. The simulator must catch
 * each within a few seeds (`npm run sim:mutants`), and a torture run the first.
 */
export const mutants: readonly Mutant[] = [
  ...coreMutants,
  ...membershipMutants,
  ...hostMutants,
  ...kvMutants,
  ...divergenceMutants,
  ...sleepMutants,
];
