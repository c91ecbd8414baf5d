import { describe, expect, test } from "vitest";
import { type RequestRecord, windowSize } from "../../src/kv/request-window.ts";
import { type MachineState, initialState } from "../../src/kv/state-machine.ts";
import type { Row } from "../../src/kv/table.ts";
import { emptyAudit } from "../../src/raft/audit.ts";
import type { Persist } from "../../src/raft/io.ts";
import { type Entry, type EntryId, asIndex, asTerm, zeroEntryId } from "../../src/raft/types.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { nothing } from "../support/persist.ts";
import { bare } from "../support/row.ts";
import { describeChanges } from "./changes.ts";
import { describeConfigurations } from "./configurations.ts";
import { describeHistory } from "./history.ts";
import { describeLives } from "./lives.ts";
import { describeOutcomes } from "./outcomes.ts";
import { describeRanges } from "./ranges.ts";
import { describeUploads } from "./uploads.ts";
import { describeViews } from "./views.ts";
import { describeSnapshots } from "./snapshots.ts";

/** One replica's disk, as the contract needs it. */
export interface ContractDisk {
  /**
   * Starts an instance on what is durable and works with it. What the work wrote is durable in the
   * end.
   */
  run<T>(work: (storage: Storage) => T | Promise<T>): Promise<T>;
  /** The same, but the instance dies in the very turn in which the work ends. */
  crash(work: (storage: Storage) => void | Promise<void>): Promise<void>;
}

/**
 * What every implementation of the Storage port must do. `newDisk` gives a disk that was never
 * used.
 */
export function describeStorage(name: string, newDisk: () => ContractDisk): void {
  describe(`The Storage port on ${name}`, () => {
    describe("hard state", () => describeHardState(newDisk));
    describe("what is known of the state", () => describeAudit(newDisk));
    describe("the log", () => describeLog(newDisk));
    describe("the table", () => describeTable(newDisk));
    describe("ranges of keys", () => describeRanges(newDisk));
    describe("lives", () => describeLives(newDisk));
    describe("outcomes of requests with names", () => describeOutcomes(newDisk));
    describe("large values", () => describeUploads(newDisk));
    describe("history", () => describeHistory(newDisk));
    describe("changes", () => describeChanges(newDisk));
    describe("views", () => describeViews(newDisk));
    describe("the state machine's counters and request records", () => describeMachine(newDisk));
    describe("turns", () => describeTurns(newDisk));
    describeSnapshots(newDisk);
    describe("configurations", () => describeConfigurations(newDisk));
  });
}

function describeHardState(newDisk: () => ContractDisk): void {
  test("begins at term 0 without a vote", async () => {
    const disk = newDisk();
    expect(await disk.run((storage) => storage.hardState)).toEqual({ term: 0, vote: null });
  });

  test("is kept: a vote, the loss of it in a new term, a term alone", async () => {
    const disk = newDisk();
    for (const hardState of [vote(1, "2"), vote(2, null), vote(2, "1"), vote(3, null)]) {
      await disk.run((storage) => {
        storage.persist({ ...nothing, hardState });
        expect(storage.hardState).toEqual(hardState);
      });
      expect(await disk.run((storage) => storage.hardState)).toEqual(hardState);
    }
  });

  test("stays when a batch does not carry it", async () => {
    const disk = newDisk();
    await disk.run((storage) => storage.persist({ ...nothing, hardState: vote(4, "3") }));
    await disk.run((storage) => storage.persist({ ...nothing, entries: run(4, 1, 1) }));
    expect(await disk.run((storage) => storage.hardState)).toEqual(vote(4, "3"));
  });
}

function describeAudit(newDisk: () => ContractDisk): void {
  test("is nothing in the beginning", async () => {
    expect(await newDisk().run((storage) => storage.audit)).toEqual(emptyAudit);
  });

  test("is kept, each time as it was last, and stays when a batch does not carry it", async () => {
    const disk = newDisk();
    const digest = { index: asIndex(256), formula: 2, hash: "2.ab" };
    for (const divergedIndex of [null, asIndex(256), null]) {
      const audit = { digests: [digest], verifiedIndex: asIndex(7), divergedIndex, changes: 3 };
      await disk.run((storage) => {
        storage.persist({ ...nothing, audit });
        expect(storage.audit).toEqual(audit);
      });
      await disk.run((storage) => storage.persist({ ...nothing, hardState: vote(4, "3") }));
      expect(await disk.run((storage) => storage.audit)).toEqual(audit);
    }
  });
}

function describeLog(newDisk: () => ContractDisk): void {
  const diskWith = (entries: readonly Entry[], batches: readonly number[]): Promise<ContractDisk> =>
    withLog(newDisk(), entries, batches);

  test("begins empty, at 0/0", async () => {
    await newDisk().run(({ log }) => {
      expect([log.base, log.last]).toEqual([zeroEntryId, zeroEntryId]);
      expect(log.termAt(asIndex(0))).toBe(0);
    });
  });

  test("gives back what was appended, in one batch and in several, of one term and of many", async () => {
    const disk = newDisk();
    const all = [...run(1, 1, 2), ...run(2, 3, 5), ...run(2, 6, 6), ...run(5, 7, 9)];
    await disk.run((storage) => {
      storage.persist({ ...nothing, entries: all.slice(0, 4) });
      storage.persist({ ...nothing, entries: all.slice(4, 5) });
    });
    await disk.run((storage) => storage.persist({ ...nothing, entries: all.slice(5) }));
    await expectLog(disk, all);
  });

  test("a noop comes back as a noop without data, a command with no data as a command", async () => {
    const disk = newDisk();
    const entries: Entry[] = [
      { term: asTerm(1), index: asIndex(1), type: "noop", data: new Uint8Array(0) },
      { term: asTerm(1), index: asIndex(2), type: "command", data: new Uint8Array(0) },
    ];
    await disk.run((storage) => storage.persist({ ...nothing, entries }));
    await expectLog(disk, entries);
  });

  test("data that is a view into a larger buffer is stored alone", async () => {
    const disk = newDisk();
    const data = new Uint8Array([9, 9, 1, 2, 3, 9]).subarray(2, 5);
    await disk.run((storage) => {
      storage.persist({ ...nothing, entries: [{ ...run(1, 1, 1)[0]!, data }] });
    });
    const [entry] = await disk.run((storage) => sliceAll(storage));
    expect([...entry!.data]).toEqual([1, 2, 3]);
  });

  test("every byte value survives", async () => {
    const disk = newDisk();
    const data = Uint8Array.from({ length: 256 }, (_, i) => i);
    const entries = [{ ...run(1, 1, 1)[0]!, data }];
    await disk.run((storage) => storage.persist({ ...nothing, entries }));
    await expectLog(disk, entries);
  });

  test("a slice ends before the entry that would exceed the bytes, but has one at least", async () => {
    const disk = newDisk();
    const sizes = [10, 20, 0, 30, 5];
    await disk.run((storage) => {
      storage.persist({ ...nothing, entries: sized(sizes.slice(0, 2)) });
      storage.persist({ ...nothing, entries: sized(sizes).slice(2) });
    });
    await disk.run(({ log }) => {
      const slice = (from: number, to: number, maxBytes: number): number[] =>
        log.slice(asIndex(from), asIndex(to), maxBytes).map(({ index }) => index);
      expect(slice(1, 5, 1000)).toEqual([1, 2, 3, 4, 5]);
      expect(slice(1, 5, 65)).toEqual([1, 2, 3, 4, 5]);
      expect(slice(1, 5, 64)).toEqual([1, 2, 3, 4]);
      expect(slice(1, 5, 30)).toEqual([1, 2, 3]);
      expect(slice(1, 5, 29)).toEqual([1]);
      expect(slice(1, 5, 0)).toEqual([1]);
      expect(slice(2, 5, 20)).toEqual([2, 3]);
      expect(slice(2, 5, 19)).toEqual([2]);
      expect(slice(4, 5, 1)).toEqual([4]);
      expect(slice(2, 4, 1000)).toEqual([2, 3, 4]);
      expect(slice(3, 3, 1000)).toEqual([3]);
      expect(slice(5, 5, 1000)).toEqual([5]);
    });
  });

  test("the term of an entry beyond the end is no number but an error", async () => {
    const disk = newDisk();
    await disk.run((storage) => storage.persist({ ...nothing, entries: run(1, 1, 3) }));
    await disk.run(({ log }) => expect(() => log.termAt(asIndex(4))).toThrow(/no entry 4/));
  });

  describe.each([
    ["one batch", [6]],
    ["batches of two", [2, 2, 2]],
    ["batches of 1, 4 and 1", [1, 4, 1]],
  ])("of six entries in %s, cut", (_, batches) => {
    const six = [...run(1, 1, 1), ...run(2, 2, 3), ...run(3, 4, 6)];

    test.each([6, 5, 4, 3, 2, 1])("from %i on", async (from) => {
      const disk = await diskWith(six, batches);
      await disk.run((storage) => {
        storage.persist({ ...nothing, truncateFrom: asIndex(from) });
        expect(storage.log.last).toEqual(idOf(six[from - 2]));
      });
      await expectLog(disk, six.slice(0, from - 1));
    });

    test.each([6, 5, 4, 3, 2, 1])(
      "from %i on and gone on from there in a newer term",
      async (from) => {
        const disk = await diskWith(six, batches);
        const entries = run(7, from, from + 2);
        await disk.run((storage) =>
          storage.persist({ ...nothing, truncateFrom: asIndex(from), entries }),
        );
        await expectLog(disk, [...six.slice(0, from - 1), ...entries]);
      },
    );

    test("and cut again, each time after it has grown", async () => {
      const disk = await diskWith(six, batches);
      for (const [term, from] of [
        [7, 5],
        [8, 6],
        [9, 3],
      ] as const) {
        await disk.run((storage) =>
          storage.persist({
            ...nothing,
            truncateFrom: asIndex(from),
            entries: run(term, from, from + 3),
          }),
        );
      }
      await expectLog(disk, [...six.slice(0, 2), ...run(9, 3, 6)]);
    });
  });

  test("cut beyond the end it stays as it is", async () => {
    const disk = await diskWith(run(1, 1, 3), [3]);
    await disk.run((storage) => storage.persist({ ...nothing, truncateFrom: asIndex(4) }));
    await expectLog(disk, run(1, 1, 3));
  });

  test("takes one entry of 1 MiB and more, and a batch of several", async () => {
    const disk = newDisk();
    const mebibyte = 1024 * 1024;
    const entries = sized([10, mebibyte + 10_000, 0, mebibyte, 600_000, 500_000, 1, 2]);
    await disk.run((storage) => storage.persist({ ...nothing, entries }));
    await expectLog(disk, entries);
    await disk.run((storage) => storage.persist({ ...nothing, truncateFrom: asIndex(6) }));
    await expectLog(disk, entries.slice(0, 5));
  });

  test("takes a thousand entries at once and finds each", async () => {
    const disk = newDisk();
    const entries = Array.from({ length: 1000 }, (_, i) =>
      run(1 + Math.floor(i / 7), i + 1, i + 1),
    ).flat();
    await disk.run((storage) => storage.persist({ ...nothing, entries }));
    await expectLog(disk, entries);
  });
}

function describeTable(newDisk: () => ContractDisk): void {
  const row: Row = {
    value: new Uint8Array([1, 2]),
    contentType: "text/plain",
    ...bare,
    createRevision: 1,
    modRevision: 2,
    version: 3,
  };

  test("has no row for a key that was never put", async () => {
    expect(await newDisk().run(({ table }) => table.get("a"))).toBeNull();
  });

  test("gives back what was put, in the same turn and later", async () => {
    const disk = newDisk();
    await disk.run(({ table }) => {
      table.put("a", row);
      expect(table.get("a")).toEqual(row);
    });
    expect(await disk.run(({ table }) => table.get("a"))).toEqual(row);
  });

  test("replaces every field", async () => {
    const disk = newDisk();
    const other: Row = { ...row, value: new Uint8Array([3]), contentType: null, modRevision: 9 };
    await disk.run(({ table }) => {
      table.put("a", row);
      table.put("a", other);
    });
    expect(await disk.run(({ table }) => table.get("a"))).toEqual(other);
  });

  test("deletes one key and no other; an absent one without harm", async () => {
    const disk = newDisk();
    await disk.run(({ table }) => {
      table.put("a", row);
      table.put("b", row);
      table.delete("a");
      table.delete("c");
    });
    expect(await disk.run(({ table }) => [table.get("a"), table.get("b")])).toEqual([null, row]);
  });

  test("an empty value is an empty value", async () => {
    const disk = newDisk();
    await disk.run(({ table }) => {
      table.put("a", { ...row, value: new Uint8Array(0) });
      table.put("b", { ...row, value: new Uint8Array([1, 2]).subarray(1, 1) });
    });
    const [a, b] = await disk.run(({ table }) => [table.get("a")!.value, table.get("b")!.value]);
    expect([a, b]).toEqual([new Uint8Array(0), new Uint8Array(0)]);
    expect([a, b].every((value) => value instanceof Uint8Array)).toBe(true);
  });

  test("a content type may be null, and may be empty", async () => {
    const disk = newDisk();
    const contentTypes = [null, "", 'text/plain; charset="utf-8"'];
    await disk.run(({ table }) =>
      contentTypes.forEach((contentType, i) => table.put(`${i}`, { ...row, contentType })),
    );
    expect(
      await disk.run(({ table }) => contentTypes.map((_, i) => table.get(`${i}`)!.contentType)),
    ).toEqual(contentTypes);
  });

  test("a value may have 1 MiB, and be a view into a larger buffer", async () => {
    const disk = newDisk();
    const large = Uint8Array.from({ length: 1024 * 1024 + 2 }, (_, i) => i * 7);
    const value = large.subarray(1, 1024 * 1024 + 1);
    await disk.run(({ table }) => table.put("a", { ...row, value }));
    const found = await disk.run(({ table }) => table.get("a")!.value);
    expect(found.byteLength).toBe(1024 * 1024);
    expect(found.every((byte, i) => byte === value[i])).toBe(true);
  });

  test("keys are told apart by every character, case, accents and zero bytes included", async () => {
    const disk = newDisk();
    const keys = [
      "a",
      "A",
      "a ",
      "a\0",
      "a\0b",
      "a\0c",
      "\0",
      "é",
      "e\u0301",
      "🙂",
      "🙃",
      "'",
      "''",
      '"; DROP TABLE kv; --',
      "%",
      "_",
      "?1",
      "1",
      "1.0",
      "01",
      "null",
      "\uFEFFa",
      "\uFFFD",
      "k".repeat(2048),
      "k".repeat(2047),
      "é".repeat(1024),
      "🙂".repeat(512),
    ];
    await disk.run(({ table }) =>
      keys.forEach((key, i) => table.put(key, { ...row, modRevision: i })),
    );
    expect(await disk.run(({ table }) => keys.map((key) => table.get(key)?.modRevision))).toEqual(
      keys.map((_, i) => i),
    );
    await disk.run(({ table }) => {
      table.delete("a\0b");
      expect(table.get("a\0b")).toBeNull();
      expect(["a", "a\0", "a\0c"].map((key) => table.get(key) !== null)).toEqual([
        true,
        true,
        true,
      ]);
    });
  });

  test("revisions up to the largest safe integer stay exact", async () => {
    const disk = newDisk();
    const createRevision = Number.MAX_SAFE_INTEGER;
    const large: Row = { ...row, createRevision, modRevision: 2 ** 40 + 1, version: 2 ** 33 };
    await disk.run(({ table }) => table.put("a", large));
    expect(await disk.run(({ table }) => table.get("a"))).toEqual(large);
  });
}

function describeMachine(newDisk: () => ContractDisk): void {
  const results: readonly RequestRecord["result"][] = [
    { type: "put", created: true, revision: 1 },
    { type: "put", created: false, revision: 2 },
    { type: "deleted", deleted: true, revision: 3 },
    { type: "deleted", deleted: false, revision: 3 },
  ];
  const records: RequestRecord[] = results.map((result, i) => ({
    requestId: `request "${i}" 🙂`,
    sequence: i + 1,
    result,
  }));
  const state: MachineState = {
    ...initialState,
    appliedIndex: 9,
    revision: 3,
    sequence: 4,
    hash: "00ff",
    nowMs: 7,
  };

  test("begin at nothing", async () => {
    await newDisk().run((storage) => {
      expect(storage.machineState).toEqual(initialState);
      expect([...storage.requestRecords()]).toEqual([]);
    });
  });

  test("come back after a reopen, records of each kind in their order", async () => {
    const disk = newDisk();
    await disk.run((storage) => {
      storage.saveMachine({ ...state, appliedIndex: 5, sequence: 1 }, records.slice(0, 1), []);
      storage.saveMachine(state, records.slice(1), []);
      expect(storage.machineState).toEqual(state);
    });
    await disk.run((storage) => {
      expect(storage.machineState).toEqual(state);
      expect([...storage.requestRecords()]).toEqual(records);
    });
  });

  test("the newest state wins, whatever the order of the digits", async () => {
    const disk = newDisk();
    await disk.run((storage) => {
      for (const appliedIndex of [9, 10, 100])
        storage.saveMachine({ ...state, appliedIndex }, [], []);
    });
    expect((await disk.run((storage) => storage.machineState)).appliedIndex).toBe(100);
  });

  test.each([1, 7, 1000])(
    "records are kept as long as the window needs them, %i a turn, and not much longer",
    async (perTurn) => {
      const disk = newDisk();
      const total = windowSize + (perTurn === 1 ? 300 : 5000);
      await disk.run((storage) => saveInTurns(storage, total, perTurn));
      await disk.run((storage) => {
        const kept = [...storage.requestRecords()].map(({ sequence }) => sequence);
        expect(kept).toEqual(kept.toSorted((a, b) => a - b));
        expect(kept.at(-1)).toBe(total);
        expect(kept[0]).toBeLessThanOrEqual(total - windowSize + 1);
        expect(kept[0]).toBeGreaterThan(total - windowSize - perTurn);
        expect(new Set(kept).size).toBe(total - kept[0]! + 1);
        expect(storage.machineState.sequence).toBe(total);
      });
    },
  );

  test("a backlog of small rows is worked off after a change to large ones", async () => {
    const disk = newDisk();
    await disk.run(async (storage) => {
      await saveInTurns(storage, windowSize, 16);
      await saveInTurns(storage, 6 * windowSize, 1024, windowSize);
    });
    await disk.run((storage) => {
      const first = [...storage.requestRecords()][0]!.sequence;
      expect(first).toBeLessThanOrEqual(5 * windowSize + 1);
    });
  });
}

function describeTurns(newDisk: () => ContractDisk): void {
  const persist: Persist = { ...nothing, hardState: vote(3, "2"), entries: run(3, 1, 2) };
  const state: MachineState = { ...initialState, appliedIndex: 2, revision: 1, sequence: 1 };
  const row: Row = {
    value: new Uint8Array([1]),
    contentType: null,
    ...bare,
    createRevision: 1,
    modRevision: 1,
    version: 1,
  };
  const writeAll = (storage: Storage): void => {
    storage.persist(persist);
    storage.table.put("a", row);
    storage.saveMachine(state, [], []);
  };
  const seen = (disk: ContractDisk): Promise<object> =>
    disk.run(({ hardState, log, table, machineState }) => ({
      term: hardState.term,
      last: log.last.index,
      row: table.get("a") !== null,
      applied: machineState.appliedIndex,
    }));
  const none = { term: 0, last: 0, row: false, applied: 0 };
  const all = { term: 3, last: 2, row: true, applied: 2 };

  test("a crash in the turn of the writes loses all of them", async () => {
    const disk = newDisk();
    await disk.run(() => {});
    await disk.crash(writeAll);
    expect(await seen(disk)).toEqual(none);
  });

  test("a crash after durable() loses none of them", async () => {
    const disk = newDisk();
    await disk.crash(async (storage) => {
      writeAll(storage);
      await storage.durable();
    });
    expect(await seen(disk)).toEqual(all);
  });

  test("a crash between two turns keeps the first whole and loses the second whole", async () => {
    const disk = newDisk();
    await disk.crash(async (storage) => {
      writeAll(storage);
      await storage.durable();
      storage.persist({ ...nothing, hardState: vote(4, null), truncateFrom: asIndex(1) });
      storage.table.delete("a");
      storage.saveMachine({ ...state, appliedIndex: 3 }, [], []);
    });
    expect(await seen(disk)).toEqual(all);
  });

  test("a crash brings the log's end back in memory as well as on disk", async () => {
    const disk = await withLog(newDisk(), run(1, 1, 4), [2, 2]);
    await disk.crash((storage) => {
      storage.persist({ ...nothing, truncateFrom: asIndex(2), entries: run(2, 2, 9) });
      expect(storage.log.last.index).toBe(9);
    });
    await expectLog(disk, run(1, 1, 4));
  });

  test("durable() resolves when nothing was written at all", async () => {
    await newDisk().run((storage) => storage.durable());
  });

  test("durable() called before a write of the same turn says nothing of that write, but still resolves", async () => {
    const disk = newDisk();
    await disk.run(async (storage) => {
      const before = storage.durable();
      writeAll(storage);
      await before;
      await storage.durable();
    });
    expect(await seen(disk)).toEqual(all);
  });
}

const vote = (term: number, node: string | null) => ({ term: asTerm(term), vote: node });

/** Entries of one term, each with data of its own. */
function run(term: number, from: number, to: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    term: asTerm(term),
    index: asIndex(from + i),
    type: "command",
    data: new TextEncoder().encode(`${term}/${from + i}`),
  }));
}

/** Entries 1, 2, … of term 1 with data of these sizes. */
function sized(sizes: readonly number[]): Entry[] {
  return sizes.map((size, i) => ({
    ...run(1, i + 1, i + 1)[0]!,
    data: new Uint8Array(size).fill(i + 1),
  }));
}

const idOf = (entry: Entry | undefined): EntryId =>
  entry === undefined ? zeroEntryId : { term: entry.term, index: entry.index };

/** Appends entries in batches of these sizes. */
async function withLog(
  disk: ContractDisk,
  entries: readonly Entry[],
  batches: readonly number[],
): Promise<ContractDisk> {
  let from = 0;
  for (const size of batches) {
    const batch = entries.slice(from, from + size);
    await disk.run((storage) => storage.persist({ ...nothing, entries: batch }));
    from += size;
  }
  return disk;
}

const sliceAll = ({ log }: Storage): Entry[] =>
  log.last.index === 0 ? [] : log.slice(asIndex(1), log.last.index, Number.MAX_SAFE_INTEGER);

/** Checks all that a log can be asked, on a new instance. */
async function expectLog(disk: ContractDisk, entries: readonly Entry[]): Promise<void> {
  await disk.run((storage) => {
    const { log } = storage;
    expect(log.base).toEqual(zeroEntryId);
    expect(log.last).toEqual(idOf(entries.at(-1)));
    expect(sliceAll(storage)).toEqual(entries);
    expect([zeroEntryId, ...entries].map((_, i) => log.termAt(asIndex(i)))).toEqual([
      0,
      ...entries.map(({ term }) => term),
    ]);
    for (const { index } of entries.slice(0, 20)) {
      expect(log.slice(index, log.last.index, 0)[0]).toEqual(entries[index - 1]);
    }
  });
}

/** Saves records from `after` + 1 to `total`, in turns of so many. */
async function saveInTurns(
  storage: Storage,
  total: number,
  perTurn: number,
  after = 0,
): Promise<void> {
  for (let sequence = after; sequence < total;) {
    const records = Array.from({ length: Math.min(perTurn, total - sequence) }, (_, i) => ({
      requestId: `${sequence + i + 1}`,
      sequence: sequence + i + 1,
      result: { type: "put", created: true, revision: sequence + i + 1 } as const,
    }));
    sequence += records.length;
    storage.saveMachine(
      { ...initialState, appliedIndex: sequence, revision: sequence, sequence },
      records,
      [],
    );
    // One transaction of everything would do as well, but not show that the turns are told apart.
    if (perTurn > 1) await Promise.resolve();
  }
}
