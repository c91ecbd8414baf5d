import { expect, test } from "vitest";
import { type OldRow, type TableAt } from "../../src/kv/history.ts";
import { type KeyRange, allKeys } from "../../src/kv/key-range.ts";
import type { Order, Row } from "../../src/kv/table.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { markOf } from "../support/memory-tables.ts";
import { bare } from "../support/row.ts";
import { id, install, readAll, state } from "./shipment.ts";
import type { ContractDisk } from "./storage.ts";

/** What every implementation of the Storage port must do about rows that have been replaced. */
export function describeHistory(newDisk: () => ContractDisk): void {
  test("there is none at first, and then what is there was always there", async () => {
    await newDisk().run(({ table, history }) => {
      expect([history.after(0, 9), history.at(5).get("a")]).toEqual([[], null]);
      expect(seen(history.at(5))).toEqual([]);
      table.put("a", row(3));
      expect([history.at(3).get("a"), history.at(2).get("a")]).toEqual([row(3), null]);
      history.forget(9);
    });
  });

  test("comes by the revisions that replaced it and then by key, and no more than was wanted", async () => {
    const disk = newDisk();
    const all = [old("b", 1, 3), old("🙂", 2, 4), old("\uFFFD", 2, 4), old("a", 1, 10)];
    const inOrder = [all[0]!, all[2]!, all[1]!, all[3]!];
    await disk.run(({ history }) => {
      for (const each of [all[3], all[1], all[2], all[0]]) history.keep(each!);
    });
    await disk.run(({ history }) => {
      expect(history.after(0, 9)).toEqual(inOrder.map(markOf));
      expect(history.after(2, 2)).toEqual(inOrder.slice(0, 2).map(markOf));
      expect(history.after(3, 9)).toEqual(inOrder.slice(1).map(markOf));
      expect(history.after(4, 9)).toEqual(inOrder.slice(3).map(markOf));
      expect(history.after(10, 9)).toEqual([]);
    });
  });

  test("keeps rows with all that was kept of them", async () => {
    const disk = newDisk();
    const rows = [
      row(1, { metadata: "{}", expiresMs: 2 ** 41, contentType: "" }),
      row(2, { lease: "7", version: 2 ** 40 }),
      row(3, { value: new Uint8Array(0), large: { upload: "u", size: 2 ** 33 } }),
    ];
    const all = rows.map((each, i): OldRow => ({ ...old("k", 0, i + 2), row: each }));
    await disk.run(({ history }) => all.forEach((each) => history.keep(each)));
    await disk.run(({ history }) => {
      expect(history.after(0, 9)).toEqual(all.map(markOf));
      expect(rows.map((_, i) => history.at(i + 1).get("k"))).toEqual(rows);
    });
  });

  test("shows any revision as it was, in any range, both ways", async () => {
    const disk = newDisk();
    const keys = ["a", "a\0", "b", "\uFFFF", "🙂"];
    // At each revision one of them is put, and now and then one is deleted.
    const states: Map<string, Row>[] = [new Map()];
    await disk.run((storage) => {
      for (let revision = 1; revision <= 15; revision++) {
        const key = keys[(revision * 7) % keys.length]!;
        const isDelete = revision % 4 === 0 && storage.table.get(key) !== null;
        replace(storage, key, isDelete ? null : row(revision), revision);
        const next = new Map(states.at(-1));
        if (isDelete) next.delete(key);
        else next.set(key, row(revision));
        states.push(next);
      }
    });
    await disk.run(({ history }) => {
      for (const [revision, then] of states.entries()) {
        const at = history.at(revision);
        for (const key of keys) expect(at.get(key)).toEqual(then.get(key) ?? null);
        for (const [i, from] of keys.entries()) {
          for (const to of [...keys.slice(i), null]) {
            const end = to === null ? keys.length : keys.indexOf(to);
            const within = keys.slice(i, end).filter((key) => then.has(key));
            const range = { from, to };
            expect(seen(at, range)).toEqual(within);
            expect(seen(at, range, "descending", 2)).toEqual(within.toReversed().slice(0, 2));
            expect([at.count(range, 99), at.count(range, 1)]).toEqual([
              within.length,
              Math.min(within.length, 1),
            ]);
            expect([at.keyAt(range, 0), at.keyAt(range, 1)]).toEqual([
              within[0] ?? null,
              within[1] ?? null,
            ]);
          }
        }
      }
      const [, heading] = history.at(15).scan(allKeys, "ascending", 1)[0]!;
      const { value, ...rest } = states.at(-1)!.get("a") ?? row(0);
      expect(heading).toEqual({ ...rest, size: value.byteLength });
    });
  });

  test("is forgotten up to a revision", async () => {
    const disk = newDisk();
    await disk.run((storage) => {
      for (let revision = 1; revision <= 5; revision++)
        replace(storage, "a", row(revision), revision);
      storage.history.forget(3);
      expect(storage.history.after(0, 9).map(({ untilRevision }) => untilRevision)).toEqual([4, 5]);
    });
    await disk.run(({ history }) => {
      expect([3, 4, 5].map((revision) => history.at(revision).get("a"))).toEqual([
        row(3),
        row(4),
        row(5),
      ]);
      history.forget(9);
      expect(history.after(0, 9)).toEqual([]);
      expect(history.at(5).get("a")).toEqual(row(5));
    });
  });

  test("comes with a snapshot as it was at its moment", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const chunks = await from.run(async (storage) => {
      for (let revision = 1; revision <= 4; revision++) {
        replace(storage, revision % 2 === 0 ? "a" : "b", row(revision), revision);
      }
      await storage.durable();
      const source = storage.openExport({ ...state(9), revision: 4 });
      replace(storage, "a", row(5), 5);
      replace(storage, "b", null, 6);
      storage.history.forget(4);
      await storage.durable();
      const read = readAll(source);
      source.close();
      return read;
    });
    await to.run((storage) => {
      replace(storage, "other", row(1), 1);
      replace(storage, "other", null, 2);
      install(storage, chunks, id(1, 9));
    });
    await to.run(({ table, history }) => {
      expect([table.get("a"), table.get("b")]).toEqual([row(4), row(3)]);
      expect(history.after(0, 9)).toEqual([old("b", 1, 3), old("a", 2, 4)].map(markOf));
      expect([1, 2, 3, 4].map((revision) => seen(history.at(revision)))).toEqual([
        ["b"],
        ["a", "b"],
        ["a", "b"],
        ["a", "b"],
      ]);
    });
  });

  test("of more than a chunk comes in several", async () => {
    const [from, to] = [newDisk(), newDisk()];
    const all = Array.from({ length: 9 }, (_, i): OldRow => {
      const value = new Uint8Array(400_000).fill(i);
      return { ...old(i % 2 === 0 ? "a" : "b", 0, i + 2), row: row(i + 1, { value }) };
    });
    const chunks = await from.run((storage) => {
      for (const each of all) storage.history.keep(each);
      return readAll(storage.openExport({ ...state(5), revision: 99 }));
    });
    expect(chunks.length).toBeGreaterThan(4);
    for (const { byteLength } of chunks) expect(byteLength).toBeLessThan(1024 * 1024 + 4096);
    await to.run((storage) => install(storage, chunks, id(1, 5)));
    await to.run(({ history }) => expect(history.after(0, 99)).toEqual(all.map(markOf)));
  });
}

/** Puts or deletes a key at a revision, as a namespace does that keeps its history. */
function replace({ table, history }: Storage, key: string, after: Row | null, at: number): void {
  const before = table.get(key);
  if (before !== null) {
    history.keep({ key, row: before, untilRevision: at, untilMs: 1000 + at });
  }
  if (after === null) table.delete(key);
  else table.put(key, after);
}

const seen = (
  table: TableAt,
  range: KeyRange = allKeys,
  order: Order = "ascending",
  limit = 99,
): string[] => table.scan(range, order, limit).map(([key]) => key);

const old = (key: string, modRevision: number, untilRevision: number): OldRow => ({
  key,
  row: row(modRevision),
  untilRevision,
  untilMs: 1000 + untilRevision,
});

const row = (modRevision: number, more: Partial<Row> = {}): Row => ({
  ...bare,
  value: new TextEncoder().encode(`at ${modRevision}`),
  contentType: null,
  createRevision: 1,
  modRevision,
  version: 1,
  ...more,
});
