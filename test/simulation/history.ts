import type { KeyRange } from "../../src/kv/key-range.ts";
import type { Lease, Row } from "../../src/kv/table.ts";
import type { Holdings } from "./holdings.ts";
import { inOrder, isIn } from "./order.ts";

/** What a store counts. */
export interface Counted {
  readonly revision: number;
  readonly sequence: number;
  readonly nowMs: number;
}

/** Entries from one to another, both included; none if the first is the greater. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What something was from one entry on. */
interface Version<T> {
  readonly index: number;
  readonly value: T | null;
}

/** What of a state an entry has changed. */
interface Changed {
  readonly keys: readonly string[];
  readonly leases: readonly string[];
}

/**
 * What a store held after each entry of the log. Nobody ever sees a state in which an entry is half carried
 * out, so states go by the number of their entry.
 */
export class History {
  readonly #counted: Counted[] = [{ revision: 0, sequence: 0, nowMs: 0 }];
  readonly #changed: Changed[] = [{ keys: [], leases: [] }];
  readonly #rows = new Map<string, Version<Row>[]>();
  readonly #leases = new Map<string, Version<Lease>[]>();
  #newest: Holdings = { rows: new Map(), leases: new Map() };
  /** All keys that ever had a value. */
  #keys: readonly string[] = [];

  /** The last entry. */
  get last(): number {
    return this.#counted.length - 1;
  }

  /** The next entry led to this. */
  add(counted: Counted, holdings: Holdings): void {
    this.#counted.push(counted);
    const keys = note(this.#rows, this.#newest.rows, holdings.rows, this.last);
    const leases = note(this.#leases, this.#newest.leases, holdings.leases, this.last);
    this.#changed.push({ keys, leases });
    if (this.#rows.size > this.#keys.length) this.#keys = inOrder(this.#rows.keys());
    this.#newest = holdings;
  }

  at(index: number): Counted {
    return this.#counted[index]!;
  }

  row(key: string, index: number): Row | null {
    return valueAt(this.#rows.get(key), index);
  }

  lease(lease: string, index: number): Lease | null {
    return valueAt(this.#leases.get(lease), index);
  }

  /** When a lease was to end, by the latest that it was said to within a span; 0 when it was not there. */
  endOfLease(lease: string, { from, to }: Span): number {
    const versions = this.#leases.get(lease) ?? [];
    const first = Math.max(
      0,
      versions.findLastIndex(({ index }) => index <= from),
    );
    const said = versions.slice(first).filter(({ index }) => index <= to);
    return Math.max(0, ...said.map(({ value }) => value?.expiresMs ?? 0));
  }

  /** The keys of a range that had values after an entry, in order. */
  keys(index: number, range: KeyRange = { from: "", to: null }): string[] {
    return this.#keys.filter((key) => this.row(key, index) !== null && isIn(key, range));
  }

  /** The keys of a range that ever had values. */
  keysEver(range: KeyRange = { from: "", to: null }): string[] {
    return this.#keys.filter((key) => isIn(key, range));
  }

  /** All leases that there ever were. */
  get leasesEver(): Iterable<string> {
    return this.#leases.keys();
  }

  /** What was changed by the entries behind one, up to another. */
  changedIn(after: number, upTo: number): Changed {
    const all = this.#changed.slice(after + 1, upTo + 1);
    return {
      keys: all.flatMap(({ keys }) => keys),
      leases: all.flatMap(({ leases }) => leases),
    };
  }

  /** After which entries the store was at a revision. */
  ofRevision(revision: number): Span {
    const to = this.#counted.findLastIndex((each) => each.revision <= revision);
    return { from: this.#counted.findLastIndex((each) => each.revision < revision) + 1, to };
  }

  /** After which entries a key had the value of a revision. */
  ofValue(key: string, revision: number): Span {
    const versions = this.#rows.get(key) ?? [];
    const at = versions.findIndex(({ value }) => value?.modRevision === revision);
    if (at === -1) return { from: 1, to: 0 };
    return { from: versions[at]!.index, to: (versions[at + 1]?.index ?? this.last + 1) - 1 };
  }
}

/** Notes what an entry has changed. Returns what that was. */
function note<T>(
  all: Map<string, Version<T>[]>,
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  index: number,
): string[] {
  if (before === after) return [];
  const changed = [...after.keys()].filter((name) => before.get(name) !== after.get(name));
  for (const name of before.keys()) if (!after.has(name)) changed.push(name);
  for (const name of changed) {
    const versions = all.get(name) ?? [];
    versions.push({ index, value: after.get(name) ?? null });
    all.set(name, versions);
  }
  return changed;
}

const valueAt = <T>(versions: readonly Version<T>[] | undefined, index: number): T | null =>
  versions?.findLast((each) => each.index <= index)?.value ?? null;
