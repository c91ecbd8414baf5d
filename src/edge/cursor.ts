import type { KeyRange } from "../kv/key-range.ts";
import { maxKeyBytes } from "../protocol/limits.ts";
import { Problem } from "./problem.ts";

/** Where a list goes on, as a text that means nothing to who carries it. */
export const cursorOf = ({ range: { from, to }, at }: Cursor): string =>
  toBase64Url(
    new TextEncoder().encode(JSON.stringify([1, from, to, ...(at === null ? [] : [at])])),
  );

export interface Cursor {
  /** What is yet to come. */
  readonly range: KeyRange;
  /** The revision that all pages are of; null where each is of its own. */
  readonly at: number | null;
}

/** @throws Problem when it is none that was given out here. */
export function readCursor(cursor: string): Cursor {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      fromBase64Url(cursor),
    );
    const [version, from, to, at = null] = JSON.parse(text) as readonly unknown[];
    const isRevision = at === null || (Number.isSafeInteger(at) && Number(at) >= 0);
    if (version === 1 && isBound(from) && (to === null || isBound(to)) && isRevision) {
      return { range: { from, to }, at: at as number | null };
    }
  } catch {
    // Said below.
  }
  throw new Problem("bad_cursor", "this is no cursor of a list: send one as it came, or none");
}

/** Bounds are keys, or what comes right after one. */
const isBound = (value: unknown): value is string =>
  typeof value === "string" &&
  value.isWellFormed() &&
  new TextEncoder().encode(value).byteLength <= maxKeyBytes + 1;

const toBase64Url = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

const fromBase64Url = (text: string): Uint8Array =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) =>
    char.charCodeAt(0),
  );
