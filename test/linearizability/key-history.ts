import { changedKey, type Get, type Operation, type Value, writtenValue } from "./operation.ts";

/** Stands for the absence of a value, where a value's number is expected. */
export const absent = -1;

/** What an operation must find. Values are numbered; `absent` is one of them. */
export type Need =
  | { readonly type: "anything" | "theImpossible" }
  | { readonly type: "is" | "isNot"; readonly value: number }
  | { readonly type: "hasRevision" | "hasNotRevision"; readonly rev: number };

/** What an operation does to its key when it takes effect, as its output says. */
export interface Step {
  readonly operation: Operation;
  readonly call: number;
  /** It takes effect at this moment at the latest. */
  deadline: number;
  readonly need: Need;
  /** The number of the value that it leaves; null when it changes nothing. */
  readonly effect: number | null;
  /** The revision that its effect is known to have had. */
  readonly rev: number | null;
  /** Its place among the mandatory steps by call, or -1. */
  index: number;
  /**
   * Steps of a group differ in nothing that anybody can see, except in their intervals; -1 for a
   * step like no other. The groups of mandatory steps and of optional ones are numbered apart.
   */
  group: number;
}

/** The operations on one key, made ready for the search. */
export interface KeyHistory {
  /** The values by number. */
  readonly values: readonly Value[];
  /** Steps that took effect, by call. */
  readonly mandatory: readonly Step[];
  /**
   * Unknown writes of which nobody saw that they took effect, by group and then by call. No place
   * but right before the next mandatory step need be tried for them.
   */
  readonly optional: readonly (readonly Step[])[];
  /** How many mandatory steps must find each value, by its number. */
  readonly observers: readonly number[];
  /** How many steps must find each value or must not, optional ones included. */
  readonly mentions: readonly number[];
  /** The mandatory writes whose revision is known, rising. */
  readonly byRevision: readonly Step[];
  /** Revisions that a cas names, and that some write of unknown revision may have got. */
  readonly orphans: readonly number[];
  /** Those of them that mandatory steps must find, rising. */
  readonly sought: readonly number[];
}

/**
 * Numbers the values of a key and finds out which operations must have taken effect, and when at
 * the latest: before the first return of whoever saw their value.
 *
 * @param operations all on one key, validated.
 */
export function prepareKey(operations: readonly Operation[]): KeyHistory {
  const possible = operations.filter(
    ({ op, status }) => status === "ok" || (status === "info" && op !== "get"),
  );
  const revisions = new KnownRevisions(possible);
  const numbers = new Map<Value, number>();
  const numberOf = (value: Value): number => {
    if (!numbers.has(value)) numbers.set(value, numbers.size);
    return numbers.get(value)!;
  };
  const steps = possible
    .map((operation) => stepOf(operation, numberOf, revisions))
    .sort((a, b) => a.call - b.call);
  const isMandatory = settleDeadlines(steps);
  const mandatory = steps.filter((step) => isMandatory.has(step));
  mandatory.forEach((step, index) => {
    step.index = index;
  });
  const observers = new Array<number>(numbers.size).fill(0);
  const mentions = [...observers];
  for (const { need, index } of steps) {
    if ((need.type !== "is" && need.type !== "isNot") || need.value === absent) continue;
    mentions[need.value]!++;
    if (need.type === "is" && index >= 0) observers[need.value]!++;
  }
  return {
    values: [...numbers.keys()],
    mandatory,
    optional: groupSteps(steps, isMandatory),
    observers,
    mentions,
    byRevision: mandatory
      .filter(({ effect, rev }) => effect !== null && rev !== null)
      .sort((a, b) => a.rev! - b.rev!),
    orphans: [...new Set(soughtBy(steps))].filter((rev) => !revisions.has(rev)),
    sought: soughtBy(mandatory),
  };
}

const soughtBy = (steps: readonly Step[]): number[] =>
  steps
    .flatMap(({ need }) => (need.type === "hasRevision" ? [need.rev] : []))
    .sort((a, b) => a - b);

/** Which write each revision belongs to, as far as anybody saw. */
class KnownRevisions {
  readonly #ofValue = new Map<Value, number>();
  readonly #toValue = new Map<number, Value | null>();

  constructor(operations: readonly Operation[]) {
    const revised = operations.filter(({ status, rev }) => status === "ok" && rev !== undefined);
    const reads = revised.filter((read): read is Get => read.op === "get" && read.output !== null);
    for (const write of revised.filter(changedKey)) this.#note(writtenValue(write), write.rev!);
    for (const read of reads) this.#note(read.output!, read.rev!);
  }

  has(rev: number): boolean {
    return this.#toValue.has(rev);
  }

  ofValue(value: Value): number | null {
    return this.#ofValue.get(value) ?? null;
  }

  /** The value that was written at `rev`, null when it was deleted or nothing is known. */
  valueAt(rev: number): Value | null {
    return this.#toValue.get(rev) ?? null;
  }

  /** Who comes first is believed; the other will fit nowhere. */
  #note(value: Value | null, rev: number): void {
    if (value !== null && !this.#ofValue.has(value)) this.#ofValue.set(value, rev);
    if (!this.#toValue.has(rev)) this.#toValue.set(rev, value);
  }
}

function stepOf(
  operation: Operation,
  numberOf: (value: Value) => number,
  revisions: KnownRevisions,
): Step {
  const isKnown = operation.status === "ok";
  const value = writtenValue(operation);
  const hasEffect = !isKnown || changedKey(operation);
  const rev = isKnown && operation.rev !== undefined ? operation.rev : null;
  return {
    operation,
    call: operation.call,
    deadline: isKnown ? operation.return : Infinity,
    need: needOf(operation, numberOf, revisions),
    effect: hasEffect ? (value === null ? absent : numberOf(value)) : null,
    rev: value === null ? rev : revisions.ofValue(value),
    index: -1,
    group: -1,
  };
}

function needOf(
  operation: Operation,
  numberOf: (value: Value) => number,
  revisions: KnownRevisions,
): Need {
  switch (operation.op) {
    case "put":
      return { type: "anything" };
    case "get": {
      const { output = null, rev } = operation;
      if (output === null) return { type: "is", value: absent };
      const isPossible = rev === undefined || rev === revisions.ofValue(output);
      return isPossible ? { type: "is", value: numberOf(output) } : { type: "theImpossible" };
    }
    case "delete":
      return { type: operation.output === false ? "is" : "isNot", value: absent };
    case "cas": {
      const succeeds = operation.output !== false;
      const type = succeeds ? "is" : "isNot";
      if (!("to" in operation.input)) return { type, value: numberOf(operation.input[0]) };
      const { from_rev: rev } = operation.input;
      if (rev === 0) return { type, value: absent };
      const value = revisions.valueAt(rev);
      if (value !== null) return { type, value: numberOf(value) };
      return { type: succeeds ? "hasRevision" : "hasNotRevision", rev };
    }
  }
}

/**
 * Whoever finds a value comes after its write, so that write took effect, and did so before the
 * other's deadline. Returns the steps that took effect.
 */
function settleDeadlines(steps: readonly Step[]): ReadonlySet<Step> {
  const writers = new Map<number, Step>();
  for (const step of steps) {
    if (step.effect !== null && step.effect !== absent) writers.set(step.effect, step);
  }
  const open = steps.filter(({ operation }) => operation.status === "ok");
  const mandatory = new Set(open);
  for (let step = open.pop(); step !== undefined; step = open.pop()) {
    const { need } = step;
    const writer = need.type === "is" ? writers.get(need.value) : undefined;
    if (writer === undefined) continue;
    // A value found before it was written is for the search to stumble over.
    const deadline = Math.max(writer.call, Math.min(writer.deadline, step.deadline));
    if (deadline === writer.deadline && mandatory.has(writer)) continue;
    writer.deadline = deadline;
    mandatory.add(writer);
    open.push(writer);
  }
  return mandatory;
}

/** Finds the steps that are alike, and returns the optional ones by group. */
function groupSteps(steps: readonly Step[], mandatory: ReadonlySet<Step>): Step[][] {
  const named = new Set(
    steps.flatMap(({ need }) => (need.type === "is" || need.type === "isNot" ? [need.value] : [])),
  );
  const mandatoryGroups = new Map<string, Step[]>();
  const optionalGroups = new Map<string, Step[]>();
  for (const step of steps) {
    const { need, effect, rev } = step;
    const isAlone = rev !== null || (effect !== absent && named.has(effect!));
    if (effect === null || (isAlone && mandatory.has(step))) continue;
    const groups = mandatory.has(step) ? mandatoryGroups : optionalGroups;
    const name = JSON.stringify([need, isAlone || effect === absent ? effect : "unnamed"]);
    const group = groups.get(name);
    step.group = group === undefined ? groups.size : group[0]!.group;
    if (group === undefined) groups.set(name, [step]);
    else group.push(step);
  }
  return [...optionalGroups.values()];
}
