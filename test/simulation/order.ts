import type { KeyRange } from "../../src/kv/key-range.ts";

/** Keys in their order, that of their UTF-8. */
export const inOrder = (keys: Iterable<string>): string[] => [...keys].sort(compare);

export const isIn = (key: string, { from, to }: KeyRange): boolean =>
  compare(key, from) >= 0 && (to === null || compare(key, to) < 0);

/** Most keys are ASCII, of which UTF-16 has the same order. */
function compare(a: string, b: string): number {
  if (isAscii(a) && isAscii(b)) return a < b ? -1 : Number(a > b);
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text);
