import { describe, expect, test } from "vitest";
import type { Lease, Row } from "../../src/kv/table.ts";
import { bare } from "../support/row.ts";
import type { ContractDisk } from "./storage.ts";

/** What every implementation of the Storage port must do about values that go by themselves, and leases. */
export function describeLives(newDisk: () => ContractDisk): void {
  describe("of values", () => describeValues(newDisk));
  describe("of leases", () => describeLeases(newDisk));
}

function describeValues(newDisk: () => ContractDisk): void {
  test("nothing is due where nothing is to go", async () => {
    await newDisk().run(({ table }) => {
      table.put("a", row({}));
      table.put("b", row({ lease: "1" }));
      expect(table.due(Number.MAX_SAFE_INTEGER, 9)).toEqual([]);
      expect(table.nextDueMs()).toBeNull();
    });
  });

  test("come by when they end and then by key, those of that very moment included", async () => {
    const disk = newDisk();
    await disk.run(({ table }) => {
      for (const [key, expiresMs] of [
        ["z", 10],
        ["🙂", 20],
        ["\uFFFD", 20],
        ["a\0b", 20],
        ["a", 20],
        ["A", 2 ** 41],
        ["y", 21],
      ] as const) {
        table.put(key, row({ expiresMs }));
      }
      table.put("never", row({}));
    });
    await disk.run(({ table }) => {
      expect(table.nextDueMs()).toBe(10);
      expect(table.due(9, 99)).toEqual([]);
      expect(table.due(10, 99)).toEqual(["z"]);
      expect(table.due(20, 99)).toEqual(["z", "a", "a\0b", "\uFFFD", "🙂"]);
      expect(table.due(20, 3)).toEqual(["z", "a", "a\0b"]);
      expect(table.due(2 ** 41, 99)).toHaveLength(7);
    });
  });

  test("follow what is put and deleted, in the same turn and later", async () => {
    const disk = newDisk();
    await disk.run(({ table }) => {
      for (const key of ["a", "b", "c", "d"]) table.put(key, row({ expiresMs: 5 }));
      table.put("a", row({ expiresMs: 7 }));
      table.put("b", row({}));
      table.put("c", row({ lease: "1" }));
      table.delete("d");
      expect([table.due(9, 9), table.nextDueMs()]).toEqual([["a"], 7]);
    });
    await disk.run(({ table }) => {
      expect([table.due(9, 9), table.nextDueMs()]).toEqual([["a"], 7]);
      table.delete("a");
      expect([table.due(9, 9), table.nextDueMs()]).toEqual([[], null]);
    });
  });

  test("go with their lease: the keys of one, in order and no more than wanted", async () => {
    const disk = newDisk();
    await disk.run(({ table }) => {
      for (const key of ["🙂", "\uE000", "b", "a\0", "a"]) table.put(key, row({ lease: "1" }));
      table.put("c", row({ lease: "10" }));
      table.put("d", row({ expiresMs: 1 }));
      table.put("b", row({ lease: "2" }));
    });
    await disk.run(({ table }) => {
      expect(table.ofLease("1", 9)).toEqual(["a", "a\0", "\uE000", "🙂"]);
      expect(table.ofLease("1", 2)).toEqual(["a", "a\0"]);
      expect([table.ofLease("10", 9), table.ofLease("2", 9), table.ofLease("3", 9)]).toEqual([
        ["c"],
        ["b"],
        [],
      ]);
      table.delete("a");
      table.put("c", row({}));
      expect([table.ofLease("1", 1), table.ofLease("10", 1)]).toEqual([["a\0"], []]);
    });
  });

  test("are kept as they were put, with metadata, and each is nothing when it is put without", async () => {
    const disk = newDisk();
    const rows = {
      bare: row({}),
      metadata: row({ metadata: '{"a":"\\u00e9"}' }),
      "empty metadata": row({ metadata: "" }),
      "goes soon": row({ expiresMs: 0 }),
      "goes late": row({ expiresMs: Number.MAX_SAFE_INTEGER }),
      leased: row({ lease: "12", metadata: "[]" }),
    };
    await disk.run(({ table }) => {
      for (const [key, each] of Object.entries(rows)) table.put(key, each);
      for (const [key, each] of Object.entries(rows)) expect(table.get(key)).toEqual(each);
    });
    await disk.run(({ table }) => {
      for (const [key, each] of Object.entries(rows)) expect(table.get(key)).toEqual(each);
      for (const key of Object.keys(rows)) table.put(key, row({}));
    });
    await disk.run(({ table }) => {
      for (const key of Object.keys(rows)) expect(table.get(key)).toEqual(row({}));
    });
  });
}

function describeLeases(newDisk: () => ContractDisk): void {
  const terms = (expiresMs: number, ttlMs = 1000): Lease => ({ ttlMs, expiresMs });

  test("there are none at first", async () => {
    await newDisk().run(({ leases }) => {
      expect([leases.get("1"), leases.count(), leases.nextDueMs(), leases.due(9, 9)]).toEqual([
        null,
        0,
        null,
        [],
      ]);
      leases.delete("1");
      expect(leases.count()).toBe(0);
    });
  });

  test("are kept, replaced and deleted one by one", async () => {
    const disk = newDisk();
    const long = terms(Number.MAX_SAFE_INTEGER, 10 * 366 * 24 * 60 * 60 * 1000);
    await disk.run(({ leases }) => {
      leases.put("1", terms(10));
      leases.put("2", terms(20));
      leases.put("12", long);
      leases.put("1", terms(30, 7));
      expect(leases.get("1")).toEqual(terms(30, 7));
    });
    await disk.run(({ leases }) => {
      expect(["1", "2", "12", "3"].map((id) => leases.get(id))).toEqual([
        terms(30, 7),
        terms(20),
        long,
        null,
      ]);
      expect(leases.count()).toBe(3);
      leases.delete("2");
      expect([leases.count(), leases.get("2")]).toEqual([2, null]);
    });
    await disk.run(({ leases }) => expect([leases.count(), leases.get("2")]).toEqual([2, null]));
  });

  test("are due by when they end and then by id, those of that very moment included", async () => {
    const disk = newDisk();
    await disk.run(({ leases }) => {
      for (const id of ["9", "10", "100", "8"]) leases.put(id, terms(20));
      leases.put("7", terms(21));
      leases.put("99", terms(10));
    });
    await disk.run(({ leases }) => {
      expect(leases.nextDueMs()).toBe(10);
      expect(leases.due(9, 9)).toEqual([]);
      // Ids are texts, and in their order.
      expect(leases.due(20, 9)).toEqual(["99", "10", "100", "8", "9"]);
      expect(leases.due(99, 2)).toEqual(["99", "10"]);
      leases.put("99", terms(30));
      leases.delete("10");
      expect([leases.nextDueMs(), leases.due(20, 2)]).toEqual([20, ["100", "8"]]);
    });
  });
}

const row = (more: Partial<Row>): Row => ({
  ...bare,
  value: Uint8Array.of(1),
  contentType: null,
  createRevision: 1,
  modRevision: 1,
  version: 1,
  ...more,
});
