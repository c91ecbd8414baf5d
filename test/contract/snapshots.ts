import { describe, expect, test } from "vitest";
import { windowSize } from "../../src/kv/request-window.ts";
import type { Row } from "../../src/kv/table.ts";
import { toBytes } from "../../src/protocol/codec.ts";
import { emptyAudit } from "../../src/raft/audit.ts";
import type { SnapshotExport } from "../../src/raft/io.ts";
import { type Entry, asIndex, asTerm } from "../../src/raft/types.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { nothing } from "../support/persist.ts";
import { id, install, readAll, record, row, state } from "./shipment.ts";
import type { ContractDisk } from "./storage.ts";
import { describeWholeSnapshots } from "./whole-snapshots.ts";

/** What every implementation of the Storage port must do about snapshots and compaction. */
export function describeSnapshots(newDisk: () => ContractDisk): void {
  describe("an export", () => describeExport(newDisk));
  describe("a snapshot", () => describeInstall(newDisk));
  describe("a snapshot brings", () => describeWholeSnapshots(newDisk));
  describe("compaction", () => describeCompaction(newDisk));
}

function describeExport(newDisk: () => ContractDisk): void {
  test("of an empty state is one chunk, which may be read again", async () => {
    await newDisk().run((storage) => {
      const source = storage.openExport(state(7));
      expect(source.index).toBe(7);
      const first = source.read(0);
      expect(first.isLast).toBe(true);
      expect(source.read(0)).toEqual(first);
      source.close();
    });
  });

  test("shows the rows of its moment, whatever is written meanwhile", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const chunks = await from.run(async (storage) => {
      const { table } = storage;
      for (const key of ["a", "b", "c", "d", "é", "🙂"]) table.put(key, row(1));
      await storage.durable();
      const source = storage.openExport({ ...state(5), revision: 1 });
      table.put("a", row(2));
      table.put("a", row(3));
      table.delete("b");
      table.delete("c");
      table.put("c", row(4));
      table.put("0", row(5));
      await storage.durable();
      const read = readAll(source);
      source.close();
      expect(["a", "b", "c"].map((key) => table.get(key)?.modRevision)).toEqual([3, undefined, 4]);
      return read;
    });
    await to.run((storage) => install(storage, chunks, id(1, 5)));
    await to.run(({ table }) => {
      for (const key of ["a", "b", "c", "d", "é", "🙂"]) expect(table.get(key)).toEqual(row(1));
      expect(table.get("0")).toBeNull();
    });
  });

  test("does not mind others of other moments, nor that they end", async () => {
    const [from, to] = [newDisk(), newDisk()];
    await from.run(async (storage) => {
      const { table } = storage;
      const exportAt = (revision: number): SnapshotExport =>
        storage.openExport({ ...state(revision), revision });
      table.put("a", row(1));
      table.put("b", row(1));
      const one = exportAt(1);
      table.delete("b");
      table.put("a", row(3));
      const three = exportAt(3);
      table.put("a", row(4));
      table.put("b", row(5));
      const five = exportAt(5);
      const read = [one, three, five].map((source) => readAll(source));
      three.close();
      table.put("a", row(6));
      // An export of one chunk can be read again at any time.
      expect(readAll(one)).toEqual(read[0]);
      one.close();
      one.close();
      await storage.durable();
      for (const [i, [a, b]] of [
        [1, 1],
        [3, undefined],
        [4, 5],
      ].entries()) {
        await to.run((target) => install(target, read[i]!, id(1, [1, 3, 5][i]!)));
        await to.run(({ table: installed }) => {
          expect(installed.get("a")?.modRevision).toBe(a);
          expect(installed.get("b")?.modRevision).toBe(b);
        });
      }
    });
  });

  test("goes in chunks of about 1 MiB, each of which can be read again", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const keys = Array.from({ length: 9 }, (_, i) => `key ${i}`);
    const large = (i: number): Row => ({ ...row(1), value: new Uint8Array(400_000).fill(i) });
    const chunks = await from.run((storage) => {
      keys.forEach((key, i) => storage.table.put(key, large(i)));
      storage.table.put("whole", { ...row(1), value: new Uint8Array(1024 * 1024) });
      const source = storage.openExport(state(5));
      const read = readAll(source);
      source.close();
      return read;
    });
    expect(chunks.length).toBeGreaterThan(4);
    for (const { byteLength } of chunks) expect(byteLength).toBeLessThan(1024 * 1024 + 4096);
    await to.run((storage) => install(storage, chunks, id(1, 5)));
    await to.run(({ table }) => {
      expect(keys.map((key) => table.get(key))).toEqual(keys.map((_, i) => large(i)));
      expect(table.get("whole")!.value.byteLength).toBe(1024 * 1024);
    });
  });

  test("has all records of requests, also those that leave the window meanwhile", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const chunks = await from.run(async (storage) => {
      await saveTurns(storage, 0, windowSize);
      const source = storage.openExport(state(windowSize));
      const first = source.read(0);
      await saveTurns(storage, windowSize, 2 * windowSize);
      const read = [first.data, ...(first.isLast ? [] : readAll(source, 1))];
      source.close();
      return read;
    });
    await to.run((storage) => install(storage, chunks, id(1, windowSize)));
    await to.run((storage) => {
      const sequences = [...storage.requestRecords()].map(({ sequence }) => sequence);
      expect(sequences).toEqual(Array.from({ length: windowSize }, (_, i) => i + 1));
    });
  });

  test("has the counters it was given, though they are newer than those stored", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const given = { ...state(9), sequence: 1, revision: 1, hash: "ff" };
    const chunks = await from.run((storage) => {
      storage.saveMachine({ ...given, appliedIndex: 7 }, [record(1)], []);
      return readAll(storage.openExport(given));
    });
    await to.run((storage) => install(storage, chunks, id(3, 9)));
    await to.run((storage) => {
      expect(storage.machineState).toEqual(given);
      expect([...storage.requestRecords()]).toEqual([record(1)]);
    });
  });
}

function describeInstall(newDisk: () => ContractDisk): void {
  const chunksWith = (keys: readonly string[], appliedIndex: number): Promise<Uint8Array[]> =>
    newDisk().run((storage) => {
      for (const key of keys) storage.table.put(key, row(1));
      storage.saveMachine(state(appliedIndex), [record(appliedIndex)], []);
      return readAll(storage.openExport(state(appliedIndex)));
    });

  test("takes the place of rows, records, counters and the whole log", async () => {
    const disk = newDisk();
    await disk.run((storage) => {
      storage.table.put("old", row(1));
      storage.saveMachine(state(2), [record(1), record(2)], []);
      storage.persist({ ...nothing, entries: entries(1, 1, 20) });
    });
    const chunks = await chunksWith(["new"], 9);
    await disk.run((storage) => {
      install(storage, chunks, id(4, 9));
      expect(storage.log).toMatchObject({ base: id(4, 9), last: id(4, 9), bytes: 0 });
      expect(storage.machineState).toEqual(state(9));
      storage.persist({ ...nothing, entries: entries(4, 10, 11) });
    });
    await disk.run((storage) => {
      expect(storage.table.get("old")).toBeNull();
      expect(storage.table.get("new")).toEqual(row(1));
      expect([...storage.requestRecords()]).toEqual([record(9)]);
      expect(storage.log).toMatchObject({ base: id(4, 9), last: id(4, 11) });
      expect(storage.log.slice(asIndex(10), asIndex(11), 99)).toEqual(entries(4, 10, 11));
      expect(storage.log.termAt(asIndex(9))).toBe(4);
    });
  });

  test("is as good a state to go on from as any, and to send on", async () => {
    const [disk, other] = [newDisk(), newDisk()];
    const chunks = await chunksWith(["a", "b"], 9);
    await disk.run((storage) => install(storage, chunks, id(4, 9)));
    const again = await disk.run((storage) => {
      storage.table.put("c", row(2));
      storage.saveMachine({ ...state(10), revision: 2 }, [record(10)], []);
      return readAll(storage.openExport({ ...state(10), revision: 2 }));
    });
    await other.run((storage) => install(storage, again, id(4, 10)));
    await other.run((storage) => {
      expect(["a", "b", "c"].map((key) => storage.table.get(key)?.modRevision)).toEqual([1, 1, 2]);
      expect([...storage.requestRecords()]).toEqual([record(9), record(10)]);
    });
  });

  test("of a state that has diverged it takes the place of the state alone, and the log stays", async () => {
    const disk = newDisk();
    const chunks = await chunksWith(["new"], 9);
    const audit = { ...emptyAudit, divergedIndex: asIndex(8) };
    await disk.run((storage) => {
      storage.table.put("old", row(1));
      storage.persist({ ...nothing, entries: entries(1, 1, 12), audit });
      storage.saveMachine({ ...state(12), hash: "bad" }, [record(1), record(2)], []);
      storage.persist({ ...nothing, compactTo: id(1, 4) });
    });
    const repair = (storage: Storage): void => {
      chunks.forEach((data, place) => {
        const isLast = place === chunks.length - 1;
        const last = isLast ? { repair: id(1, 9), audit: emptyAudit } : {};
        storage.persist({ ...nothing, chunk: { place, data }, ...last });
      });
    };
    // All or nothing.
    await disk.crash(repair);
    await disk.run((storage) => {
      expect(storage.table.get("old")).toEqual(row(1));
      expect(storage.machineState).toMatchObject({ appliedIndex: 12, hash: "bad" });
      expect(storage.audit).toEqual(audit);
    });
    await disk.run(repair);
    await disk.run((storage) => {
      expect(storage.table.get("old")).toBeNull();
      expect(storage.table.get("new")).toEqual(row(1));
      expect(storage.machineState).toEqual(state(9));
      expect([...storage.requestRecords()]).toEqual([record(9)]);
      expect(storage.audit).toEqual(emptyAudit);
      expect(storage.log).toMatchObject({ base: id(1, 4), last: id(1, 12) });
      expect(storage.log.slice(asIndex(5), asIndex(12), 999)).toEqual(entries(1, 5, 12));
      // What follows is applied once more.
      storage.saveMachine(state(12), [record(10)], []);
    });
    await disk.run((storage) => expect(storage.machineState).toEqual(state(12)));
  });

  test("half arrived it changes nothing, and is gone after a restart", async () => {
    const disk = newDisk();
    const chunks = await chunksWith(["new"], 9);
    await disk.run((storage) => storage.table.put("old", row(1)));
    await disk.run((storage) => {
      storage.persist({ ...nothing, chunk: { place: 0, data: chunks[0]! } });
      expect(storage.table.get("new")).toBeNull();
    });
    await disk.run((storage) => {
      expect(storage.table.get("old")).toEqual(row(1));
      expect(storage.machineState.appliedIndex).toBe(0);
    });
  });

  test("begins anew with its first chunk", async () => {
    const disk = newDisk();
    const [one, other] = [await chunksWith(["one"], 8), await chunksWith(["other"], 9)];
    await disk.run((storage) => {
      storage.persist({ ...nothing, chunk: { place: 0, data: one[0]! } });
      install(storage, other, id(4, 9));
    });
    await disk.run(({ table }) => {
      expect([table.get("one"), table.get("other")]).toEqual([null, row(1)]);
    });
  });

  test("a crash in the turn that puts it in place leaves all as it was", async () => {
    const disk = newDisk();
    const chunks = await chunksWith(["new"], 9);
    await disk.run((storage) => {
      storage.table.put("old", row(1));
      storage.persist({ ...nothing, entries: entries(1, 1, 3) });
    });
    await disk.crash((storage) => install(storage, chunks, id(4, 9)));
    await disk.run((storage) => {
      expect(storage.log).toMatchObject({ base: { index: 0 }, last: id(1, 3) });
      expect(storage.table.get("old")).toEqual(row(1));
      expect(storage.table.get("new")).toBeNull();
    });
  });

  test("of another index than its counters say is refused", async () => {
    const chunks = await chunksWith(["new"], 9);
    await newDisk().crash((storage) => {
      expect(() => install(storage, chunks, id(4, 8))).toThrow("there is no snapshot at 8");
    });
  });

  test("of an unknown format is refused", async () => {
    const data = toBytes({ format: 3, state: state(1), turns: [], rows: [] });
    await newDisk().crash((storage) => {
      expect(() => storage.persist({ ...nothing, chunk: { place: 0, data } })).toThrow(
        "snapshot format 3; this code knows 1, 2",
      );
    });
  });
}

function describeCompaction(newDisk: () => ContractDisk): void {
  const six = [...entries(1, 1, 2), ...entries(2, 3, 6)];

  describe.each([
    ["one batch", [6]],
    ["batches of two", [2, 2, 2]],
    ["batches of 1, 4 and 1", [1, 4, 1]],
  ])("of six entries in %s", (_, batches) => {
    const withSix = async (): Promise<ContractDisk> => {
      const disk = newDisk();
      let at = 0;
      for (const size of batches) {
        const batch = six.slice(at, (at += size));
        await disk.run((storage) => storage.persist({ ...nothing, entries: batch }));
      }
      return disk;
    };

    test.each([1, 2, 3, 5, 6])("up to %i, the others stay", async (to) => {
      const disk = await withSix();
      const base = id(six[to - 1]!.term, to);
      await disk.run((storage) => storage.persist({ ...nothing, compactTo: base }));
      await disk.run((storage) => {
        expect(storage.log).toMatchObject({ base, last: id(2, 6) });
        expect(storage.log.termAt(asIndex(to))).toBe(base.term);
        const rest = storage.log.slice(asIndex(to + 1), asIndex(6), 999);
        expect(to === 6 ? [] : rest).toEqual(six.slice(to));
      });
    });

    test("and then more is written, cut and let go of", async () => {
      const disk = await withSix();
      await disk.run((storage) => storage.persist({ ...nothing, compactTo: id(2, 4) }));
      await disk.run((storage) =>
        storage.persist({ ...nothing, truncateFrom: asIndex(6), entries: entries(3, 6, 9) }),
      );
      await disk.run((storage) => storage.persist({ ...nothing, compactTo: id(3, 8) }));
      await disk.run((storage) => {
        expect(storage.log).toMatchObject({ base: id(3, 8), last: id(3, 9) });
        expect(storage.log.slice(asIndex(9), asIndex(9), 999)).toEqual(entries(3, 9, 9));
      });
    });

    test("everything after the base may be cut", async () => {
      const disk = await withSix();
      await disk.run((storage) => storage.persist({ ...nothing, compactTo: id(2, 4) }));
      await disk.run((storage) => storage.persist({ ...nothing, truncateFrom: asIndex(5) }));
      await disk.run((storage) => {
        expect(storage.log).toMatchObject({ base: id(2, 4), last: id(2, 4) });
        storage.persist({ ...nothing, entries: entries(3, 5, 5) });
        expect(storage.log.last).toEqual(id(3, 5));
      });
    });
  });

  test("a log knows what it takes, and where to cut so that about so much stays", async () => {
    const disk = newDisk();
    const kilobyte = new Uint8Array(1000);
    const large = Array.from({ length: 20 }, (_, i): Entry => ({
      ...entries(1, i + 1, i + 1)[0]!,
      data: kilobyte,
    }));
    await disk.run(async (storage) => {
      expect(storage.log.bytes).toBe(0);
      for (const entry of large) storage.persist({ ...nothing, entries: [entry] });
    });
    await disk.run(({ log }) => {
      expect(log.bytes).toBeGreaterThan(20_000);
      expect(log.bytes).toBeLessThan(22_000);
      expect(log.indexBefore(1_000_000)).toBe(0);
      expect(log.indexBefore(0)).toBeGreaterThan(18);
      expect([9, 10, 11]).toContain(log.indexBefore(10_000));
    });
    await disk.run((storage) => storage.persist({ ...nothing, compactTo: id(1, 10) }));
    await disk.run((storage) => {
      const { log } = storage;
      expect(log.bytes).toBeGreaterThan(10_000);
      expect(log.bytes).toBeLessThan(11_000);
      expect(log.indexBefore(1_000_000)).toBe(10);
      storage.persist({ ...nothing, compactTo: id(1, 20) });
      expect(log.bytes).toBe(0);
      storage.persist({ ...nothing, entries: [{ ...large[0]!, index: asIndex(21) }] });
      expect(log.bytes).toBeGreaterThan(1000);
      expect(log.bytes).toBeLessThan(1100);
    });
  });
}

function entries(term: number, from: number, to: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    term: asTerm(term),
    index: asIndex(from + i),
    type: "command",
    data: new TextEncoder().encode(`${term}/${from + i}`),
  }));
}

/** Saves records `after` + 1 to `total`, 1024 a turn. */
async function saveTurns(storage: Storage, after: number, total: number): Promise<void> {
  for (let at = after; at < total; at += 1024) {
    const records = Array.from({ length: 1024 }, (_, i) => record(at + i + 1));
    const sequence = at + 1024;
    storage.saveMachine({ ...state(sequence), sequence }, records, []);
    await Promise.resolve();
  }
}
