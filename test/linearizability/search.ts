import { absent, type KeyHistory, type Step } from "./key-history.ts";
import { after, emptyRegister, type Register, satisfies } from "./register.ts";
import { StepSet } from "./step-set.ts";
import { VisitedStates } from "./visited-states.ts";

export type SearchResult = "found" | "none" | "gaveUp";

/** As far as the search ever came. */
export interface DeadEnd {
  /** The steps in the order in which they took effect. */
  readonly order: readonly Step[];
  /** What could have come next, but fits nowhere. */
  readonly stuck: readonly Step[];
  readonly register: Register;
}

/** A step, and the revision that it is given if nobody knows it. */
interface Placement {
  readonly step: Step;
  readonly chosen: number | null;
}

/** Placements that only make sense together: unknown writes, and the step that they make room for. */
type Move = readonly Placement[];

interface Frame {
  readonly moves: readonly Move[];
  next: number;
  /** The length of the path at which the moves start. */
  readonly depth: number;
}

/**
 * Looks for an order in which the steps of one key can have taken effect: depth first, never twice
 * from the same set of steps and the same register. What keeps it short:
 *
 * - A step that fits and changes nothing is taken at once: it could only come to fit less.
 * - A value is not overwritten while somebody must still find it, since none comes back.
 * - Writes of known revision go by revision, and so do those that need a revision that nobody saw.
 * - Of steps that are alike, one that was called later and has longer time waits for the other.
 * - An unknown write that nobody saw is tried only right before a step that does not fit without
 *   it. Anywhere else it could as well come later, or never: what follows either changes nothing,
 *   or leaves the same behind.
 *
 * Each of these turns an order that exists into another that exists, or rules out none.
 */
export class Search {
  readonly #history: KeyHistory;
  readonly #budget: number;
  readonly #done: StepSet;
  /** How many steps must still find each value. */
  readonly #observers: number[];
  /** How many steps, optional ones included, may still tell each value from others. */
  readonly #mentions: number[];
  /** Whether each value was there. None comes back. */
  readonly #written: boolean[];
  /** How many optional steps of each group are in use. */
  readonly #used: number[];
  #revisionsDone = 0;
  /** How many steps that need a revision nobody saw have found it. */
  #soughtDone = 0;
  #register = emptyRegister;
  readonly #path: { readonly step: Step; readonly before: Register }[] = [];
  readonly #visited = new VisitedStates();
  #deadEnd: DeadEnd = { order: [], stuck: [], register: emptyRegister };

  /** @param budget how many states may be explored before giving up. */
  constructor(history: KeyHistory, budget: number) {
    this.#history = history;
    this.#budget = budget;
    this.#done = new StepSet(history.mandatory);
    this.#observers = [...history.observers];
    this.#mentions = [...history.mentions];
    this.#written = history.values.map(() => false);
    this.#used = history.optional.map(() => 0);
  }

  /** How many states were explored. */
  get explored(): number {
    return this.#visited.size;
  }

  get deadEnd(): DeadEnd {
    return this.#deadEnd;
  }

  run(): SearchResult {
    const frames: Frame[] = [];
    const enter = (): void => {
      this.#takeWhatFits();
      const moves = this.#isNew() ? this.#moves() : [];
      if (moves.length === 0) this.#noteDeadEnd();
      frames.push({ moves, next: 0, depth: this.#path.length });
    };
    enter();
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      if (this.#done.isComplete) return "found";
      if (this.#visited.size > this.#budget) return "gaveUp";
      while (this.#path.length > frame.depth) this.#undo();
      const move = frame.moves[frame.next++];
      if (move === undefined) {
        frames.pop();
        continue;
      }
      for (const placement of move) this.#place(placement);
      enter();
    }
    return "none";
  }

  #takeWhatFits(): void {
    const fits = ({ effect, need }: Step): boolean =>
      effect === null && satisfies(this.#register, need);
    for (;;) {
      const fitting = this.#done.available().filter(fits);
      if (fitting.length === 0) return;
      for (const step of fitting) this.#place({ step, chosen: null });
    }
  }

  /**
   * Whether this state is worth exploring. Values that nobody can tell from others any more are one,
   * and an optional step that cannot fit again is as good as unused.
   */
  #isNew(): boolean {
    const { value, chosen, floor } = this.#register;
    const isTold = value === absent || this.#mentions[value]! > 0;
    const state = `${isTold ? value : "some"} ${chosen} ${floor} ${this.#done.name}`;
    const used = this.#used.map((count, i) =>
      count > 0 && this.#mayFit(this.#history.optional[i]![0]!) ? count : 0,
    );
    return this.#visited.add(state, used);
  }

  /** Whether there may be a register, now or later, that satisfies an optional step. */
  #mayFit({ need }: Step): boolean {
    const { value, chosen, floor } = this.#register;
    if (need.type === "hasRevision") return chosen === need.rev || floor < need.rev;
    if (need.type !== "is" || need.value === absent) return true;
    return value === need.value || !this.#written[need.value];
  }

  /** The moves from here, those first whose time runs out first. */
  #moves(): Move[] {
    const available = this.#done.available();
    const next = available
      .filter((step) => !available.some((other) => goesBefore(other, step)))
      .sort((a, b) => a.deadline - b.deadline);
    const direct: Move[] = [];
    const helped: Move[] = [];
    let chains: readonly Chain[] | undefined;
    for (const step of next) {
      if (satisfies(this.#register, step.need)) {
        direct.push(...this.#placements(step, this.#register).map((placement) => [placement]));
        continue;
      }
      chains ??= this.#chains();
      for (const { placements, register } of chains) {
        if (!satisfies(register, step.need)) continue;
        for (const last of this.#placements(step, register)) helped.push([...placements, last]);
      }
    }
    return [...direct, ...helped];
  }

  /** The ways to place a step that fits, by the revision it may have. */
  #placements(step: Step, register: Register): Placement[] {
    if (step.effect === null) return [{ step, chosen: null }];
    if (!this.#mayOverwrite(register, step)) return [];
    const nextRevised = this.#history.byRevision[this.#revisionsDone];
    if (step.rev !== null) {
      return step === nextRevised && step.rev > register.floor ? [{ step, chosen: null }] : [];
    }
    const isSeeker = step.index >= 0 && step.need.type === "hasRevision";
    const sought = this.#history.sought[this.#soughtDone + (isSeeker ? 1 : 0)];
    const orphans = step.effect === absent ? [] : this.#history.orphans;
    const possible = orphans.filter(
      (rev) =>
        rev > register.floor && rev < (nextRevised?.rev ?? Infinity) && rev <= (sought ?? Infinity),
    );
    return [null, ...possible].map((chosen) => ({ step, chosen }));
  }

  #mayOverwrite({ value, chosen }: Register, { index, need }: Step): boolean {
    if (value === absent) return true;
    const isMandatory = index >= 0;
    if (chosen !== null && chosen === this.#history.sought[this.#soughtDone]) {
      return isMandatory && need.type === "hasRevision";
    }
    return this.#observers[value] === (isMandatory && need.type === "is" ? 1 : 0);
  }

  /**
   * The sequences of unknown writes that may come next. All but the last put or delete of one would
   * be in vain, so each has at most one, first; a cas comes where it finds what it needs.
   */
  #chains(): Chain[] {
    const { horizon } = this.#done;
    const candidates = this.#history.optional
      .map((group, i) => group[this.#used[i]!])
      .filter((step) => step !== undefined)
      .filter(({ call }) => call <= horizon);
    const chains: Chain[] = [{ placements: [], register: this.#register }];
    for (let i = 0; i < chains.length; i++) {
      const { placements, register } = chains[i]!;
      for (const step of candidates) {
        if (placements.length > 0 && step.operation.op !== "cas") continue;
        if (placements.some((placement) => placement.step === step)) continue;
        if (!satisfies(register, step.need)) continue;
        for (const placement of this.#placements(step, register)) {
          chains.push({
            placements: [...placements, placement],
            register: after(register, step, placement.chosen),
          });
        }
      }
    }
    return chains.slice(1);
  }

  #place({ step, chosen }: Placement): void {
    this.#path.push({ step, before: this.#register });
    this.#register = after(this.#register, step, chosen);
    this.#count(step, 1);
  }

  #undo(): void {
    const { step, before } = this.#path.pop()!;
    this.#register = before;
    this.#count(step, -1);
  }

  #count(step: Step, by: 1 | -1): void {
    const { need, effect } = step;
    if (effect !== null && effect !== absent) this.#written[effect] = by === 1;
    if (step.index < 0) {
      this.#used[step.group]! += by;
      return;
    }
    if (by === 1) this.#done.add(step);
    else this.#done.remove(step);
    if ((need.type === "is" || need.type === "isNot") && need.value !== absent) {
      this.#mentions[need.value]! -= by;
      if (need.type === "is") this.#observers[need.value]! -= by;
    }
    if (need.type === "hasRevision") this.#soughtDone += by;
    if (effect !== null && step.rev !== null) this.#revisionsDone += by;
  }

  #noteDeadEnd(): void {
    if (this.#done.isComplete || this.#path.length < this.#deadEnd.order.length) return;
    this.#deadEnd = {
      order: this.#path.map(({ step }) => step),
      stuck: this.#done.available(),
      register: this.#register,
    };
  }
}

interface Chain {
  readonly placements: Move;
  readonly register: Register;
}

/** Whether `other` can take the place of `step`, and `step` that of `other`, whichever is first. */
function goesBefore(other: Step, step: Step): boolean {
  if (other === step || other.group < 0 || other.group !== step.group) return false;
  if (other.call > step.call || other.deadline > step.deadline) return false;
  // Of two with the same interval, one has to go first.
  const isSame = other.call === step.call && other.deadline === step.deadline;
  return !isSame || other.index < step.index;
}
