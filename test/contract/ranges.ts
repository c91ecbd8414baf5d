import { expect, test } from "vitest";
import { type KeyRange, allKeys, next, withPrefix } from "../../src/kv/key-range.ts";
import type { KvTable, Order, Row } from "../../src/kv/table.ts";
import { bare } from "../support/row.ts";
import type { ContractDisk } from "./storage.ts";

/** In the order of their UTF-8, which is neither that of JavaScript nor one that stops at a zero byte. */
const keys = [
  "\0",
  "\0\0",
  "A",
  "a",
  "a\0",
  "a\0\0",
  "a\0b",
  "a\0c",
  "a\u0001",
  "a/",
  "a/b",
  "a0",
  "aa",
  "b",
  "é",
  "\uD7FF",
  "\uE000",
  "\uFFFD",
  "\uFFFF",
  "\u{10000}",
  "🙂",
  "🙂\0",
  "\u{10FFFF}",
  "\u{10FFFF}\u{10FFFF}",
];

/** What every implementation of the Storage port must do about ranges of keys. */
export function describeRanges(newDisk: () => ContractDisk): void {
  const filled = async (): Promise<ContractDisk> => {
    const disk = newDisk();
    // From both ends by turns, so that the order is not that of the puts.
    const ends = keys.map((_, i) => (i % 2 === 0 ? i / 2 : keys.length - (i + 1) / 2));
    await disk.run(({ table }) => {
      for (const at of ends) table.put(keys[at]!, row(keys[at]!));
    });
    return disk;
  };

  test("all keys come in the order of their UTF-8, and back again", async () => {
    const disk = await filled();
    await disk.run(({ table }) => {
      expect(scanned(table, allKeys)).toEqual(keys);
      expect(scanned(table, allKeys, "descending")).toEqual(keys.toReversed());
    });
  });

  test("any range begins with its first key, and ends before its end", async () => {
    const disk = await filled();
    await disk.run(({ table }) => {
      for (const [i, from] of keys.entries()) {
        for (const [j, to] of [...keys, null].entries()) {
          const within = keys.slice(i, j);
          const range = { from, to };
          expect(scanned(table, range)).toEqual(within);
          expect(scanned(table, range, "descending")).toEqual(within.toReversed());
          expect(table.count(range, 99)).toBe(within.length);
          expect(table.keyAt(range, 0)).toBe(within[0] ?? null);
        }
      }
    });
  });

  test.each<[string, KeyRange, string[]]>([
    ["begins and ends between keys", { from: "a\0a", to: "a0\0" }, keys.slice(6, 12)],
    ["ends right after a key", { from: "a", to: next("a\0") }, ["a", "a\0"]],
    ["ends before it begins", { from: "b", to: "a" }, []],
    ["has no keys", { from: "aaa", to: "aab" }, []],
    ["has all with a prefix", withPrefix("a\0"), keys.slice(4, 8)],
    ["has all with a prefix below the surrogates", withPrefix("\uD7FF"), ["\uD7FF"]],
    ["has all with the last of all prefixes", withPrefix("\u{10FFFF}"), keys.slice(-2)],
  ])("one that %s", async (_, range, within) => {
    const disk = await filled();
    await disk.run(({ table }) => {
      expect(scanned(table, range)).toEqual(within);
      expect(table.count(range, 99)).toBe(within.length);
    });
  });

  test("no more come, and are counted, than were asked for", async () => {
    const disk = await filled();
    await disk.run(({ table }) => {
      const range = { from: "a", to: "b" };
      const [first, last] = [keys.indexOf("a"), keys.indexOf("b")];
      for (let limit = 1; limit <= last - first + 1; limit++) {
        const within = keys.slice(first, last);
        expect(scanned(table, range, "ascending", limit)).toEqual(within.slice(0, limit));
        expect(scanned(table, range, "descending", limit)).toEqual(
          within.toReversed().slice(0, limit),
        );
        expect(table.count(range, limit)).toBe(Math.min(limit, within.length));
        expect(table.keyAt(range, limit)).toBe(within[limit] ?? null);
      }
    });
  });

  test("come with all that is kept of them but the value, of which the size is told", async () => {
    const disk = newDisk();
    const [full, empty] = [
      { ...row("🙂"), contentType: "text/plain", metadata: '{"a":1}', expiresMs: 9, version: 3 },
      { ...row(""), lease: "7" },
    ];
    await disk.run(({ table }) => {
      table.put("a", full);
      table.put("b", empty);
    });
    await disk.run(({ table }) => {
      const { value: _, ...heading } = full;
      const { value: __, ...emptyHeading } = empty;
      expect(table.scan(allKeys, "ascending", 9)).toEqual([
        ["a", { ...heading, size: 4 }],
        ["b", { ...emptyHeading, size: 0 }],
      ]);
    });
  });

  test("show what was put and deleted in the same turn", async () => {
    const disk = await filled();
    await disk.run(({ table }) => {
      table.delete("a\0");
      table.put("a\0a", row("new"));
      table.put("a", row("longer"));
      const range = { from: "a", to: "a\0b" };
      expect(scanned(table, range)).toEqual(["a", "a\0\0", "a\0a"]);
      expect(table.scan(range, "ascending", 1)[0]![1].size).toBe(6);
      expect([table.count(range, 9), table.keyAt(range, 2)]).toEqual([3, "a\0a"]);
    });
  });

  test("of a table without keys are empty", async () => {
    await newDisk().run(({ table }) => {
      expect(scanned(table, allKeys)).toEqual([]);
      expect([table.count(allKeys, 9), table.keyAt(allKeys, 0)]).toEqual([0, null]);
    });
  });
}

const scanned = (
  table: KvTable,
  range: KeyRange,
  order: Order = "ascending",
  limit = 99,
): string[] => table.scan(range, order, limit).map(([key]) => key);

const row = (value: string): Row => ({
  ...bare,
  value: new TextEncoder().encode(value),
  contentType: null,
  createRevision: 1,
  modRevision: 1,
  version: 1,
});
