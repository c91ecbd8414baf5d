import { expect, test } from "vitest";
import { allKeys } from "../../src/kv/key-range.ts";
import type { MachineState } from "../../src/kv/state-machine.ts";
import { toBytes } from "../../src/protocol/codec.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { nothing } from "../support/persist.ts";
import { allAfter, changed, save } from "./changes.ts";
import { ordinals, outcome } from "./outcomes.ts";
import { counters, id, install, readAll, record, row, state } from "./shipment.ts";
import type { ContractDisk } from "./storage.ts";

/** What every implementation of the Storage port must do about what snapshots have besides rows and records of requests. */
export function describeWholeSnapshots(newDisk: () => ContractDisk): void {
  const timed = (appliedIndex: number): MachineState => ({
    ...state(appliedIndex),
    nowMs: 1000 + appliedIndex,
  });
  const chunksOf = (n: number): Promise<Uint8Array[]> =>
    newDisk().run((storage) => {
      fill(storage, n);
      storage.saveMachine(timed(n), [record(n)], []);
      return readAll(storage.openExport(timed(n)));
    });

  test("leases, outcomes, what else is kept of rows, and the time", async () => {
    const disk = newDisk();
    const chunks = await chunksOf(7);
    await disk.run((storage) => install(storage, chunks, id(4, 7)));
    await disk.run((storage) => {
      expect(storage.machineState).toEqual(timed(7));
      expectFilled(storage, 7);
    });
  });

  test("as they were at its moment, whatever becomes of them meanwhile", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const chunks = await from.run(async (storage) => {
      const { table, leases, outcomes } = storage;
      fill(storage, 7);
      await storage.durable();
      const source = storage.openExport(timed(7));
      // Each kind of thing is replaced, deleted and new.
      table.put("brief 7", { ...row(2), metadata: "[]", expiresMs: 1 });
      table.put("leased 7", { ...row(2), lease: "8" });
      table.delete("plain");
      table.put("new", { ...row(2), expiresMs: 2 });
      leases.put("7", { ttlMs: 1, expiresMs: 1 });
      leases.delete("both");
      leases.put("new", { ttlMs: 2, expiresMs: 2 });
      outcomes.add(outcome(9, { name: "both" }));
      outcomes.forget(8);
      storage.saveMachine({ ...timed(8), revision: 2, nowMs: 9999 }, [record(8)], []);
      await storage.durable();
      const read = readAll(source);
      source.close();
      outcomes.forget(8);
      return read;
    });
    await to.run((storage) => install(storage, chunks, id(1, 7)));
    await to.run((storage) => {
      expect(storage.machineState).toEqual(timed(7));
      expect(storage.table.get("plain")).toEqual(row(1));
      expectFilled(storage, 7);
    });
    await from.run((storage) => {
      expect(storage.table.due(999, 9)).toEqual(["brief 7", "new"]);
      expect(storage.leases.due(999, 9)).toEqual(["7", "new"]);
      expect(ordinals(storage)).toEqual([9]);
    });
  });

  test("in the place of those of the snapshot before, again and again", async () => {
    const disk = newDisk();
    await disk.run((storage) => fill(storage, 1));
    for (const n of [2, 3, 4, 5]) {
      const chunks = await chunksOf(n);
      await disk.run((storage) => {
        install(storage, chunks, id(4, n));
        expectFilled(storage, n);
      });
      await disk.run((storage) => {
        expectFilled(storage, n);
        // And they go on from there.
        storage.table.put("due", { ...row(9), expiresMs: 3 });
        storage.leases.put("due", { ttlMs: 1, expiresMs: 4 });
        storage.outcomes.add(outcome(n + 2, { name: "both" }));
        expect([storage.table.nextDueMs(), storage.leases.nextDueMs()]).toEqual([3, 4]);
        expect(storage.outcomes.find("both")?.ordinal).toBe(n + 2);
      });
    }
  });

  test("in the place of what was half arrived before", async () => {
    const disk = newDisk();
    const [half, whole] = [await chunksOf(6), await chunksOf(7)];
    await disk.run((storage) => fill(storage, 1));
    await disk.run((storage) => {
      for (const [place, data] of half.slice(0, -1).entries()) {
        storage.persist({ ...nothing, chunk: { place, data } });
      }
      expectFilled(storage, 1);
      install(storage, whole, id(4, 7));
      expectFilled(storage, 7);
    });
    await disk.run((storage) => {
      for (const [place, data] of half.slice(0, -1).entries()) {
        storage.persist({ ...nothing, chunk: { place, data } });
      }
    });
    await disk.run((storage) => {
      expectFilled(storage, 7);
      install(storage, half, id(4, 6));
      expectFilled(storage, 6);
    });
  });

  test("however much outcomes hold, in chunks of about 1 MiB", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const large = (ordinal: number) => {
      const value = new Uint8Array(400_000).fill(ordinal);
      const found = { ...row(1), value, size: value.byteLength };
      const results = [{ type: "get" as const, found }];
      const succeeded = { succeeded: true, failed: [], revision: 1 };
      return outcome(ordinal, {
        bytes: value.byteLength,
        result: { type: "transaction", ...succeeded, results },
      });
    };
    const all = Array.from({ length: 9 }, (_, i) => large(i + 1));
    const chunks = await from.run((storage) => {
      for (const each of all) storage.outcomes.add(each);
      return readAll(storage.openExport(state(5)));
    });
    expect(chunks.length).toBeGreaterThan(4);
    for (const { byteLength } of chunks) expect(byteLength).toBeLessThan(1024 * 1024 + 4096);
    await to.run((storage) => install(storage, chunks, id(1, 5)));
    await to.run(({ outcomes }) => {
      expect(all.map(({ name }) => outcomes.find(name))).toEqual(all);
    });
  });

  test("what was changed, as far as it is kept", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const all = [1, 2, 3].map((revision) => changed(revision));
    const chunks = await from.run((storage) => {
      save(storage, all.slice(0, 2), 2);
      save(storage, all.slice(2), 3);
      const source = storage.openExport({ ...storage.machineState, appliedIndex: 9 });
      const later = { ...storage.machineState, appliedIndex: 10, revision: 4 };
      storage.saveMachine(later, [], [changed(4)]);
      return readAll(source);
    });
    await to.run((storage) => {
      save(storage, [changed(1, "other")], 1);
      install(storage, chunks, id(1, 9));
    });
    await to.run((storage) => {
      expect(allAfter(storage, 0)).toEqual(all);
      save(storage, [changed(4)], 4);
      expect(allAfter(storage, 2)).toEqual([changed(3), changed(4)]);
    });
  });

  test("nothing of all this in format 1, which is still read", async () => {
    const disk = newDisk();
    const { value, contentType, createRevision, modRevision, version } = row(1);
    const plain = { value, contentType, createRevision, modRevision, version };
    const records = toBytes([["request 1", 1, 0, true, 1]]);
    const turns = [{ state: { appliedIndex: 8, ...counters }, records }];
    const chunks = [
      { format: 1, state: { appliedIndex: 9, ...counters }, turns, rows: [] },
      { format: 1, state: null, turns: [], rows: [["a", plain]] },
    ].map((chunk) => toBytes(chunk));
    await disk.run((storage) => {
      fill(storage, 1);
      install(storage, chunks, id(4, 9));
    });
    await disk.run((storage) => {
      expect(storage.machineState).toEqual(state(9));
      expect([...storage.requestRecords()]).toEqual([record(1)]);
      expect(storage.table.scan(allKeys, "ascending", 9).map(([key]) => key)).toEqual(["a"]);
      expect(storage.table.get("a")).toEqual(row(1));
      expect([storage.leases.count(), storage.outcomes.newest()]).toEqual([0, null]);
      expect([storage.table.nextDueMs(), storage.leases.nextDueMs()]).toEqual([null, null]);
      expect(allAfter(storage, 0)).toEqual({ type: "compacted", revision: 1 });
      expect(allAfter(storage, 1)).toEqual([]);
    });
  });
}

/** What a state has besides rows and records, with numbers of its own. */
function fill({ table, leases, outcomes }: Storage, n: number): void {
  table.put("plain", row(1));
  table.put(`brief ${n}`, { ...row(1), metadata: `{"n":${n}}`, expiresMs: 100 + n });
  table.put(`leased ${n}`, { ...row(1), lease: String(n) });
  leases.put(String(n), { ttlMs: n, expiresMs: 200 + n });
  leases.put("both", { ttlMs: 10 * n, expiresMs: 300 + n });
  outcomes.add(outcome(n, { name: "both" }));
  outcomes.add(outcome(n + 1));
}

/** That a state has been filled so, and with nothing else. */
function expectFilled({ table, leases, outcomes }: Storage, n: number): void {
  expect(table.get(`brief ${n}`)).toEqual({
    ...row(1),
    metadata: `{"n":${n}}`,
    expiresMs: 100 + n,
  });
  expect(table.get(`leased ${n}`)).toEqual({ ...row(1), lease: String(n) });
  expect(table.count(allKeys, 9)).toBe(3);
  expect([table.due(999, 9), table.nextDueMs()]).toEqual([[`brief ${n}`], 100 + n]);
  expect(table.ofLease(String(n), 9)).toEqual([`leased ${n}`]);
  expect([leases.get(String(n)), leases.get("both")]).toEqual([
    { ttlMs: n, expiresMs: 200 + n },
    { ttlMs: 10 * n, expiresMs: 300 + n },
  ]);
  expect([leases.count(), leases.nextDueMs(), leases.due(999, 9)]).toEqual([
    2,
    200 + n,
    [String(n), "both"],
  ]);
  expect(outcomes.find("both")).toEqual(outcome(n, { name: "both" }));
  expect(outcomes.find(`name ${n + 1}`)).toEqual(outcome(n + 1));
  expect(ordinals({ outcomes })).toEqual([n, n + 1]);
}
