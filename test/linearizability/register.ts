import { absent, type Need, type Step } from "./key-history.ts";

/** A key between two steps. */
export interface Register {
  /** The number of the value. */
  readonly value: number;
  /** The revision that was chosen for the value, where some cas names one and nobody saw any. */
  readonly chosen: number | null;
  /** The highest revision that a write so far is known to have, or was given. */
  readonly floor: number;
}

export const emptyRegister: Register = { value: absent, chosen: null, floor: -1 };

export function satisfies(register: Register, need: Need): boolean {
  switch (need.type) {
    case "anything":
      return true;
    case "theImpossible":
      return false;
    case "is":
      return register.value === need.value;
    case "isNot":
      return register.value !== need.value;
    case "hasRevision":
      return register.chosen === need.rev;
    case "hasNotRevision":
      return register.chosen !== need.rev;
  }
}

/** The register after a step, which is given the revision `chosen` if it has none. */
export function after(register: Register, step: Step, chosen: number | null): Register {
  if (step.effect === null) return register;
  return { value: step.effect, chosen, floor: step.rev ?? chosen ?? register.floor };
}
