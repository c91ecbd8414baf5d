import type { KvTable, Row } from "./table.ts";
import type { Uploads } from "./uploads.ts";

/** A table as it was at a revision. */
export type TableAt = Pick<KvTable, "get" | "scan" | "count" | "keyAt">;

/** A row that has been replaced. */
export interface OldRow {
  readonly key: string;
  readonly row: Row;
  /** The revision that replaced it, and when that was by the group's clock, in ms since 1970. */
  readonly untilRevision: number;
  readonly untilMs: number;
}

/** Of a row that has been replaced, what it takes to let go of it. */
export interface OldMark extends Pick<OldRow, "key" | "untilRevision" | "untilMs"> {
  /** The large value that it has. */
  readonly upload: string | null;
}

/** Where rows are kept that have been replaced, in namespaces that ask for it. */
export interface HistoryTable {
  keep(old: OldRow): void;
  /** Those that were replaced by revisions after one, the oldest first, as many at most. */
  after(untilRevision: number, limit: number): readonly OldMark[];
  /** Lets go of those that were replaced up to a revision, sooner or later. */
  forget(untilRevision: number): void;
  /** All there was at a revision, if nothing of it has been let go of. */
  at(revision: number): TableAt;
}

/** What a namespace keeps of what is replaced; null where it never asked for anything, or nothing is left. */
export interface Retention {
  /** For how long, in ms; null when no more is kept, and what is there goes. */
  readonly keepMs: number | null;
  /** The revision as of which it has been asked for. */
  readonly since: number;
  /** Rows that were replaced up to this revision have been let go of. */
  readonly gone: number;
}

/** The oldest revision that can be read; null when only the present can. */
export const readableFrom = (retention: Retention | null): number | null =>
  retention === null || retention.keepMs === null
    ? null
    : Math.max(retention.since, retention.gone);

/**
 * Rows that may go at a time, so that no entry takes long to apply. More than any one revision replaces: what
 * a transaction may delete of ranges, and its other operations.
 */
const goneAtOnce = 1500;

/**
 * Keeps what is replaced for as long as a namespace wants. Which revisions can be read is a part of the
 * state; when rows that no such revision shows are deleted may differ between replicas.
 */
export class History {
  readonly #table: HistoryTable;
  readonly #uploads: Uploads;

  constructor(table: HistoryTable, uploads: Uploads) {
    this.#table = table;
    this.#uploads = uploads;
  }

  keep(old: OldRow): void {
    this.#table.keep(old);
  }

  /** Lets go of what is too old by now. */
  compact(retention: Retention, nowMs: number): Retention | null {
    const bound = nowMs - (retention.keepMs ?? 0);
    const [oldest] = this.#table.after(retention.gone, 1);
    // Nearly always: most commands replace what is to be kept for long.
    if (oldest !== undefined && oldest.untilMs > bound) return retention;
    const old = this.#table.after(retention.gone, goneAtOnce + 1);
    const young = old.findIndex(({ untilMs }) => untilMs > bound);
    const isAll = young === -1 && old.length <= goneAtOnce;
    if (isAll && retention.keepMs === null) {
      this.#letGo(old, nowMs);
      return null;
    }
    // A revision is kept wholly or not at all, and of the last one there may be more.
    const next = young === -1 ? old.at(-1)?.untilRevision : old[young]!.untilRevision;
    const going = isAll ? old : old.filter(({ untilRevision }) => untilRevision < next!);
    this.#letGo(going, nowMs);
    return { ...retention, gone: going.at(-1)?.untilRevision ?? retention.gone };
  }

  #letGo(old: readonly OldMark[], nowMs: number): void {
    const last = old.at(-1);
    if (last === undefined) return;
    for (const { upload } of old) if (upload !== null) this.#uploads.retire(upload, nowMs);
    this.#table.forget(last.untilRevision);
  }
}
