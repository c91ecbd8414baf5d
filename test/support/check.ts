import type { EntryId, LogIndex, Term } from "../../src/raft/types.ts";
import type { MemoryLog } from "./memory-log.ts";

/** Throws the invariant's name and what broke it. */
export function check(ok: boolean, invariant: string, what: () => string): void {
  if (!ok) throw new Error(`${invariant}: ${what()}`);
}

/** The term that a log has at `index`, or null where it has none. */
export function termIn(log: MemoryLog, index: LogIndex): Term | null {
  return index > log.last.index || index < log.base.index ? null : log.termAt(index);
}

/** Whether a log holds an entry, or once did and has compacted it away. */
export function holdsOrHeld(log: MemoryLog, { term, index }: EntryId): boolean {
  return index <= log.base.index || termIn(log, index) === term;
}
