import { expect, test } from "vitest";
import { type KeyRange, allKeys, next } from "../../src/kv/key-range.ts";
import { type MachineState, initialState } from "../../src/kv/state-machine.ts";
import type { Row } from "../../src/kv/table.ts";
import type { RowsView } from "../../src/replica/chunked-export.ts";
import { bare } from "../support/row.ts";
import type { ContractDisk } from "./storage.ts";

/** What every implementation of the Storage port must do about views that are read range by range. */
export function describeViews(newDisk: () => ContractDisk): void {
  test("show the rows of their moment, in any range, whatever is written meanwhile", async () => {
    await newDisk().run((storage) => {
      const { table } = storage;
      const all = ["a", "a\0", "b", "c", "\uFFFD", "🙂"];
      for (const key of all) table.put(key, row(1, { metadata: key }));
      const view = storage.openView(at(1));
      table.put("a", row(2));
      table.put("aa", row(3));
      table.delete("b");
      table.put("🙂", row(4, { expiresMs: 1 }));
      table.put("🙂", row(5));
      for (let i = 0; i <= all.length; i++) {
        for (let j = i; j <= all.length; j++) {
          const range = { from: all[i] ?? "\u{10FFFF}", to: all[j] ?? null };
          expect(rowsIn(view, range)).toEqual(
            all.slice(i, j).map((key) => [key, row(1, { metadata: key })]),
          );
        }
      }
      expect(rowsIn(view, { from: "a\0\0", to: "aa" })).toEqual([]);
      view.close();
      const later = storage.openView(at(5));
      expect(rowsIn(later, allKeys).map(([key]) => key)).toEqual([
        "a",
        "a\0",
        "aa",
        "c",
        "\uFFFD",
        "🙂",
      ]);
      later.close();
    });
  });

  test("give no more rows at a time than fit, but one at least, and say up to which", async () => {
    await newDisk().run((storage) => {
      const keys = Array.from({ length: 20 }, (_, i) => `key ${String(i).padStart(2, "0")}`);
      for (const key of keys) storage.table.put(key, row(1, { value: new Uint8Array(1000) }));
      const view = storage.openView(at(1));
      for (const [maxBytes, count] of [
        [1, 1],
        [3500, 3],
      ] as const) {
        const { rows, end } = view.rows({ from: "key 05", to: "key 15" }, maxBytes);
        expect(rows.map(([key]) => key)).toEqual(keys.slice(5, 5 + count));
        expect(end).toBe(keys[4 + count]);
      }
      const { rows, end } = view.rows({ from: "key 05", to: "key 15" }, 1e6);
      expect([rows.length, end]).toEqual([10, null]);
      view.close();
    });
  });

  test("of thousands of rows, most of them replaced or new since, show each once", async () => {
    await newDisk().run((storage) => {
      const { table } = storage;
      const keys = Array.from({ length: 3000 }, (_, i) => `key ${String(i).padStart(4, "0")}`);
      keys.forEach((key, i) => i % 3 > 0 && table.put(key, row(1)));
      const view = storage.openView(at(1));
      keys.forEach((key, i) => i % 2 === 0 && table.put(key, row(2)));
      keys.forEach((key, i) => i % 5 === 0 && table.delete(key));
      expect(rowsIn(view, allKeys)).toEqual(
        keys.filter((_, i) => i % 3 > 0).map((key) => [key, row(1)]),
      );
      view.close();
    });
  });
}

/** All rows of a range, page by page. */
function rowsIn(view: RowsView, range: KeyRange): (readonly [string, Row])[] {
  const { rows, end } = view.rows(range, 10_000);
  if (end === null) return [...rows];
  return [...rows, ...rowsIn(view, { from: next(end), to: range.to })];
}

const at = (revision: number): MachineState => ({ ...initialState, revision });

const row = (modRevision: number, more: Partial<Row> = {}): Row => ({
  ...bare,
  value: new TextEncoder().encode(`at ${modRevision}`),
  contentType: null,
  createRevision: 1,
  modRevision,
  version: modRevision,
  ...more,
});
