import { describe, expect, test } from "vitest";
import {
  type KeyRange,
  afterPrefix,
  allKeys,
  compareKeys,
  intersection,
  isWithin,
  next,
  withPrefix,
} from "../../src/kv/key-range.ts";
import { Random } from "../../src/raft/random.ts";

/** Characters at each border of UTF-8's lengths and of UTF-16's surrogates. */
const chars = [
  0, 1, 0x2f, 0x61, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xf7ff, 0xf800, 0xfffd, 0xffff,
  0x10000, 0x103ff, 0x10400, 0x1f642, 0x10fc00, 0x10ffff,
].map((point) => String.fromCodePoint(point));

/** As bytes compare. */
function compareBytes(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => new TextEncoder().encode(text)) as [
    Uint8Array,
    Uint8Array,
  ];
  const at = left.findIndex((byte, i) => byte !== right[i]);
  return at === -1 ? left.length - right.length : left[at]! - (right[at] ?? -1);
}

function randomKeys(count: number): string[] {
  const random = new Random(7);
  const length = (): number => random.between(0, 4);
  return Array.from({ length: count }, () =>
    Array.from({ length: length() }, () => chars[random.between(0, chars.length - 1)]!).join(""),
  );
}

describe("The order of keys", () => {
  test("is that of their UTF-8", () => {
    const keys = [...chars, ...randomKeys(300)];
    for (const a of keys) {
      for (const b of keys) {
        const order = [Math.sign(compareKeys(a, b)), Math.sign(compareBytes(a, b))];
        expect(order[0], JSON.stringify([a, b])).toBe(order[1]);
      }
    }
  });

  test("has nothing between a key and the next", () => {
    for (const key of chars) {
      expect(compareKeys(key, next(key))).toBeLessThan(0);
      expect(isWithin(next(key), { from: key, to: next(key) })).toBe(false);
      expect(isWithin(key, { from: key, to: next(key) })).toBe(true);
    }
  });
});

describe("A prefix", () => {
  test("has all that begin so, and nothing else", () => {
    const keys = [...chars, ...randomKeys(300)];
    for (const prefix of [...chars, ...randomKeys(50)]) {
      const range = withPrefix(prefix);
      for (const key of keys) {
        expect(isWithin(key, range), JSON.stringify([key, prefix])).toBe(key.startsWith(prefix));
      }
    }
  });

  test.each([
    ["", null],
    ["a", "b"],
    ["a/", "a0"],
    ["a\u{10FFFF}", "b"],
    ["\u{10FFFF}\u{10FFFF}", null],
    ["\uD7FF", "\uE000"],
    ["\uFFFF", "\u{10000}"],
  ])("%j ends at %j", (prefix, end) => {
    expect(afterPrefix(prefix)).toBe(end);
  });
});

describe("An intersection", () => {
  const range = (from: string, to: string | null): KeyRange => ({ from, to });
  test.each([
    [allKeys, allKeys, allKeys],
    [allKeys, range("a", "b"), range("a", "b")],
    [range("a", "c"), range("b", null), range("b", "c")],
    [range("a", "c"), range("b", "d"), range("b", "c")],
    [range("a", "\uFFFF"), range("b", "🙂"), range("b", "\uFFFF")],
    [range("a", "d"), range("b", "c"), range("b", "c")],
  ])("of %j and %j is %j", (a, b, both) => {
    expect([intersection(a, b), intersection(b, a)]).toEqual([both, both]);
  });

  test("of ranges that do not meet is empty", () => {
    const { from, to } = intersection(range("a", "b"), range("c", null));
    expect(compareKeys(from, to!)).toBeGreaterThan(0);
  });
});
