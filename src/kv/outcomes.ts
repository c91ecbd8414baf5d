import type { Idempotency } from "./command.ts";
import type { DirectResult } from "./result.ts";

/** What became of a request that its client gave a name. */
export interface Outcome extends Idempotency {
  /** Counts up from 1; starts over when all are gone. */
  readonly ordinal: number;
  /** Of all that were kept since number 1, before this one. */
  readonly bytesBefore: number;
  readonly bytes: number;
  readonly expiresMs: number;
  readonly result: DirectResult;
}

/** Where outcomes are kept. Several may have one name; all but the newest are out of date. */
export interface OutcomeTable {
  /** The newest of a name. */
  find(name: string): Outcome | null;
  newest(): OutcomeMark | null;
  /** The oldest, as many at most. */
  oldest(limit: number): readonly OutcomeMark[];
  add(outcome: Outcome): void;
  /** Lets go of those up to a number, sooner or later: a snapshot that is on its way may need them. */
  forget(upTo: number): void;
}

export type OutcomeMark = Pick<Outcome, "ordinal" | "bytesBefore" | "bytes" | "expiresMs">;

/** How long an outcome is kept, unless there are too many. */
export const outcomeTtlMs = 24 * 60 * 60 * 1000;

export interface OutcomeLimits {
  readonly count: number;
  readonly bytes: number;
}

/** Of one namespace. Must be the same for all replicas, for ever. */
export const outcomeLimits: OutcomeLimits = { count: 100_000, bytes: 64 * 1024 * 1024 };

/**
 * Makes what a client asks for more than once, under one name, happen once. Beyond the edge's own retries
 * (request-window.ts) it lasts a day, and whoever asks again gets the first answer.
 *
 * Which outcomes count depends on nothing but the commands applied: on the time that these told, and on
 * how many came after. When what does not count is let go of may differ between replicas.
 */
export class Outcomes {
  readonly #table: OutcomeTable;
  readonly #limits: OutcomeLimits;

  constructor(table: OutcomeTable, limits: OutcomeLimits) {
    this.#table = table;
    this.#limits = limits;
  }

  find(name: string, nowMs: number): Outcome | null {
    const outcome = this.#table.find(name);
    if (outcome === null) return null;
    return this.#counts(outcome, this.#table.newest()!, nowMs) ? outcome : null;
  }

  keep({ name, fingerprint }: Idempotency, result: DirectResult, nowMs: number): void {
    const before = this.#table.newest();
    const outcome: Outcome = {
      name,
      fingerprint,
      result,
      ordinal: (before?.ordinal ?? 0) + 1,
      bytesBefore: before === null ? 0 : before.bytesBefore + before.bytes,
      bytes: overheadBytes + name.length + sizeOf(result),
      expiresMs: nowMs + outcomeTtlMs,
    };
    this.#table.add(outcome);
    const isGone = (mark: OutcomeMark): boolean => !this.#counts(mark, outcome, nowMs);
    const gone = this.#table.oldest(forgottenAtOnce).findLast(isGone);
    if (gone !== undefined) this.#table.forget(gone.ordinal);
  }

  #counts(mark: OutcomeMark, newest: OutcomeMark, nowMs: number): boolean {
    if (mark.expiresMs <= nowMs) return false;
    const isAmongLast = newest.ordinal - mark.ordinal < this.#limits.count;
    return (
      isAmongLast && newest.bytesBefore + newest.bytes - mark.bytesBefore <= this.#limits.bytes
    );
  }
}

/** More than one comes, so that there are ever fewer. */
const forgottenAtOnce = 4;

/** What an outcome takes besides its name and the values in it, about. */
const overheadBytes = 128;

/** What a result takes, about. */
function sizeOf(result: DirectResult): number {
  if (result.type !== "transaction") return 0;
  return result.results.reduce((sum, each) => {
    const found = each.type === "get" ? each.found : null;
    const texts = (found?.contentType?.length ?? 0) + (found?.metadata?.length ?? 0);
    return sum + 64 + (found?.value?.byteLength ?? 0) + texts;
  }, 0);
}
