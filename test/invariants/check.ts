import type { EntryId } from "../../src/raft/types.ts";
import type { LogReader } from "../../src/raft/log.ts";

/** Something happened that must never happen. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: string;

  constructor(invariant: string, what: string) {
    super(`${invariant}: ${what}`);
    this.invariant = invariant;
  }
}

/** Throws a Violation with the invariant's name and what broke it. */
export function check(ok: boolean, invariant: string, what: () => string): void {
  if (!ok) throw new Violation(invariant, what());
}

/** Whether a log holds an entry, or once did and has compacted it away. */
export function holdsOrHeld(log: LogReader, { term, index }: EntryId): boolean {
  if (index <= log.base.index) return true;
  return index <= log.last.index && log.termAt(index) === term;
}
