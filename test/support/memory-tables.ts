import { type KeyRange, compareKeys, isWithin } from "../../src/kv/key-range.ts";
import type { HistoryTable, OldMark, OldRow, TableAt } from "../../src/kv/history.ts";
import type { Outcome, OutcomeTable } from "../../src/kv/outcomes.ts";
import type { KvTable, Lease, LeaseTable, Row } from "../../src/kv/table.ts";
import type { Part, Upload, UploadTable } from "../../src/kv/uploads.ts";

/** What the tables of a state hold. */
export interface Tables {
  rows: Map<string, Row>;
  leases: Map<string, Lease>;
  /** In the order in which they were replaced. */
  history: OldRow[];
  uploads: Map<string, Upload>;
  /** By upload and place: see `partName`. */
  parts: Map<string, Part>;
  /** In the order of their numbers. */
  outcomes: Outcome[];
}

/** In the order of uploads and places. */
export const partName = ({ upload, part }: Pick<Part, "upload" | "part">): string =>
  `${upload}/${String(part).padStart(6, "0")}`;

/** Carries out a change of the tables, here and wherever else they are kept. */
type Write = (change: (tables: Tables) => void) => void;

export const copyOfTables = ({
  rows,
  history,
  leases,
  uploads,
  parts,
  outcomes,
}: Tables): Tables => ({
  rows: new Map(rows),
  history: [...history],
  leases: new Map(leases),
  uploads: new Map(uploads),
  parts: new Map(parts),
  outcomes: [...outcomes],
});

/** The pairs of a map in the order of keys. */
export const inOrder = <T>(map: ReadonlyMap<string, T>): [string, T][] =>
  [...map].toSorted(([a], [b]) => compareKeys(a, b));

/** Keys as plain maps have them, in no order: each question looks at all of them. */
export function keysIn(tables: Tables, write: Write): KvTable {
  return {
    ...lookingAt(() => tables.rows),
    put: (key, row) => write(({ rows }) => rows.set(key, row)),
    delete: (key) => write(({ rows }) => rows.delete(key)),
    due: (nowMs, limit) => dueIn(tables.rows, nowMs).slice(0, limit),
    nextDueMs: () => nextDueIn(tables.rows),
    ofLease: (lease, limit) =>
      inOrder(tables.rows)
        .filter(([, row]) => row.lease === lease)
        .slice(0, limit)
        .map(([key]) => key),
  };
}

function lookingAt(rows: () => ReadonlyMap<string, Row>): TableAt {
  const within = (range: KeyRange): [string, Row][] =>
    inOrder(rows()).filter(([key]) => isWithin(key, range));
  return {
    get: (key) => rows().get(key) ?? null,
    scan: (range, order, limit) => {
      const all = order === "ascending" ? within(range) : within(range).toReversed();
      return all.slice(0, limit).map(([key, { value, ...rest }]) => {
        return [key, { ...rest, size: rest.large?.size ?? value.byteLength }] as const;
      });
    },
    count: (range, limit) => Math.min(within(range).length, limit),
    keyAt: (range, offset) => within(range)[offset]?.[0] ?? null,
  };
}

export const markOf = ({ key, row, untilRevision, untilMs }: OldRow): OldMark => ({
  key,
  upload: row.large?.upload ?? null,
  untilRevision,
  untilMs,
});

/** @param isHeld whether a view needs all that there is. */
export function historyIn(tables: Tables, write: Write, isHeld: () => boolean): HistoryTable {
  const byAge = (a: OldRow, b: OldRow): number =>
    a.untilRevision - b.untilRevision || compareKeys(a.key, b.key);
  return {
    keep: (old) => write(({ history }) => history.push(old)),
    after: (untilRevision, limit) =>
      tables.history
        .filter((old) => old.untilRevision > untilRevision)
        .toSorted(byAge)
        .slice(0, limit)
        .map(markOf),
    forget: (untilRevision) => {
      if (isHeld()) return;
      write((each) => {
        each.history = each.history.filter((old) => old.untilRevision > untilRevision);
      });
    },
    at: (revision) => {
      const isShown = ({ modRevision }: Row): boolean => modRevision <= revision;
      const present = [...tables.rows].filter(([, row]) => isShown(row));
      const old = tables.history
        .filter(({ row, untilRevision }) => isShown(row) && untilRevision > revision)
        .map(({ key, row }) => [key, row] as const);
      const rows = new Map([...present, ...old]);
      return lookingAt(() => rows);
    },
  };
}

export function leasesIn(tables: Tables, write: Write): LeaseTable {
  return {
    get: (lease) => tables.leases.get(lease) ?? null,
    put: (lease, terms) => write(({ leases }) => leases.set(lease, terms)),
    delete: (lease) => write(({ leases }) => leases.delete(lease)),
    count: () => tables.leases.size,
    due: (nowMs, limit) => dueIn(tables.leases, nowMs).slice(0, limit),
    nextDueMs: () => nextDueIn(tables.leases),
  };
}

/** @param isHeld whether a view needs all that there is. */
export function uploadsIn(tables: Tables, write: Write, isHeld: () => boolean): UploadTable {
  const mortals = (): Map<string, Mortal> =>
    new Map([...tables.uploads].map(([upload, { dueMs }]) => [upload, { expiresMs: dueMs }]));
  const isGone = ({ upload }: Part): boolean => !tables.uploads.has(upload);
  return {
    get: (upload) => tables.uploads.get(upload) ?? null,
    put: (upload, terms) => write(({ uploads }) => uploads.set(upload, terms)),
    delete: (upload) => {
      write(({ uploads }) => uploads.delete(upload));
      if (isHeld()) return;
      const gone = [...tables.parts.values()].filter(isGone).map(partName);
      write(({ parts }) => gone.forEach((name) => parts.delete(name)));
    },
    part: (upload, part) => tables.parts.get(partName({ upload, part }))?.data ?? null,
    putPart: (upload, part, data) => {
      write(({ parts }) => parts.set(partName({ upload, part }), { upload, part, data }));
    },
    due: (nowMs, limit) => dueIn(mortals(), nowMs).slice(0, limit),
    nextDueMs: () => nextDueIn(mortals()),
    staging: () => {
      const staging = [...tables.uploads.values()].filter(({ state }) => state === "staging");
      return { count: staging.length, bytes: staging.reduce((sum, { bytes }) => sum + bytes, 0) };
    },
  };
}

/** @param isHeld whether a view needs all that there is. */
export function outcomesIn(tables: Tables, write: Write, isHeld: () => boolean): OutcomeTable {
  return {
    find: (name) => tables.outcomes.findLast((outcome) => outcome.name === name) ?? null,
    newest: () => tables.outcomes.at(-1) ?? null,
    oldest: (limit) => tables.outcomes.slice(0, limit),
    add: (outcome) => write(({ outcomes }) => outcomes.push(outcome)),
    forget: (upTo) => {
      if (isHeld()) return;
      write((each) => {
        each.outcomes = each.outcomes.filter(({ ordinal }) => ordinal > upTo);
      });
    },
  };
}

/** What goes at some time, or does not. */
type Mortal = Pick<Row, "expiresMs">;

function dueIn(map: ReadonlyMap<string, Mortal>, nowMs: number): string[] {
  const dueMs = ([, { expiresMs }]: readonly [string, Mortal]): number => expiresMs ?? Infinity;
  return inOrder(map)
    .filter((each) => dueMs(each) <= nowMs)
    .toSorted((a, b) => dueMs(a) - dueMs(b))
    .map(([key]) => key);
}

function nextDueIn(map: ReadonlyMap<string, Mortal>): number | null {
  let nextMs: number | null = null;
  for (const { expiresMs } of map.values()) {
    if (expiresMs !== null && (nextMs === null || expiresMs < nextMs)) nextMs = expiresMs;
  }
  return nextMs;
}
