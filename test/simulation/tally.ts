import type { Draft, WriteDraft } from "../../src/edge/forward.ts";
import type { ClientResult } from "../../src/protocol/client.ts";
import { check } from "../invariants/check.ts";

/** Keys that are only ever counted up. */
export const counters = ["n0", "n1"] as const;

/** By how much each counter goes up. */
type Sums = ReadonlyMap<string, number>;

/** A request that counts, however often it is made. */
interface Count {
  /** What it adds at most. */
  readonly most: Sums;
  /** Attempts of which nobody knows yet what became of them. */
  inDoubt: number;
  /** What it has added, once somebody was told. */
  added: Sums | null;
}

/** One attempt at a counting request. How it ended is to be said once, if it is ever known. */
export interface Counting {
  /** A client was told what became of the request. */
  readonly told: (result: ClientResult) => void;
  /** A client was told that nothing came of this attempt. */
  readonly refused: () => void;
}

/**
 * Counts along what clients add to counters, as far as they are told; so that in the end nothing is missing,
 * and nothing was added twice. It knows nothing of revisions, logs or models.
 */
export class Tally {
  readonly #counts = new Map<string, Count>();
  #unnamed = 0;

  /** An attempt at a request begins. Returns null when it counts nothing. */
  begin(draft: Draft): Counting | null {
    const most = mostOf(draft);
    if (most === null) return null;
    const name = nameOf(draft as WriteDraft) ?? `#${this.#unnamed++}`;
    const count = this.#counts.get(name) ?? { most, inDoubt: 0, added: null };
    this.#counts.set(name, count);
    count.inDoubt++;
    return {
      told: (result) => {
        const outcome = result.type === "replayed" ? result.result : result;
        if (outcome.type === "reused") count.inDoubt--;
        else count.added = addedBy(draft, outcome);
      },
      refused: () => count.inDoubt--,
    };
  }

  /** Somebody reads a counter when all is over. */
  isRight(key: string, value: number): void {
    const all = [...this.#counts.values()];
    const sum = (sums: readonly Sums[]): number =>
      sums.reduce((total, each) => total + (each.get(key) ?? 0), 0);
    const least = sum(all.flatMap(({ added }) => added ?? []));
    const open = all.filter(({ added, inDoubt }) => added === null && inDoubt > 0);
    const most = least + sum(open.map((each) => each.most));
    check(value >= least && value <= most, "counters", () => {
      return `${key} is ${value}, and clients were told of ${least}, or ${most} at most`;
    });
  }
}

function nameOf({ idempotency }: WriteDraft): string | null {
  return idempotency === undefined ? null : `${idempotency.name}=${idempotency.fingerprint}`;
}

/** What a request adds at most; null when that is nothing. */
function mostOf(draft: Draft): Sums | null {
  if (draft.type === "put" && isCounter(draft.key)) return new Map([[draft.key, 1]]);
  if (draft.type !== "transaction") return null;
  const [one, other] = [draft.then, draft.else].map((list) => sumOf(list, () => true));
  const keys = new Set([...one!.keys(), ...other!.keys()]);
  if (keys.size === 0) return null;
  return new Map([...keys].map((key) => [key, Math.max(one!.get(key) ?? 0, other!.get(key) ?? 0)]));
}

/** What a request has added. */
function addedBy(draft: Draft, outcome: ClientResult): Sums {
  if (draft.type === "put") return outcome.type === "put" ? new Map([[draft.key, 1]]) : new Map();
  if (draft.type !== "transaction" || outcome.type !== "transaction") return new Map();
  const operations = outcome.succeeded ? draft.then : draft.else;
  return sumOf(operations, (place) => outcome.results[place]?.type === "incremented");
}

type Operations = (WriteDraft & { readonly type: "transaction" })["then"];

function sumOf(operations: Operations, counts: (place: number) => boolean): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [place, operation] of operations.entries()) {
    if (operation.type !== "increment" || !isCounter(operation.key) || !counts(place)) continue;
    sums.set(operation.key, (sums.get(operation.key) ?? 0) + operation.by);
  }
  return sums;
}

const isCounter = (key: string): boolean => (counters as readonly string[]).includes(key);
