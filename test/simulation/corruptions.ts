import type { MachineState } from "../../src/kv/state-machine.ts";
import type { Row } from "../../src/kv/table.ts";

/** One state that has been tampered with. */
interface Corruption {
  readonly id: string;
  /** The key whose row was changed; null when it was the hash. */
  readonly key: string | null;
  /** How many repairs there had been when this one was repaired; null when it has not been. */
  repaired: number | null;
}

/** Whose state has been tampered with, and what answers that excuses. */
export class Corruptions {
  readonly #all: Corruption[] = [];
  #repairs = 0;

  /** A moment, to ask later what was wrong since then. */
  get moment(): number {
    return this.#repairs;
  }

  /** The replicas whose state is wrong. */
  get ids(): ReadonlySet<string> {
    return new Set(this.#open.map(({ id }) => id));
  }

  /** The keys of which some replica has a wrong row. */
  get keys(): readonly string[] {
    return this.#open.flatMap(({ key }) => key ?? []);
  }

  has(id: string): boolean {
    return this.ids.has(id);
  }

  /** Whether a replica's hash is wrong. To change it again and again might make it right. */
  hasHashOf(id: string): boolean {
    return this.#open.some((each) => each.id === id && each.key === null);
  }

  add(id: string, key: string | null): void {
    this.#all.push({ id, key, repaired: null });
  }

  /** A replica has another state now, and keeps it. */
  repaired(id: string): void {
    const repaired = ++this.#repairs;
    for (const each of this.#open) if (each.id === id) each.repaired = repaired;
  }

  /**
   * Whether a replica could not help but tell something wrong at some time since a moment. A row that is wrong
   * makes conditions wrong, and so whatever depends on them.
   */
  excuses(id: string, since: number): boolean {
    return this.#all.some((each) => {
      return each.id === id && each.key !== null && (each.repaired ?? Infinity) > since;
    });
  }

  get #open(): Corruption[] {
    return this.#all.filter(({ repaired }) => repaired === null);
  }
}

/** Another one each time, never one of before. */
export const wrongRow = ({ value, ...row }: Row): Row => ({
  ...row,
  value: new Uint8Array([...value, 0]),
  version: row.version + 1000,
});

export function wrongState({ hash, ...state }: MachineState): MachineState {
  const last = (Number.parseInt(hash.at(-1)!, 16) + 1) % 16;
  return { ...state, hash: hash.slice(0, -1) + last.toString(16) };
}
