import type { Digest, Verdict } from "./digests.ts";
import type { Effects } from "./effects.ts";
import type { AppendEntriesResponse } from "./messages.ts";
import { type LogIndex, asIndex, maxIndex } from "./types.ts";

/** What a replica stores of how its state compares with that of others. */
export interface AuditRecord {
  /** Its own newest ones, the oldest first. */
  readonly digests: readonly Digest[];
  /** The newest index at which a majority was known to have the same; 0 when none is. */
  readonly verifiedIndex: LogIndex;
  /**
   * The index at which a majority has something else, or all have: the state is wrong, at the latest
   * from there on. Null when that is not so as far as is known.
   */
  readonly divergedIndex: LogIndex | null;
  /** How often the state has been found wrong, or been replaced. What was said before does not count. */
  readonly changes: number;
}

export const emptyAudit: AuditRecord = {
  digests: [],
  verifiedIndex: asIndex(0),
  divergedIndex: null,
  changes: 0,
};

/** Own digests that are kept. A verdict on an older one comes too late to say anything. */
const kept = 4;

/**
 * Knows whether this replica's state may be trusted. What it knows is durable, since a state is as wrong
 * after a restart as it was before.
 */
export class Audit {
  #record: AuditRecord;
  readonly #effects: Effects;

  constructor(record: AuditRecord, effects: Effects) {
    this.#record = record;
    this.#effects = effects;
  }

  get digests(): readonly Digest[] {
    return this.#record.digests;
  }

  get verifiedIndex(): LogIndex {
    return this.#record.verifiedIndex;
  }

  get divergedIndex(): LogIndex | null {
    return this.#record.divergedIndex;
  }

  get hasDiverged(): boolean {
    return this.divergedIndex !== null;
  }

  /** What an answer to the leader says of the state. Nothing, when there is nothing to say. */
  get report(): Pick<AppendEntriesResponse, "digest" | "diverged" | "changes"> {
    const digest = this.digests.at(-1);
    const { divergedIndex, changes } = this.#record;
    return {
      ...(digest === undefined ? {} : { digest }),
      ...(divergedIndex === null ? {} : { diverged: divergedIndex }),
      ...(changes === 0 ? {} : { changes }),
    };
  }

  /** Entries have been applied, and led to these. After a restart some may come again. */
  applied(digests: readonly Digest[]): void {
    const start = digests.findIndex((digest) => !this.#isKnown(digest));
    if (start === -1) return;
    const news = digests.slice(start);
    const first = news[0]!.index;
    const before = this.digests.filter(({ index }) => index < first);
    this.#change({ digests: [...before, ...news].slice(-kept) });
  }

  /** A leader passes on a verdict. Returns whether this replica finds by it that its state is wrong. */
  hears({ index, formula, hash }: Verdict): boolean {
    const own = this.digests.find((digest) => digest.index === index);
    if (own?.formula !== formula) return false;
    if (own.hash === hash) {
      // Stored along with what is stored next: a row for it alone would be too much.
      this.#record = { ...this.#record, verifiedIndex: maxIndex(this.verifiedIndex, index) };
      return false;
    }
    if (this.hasDiverged) return false;
    this.#change({ divergedIndex: index, changes: this.#record.changes + 1 });
    return true;
  }

  /** Another state has taken the place of this replica's, so what was said of that does not count. */
  replaced(): void {
    const { changes } = this.#record;
    if (this.digests.length > 0 || this.hasDiverged)
      this.#change({ ...emptyAudit, changes: changes + 1 });
  }

  #isKnown(digest: Digest): boolean {
    const { index, formula, hash } = digest;
    return this.digests.some(
      (each) => each.index === index && each.formula === formula && each.hash === hash,
    );
  }

  #change(changes: Partial<AuditRecord>): void {
    this.#record = { ...this.#record, ...changes };
    this.#effects.audit(this.#record);
  }
}
