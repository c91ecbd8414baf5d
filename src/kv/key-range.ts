/** Keys from one on, and before another; null where there is no end. In the order of their UTF-8. */
export interface KeyRange {
  readonly from: string;
  readonly to: string | null;
}

export const allKeys: KeyRange = { from: "", to: null };

/** The keys that begin so. */
export const withPrefix = (prefix: string): KeyRange => ({ from: prefix, to: afterPrefix(prefix) });

/** The keys that are in both. */
export function intersection(a: KeyRange, b: KeyRange): KeyRange {
  const from = isBefore(a.from, b.from) ? b.from : a.from;
  if (a.to === null || b.to === null) return { from, to: a.to ?? b.to };
  return { from, to: isBefore(a.to, b.to) ? a.to : b.to };
}

export const isWithin = (key: string, { from, to }: KeyRange): boolean =>
  !isBefore(key, from) && (to === null || isBefore(key, to));

/** The first key that may come after this one. */
export const next = (key: string): string => `${key}\0`;

/** The first key after all that begin so; null if there is none. */
export function afterPrefix(prefix: string): string | null {
  const points = Array.from(prefix, (char) => char.codePointAt(0)!);
  while (points.at(-1) === lastCodePoint) points.pop();
  const last = points.pop();
  if (last === undefined) return null;
  // Surrogates are no characters, so what follows the one before them is the one after them.
  return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
}

const lastCodePoint = 0x10ffff;

/** Compares as the bytes of UTF-8 do, which is by code points, and not as JavaScript does. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const isBefore = (a: string, b: string): boolean => compareKeys(a, b) < 0;

/** UTF-16 has surrogates, of the characters beyond 0xffff, before those from 0xe000 on. */
const rank = (unit: number): number => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit);
