import type { ServedBy, Shown } from "../protocol/client.ts";
import { bookmarkText } from "./bookmark.ts";
import { secondsOf } from "./expiry.ts";
import type { DefiniteResult } from "./forward.ts";
import type { Settled } from "./settle.ts";

export type HeaderMap = Readonly<Record<string, string>>;

/** What answers say in headers, wherever they say it. */

/** Who has answered, and what to come back with so as to see no less. */
export const headersOf = (namespace: string, settled: Settled): HeaderMap => ({
  ...servedBy(settled.servedBy),
  ...bookmarkOf(namespace, settled),
  ...replayed(settled.isReplayed),
});

/** What an answer to a read is worth. */
export function worthOf(result: DefiniteResult): HeaderMap {
  const { level, stalenessMs } = ("shown" in result && result.shown) || current;
  return {
    "KV-Consistency": level,
    ...(stalenessMs === null ? {} : { "KV-Staleness-Ms": String(Math.ceil(stalenessMs)) }),
  };
}

const current: Shown = { level: "linearizable", stalenessMs: 0 };

function bookmarkOf(namespace: string, { result, revision, servedBy: by }: Settled): HeaderMap {
  const seen = Math.max(revision ?? -1, revisionIn(result));
  // Code of before bookmarks does not always say what it has.
  if (seen === -1) return {};
  return { "KV-Bookmark": bookmarkText(namespace, { epoch: by.epoch ?? 1, revision: seen }) };
}

function revisionIn(result: DefiniteResult): number {
  if (result.type === "value") return result.modRevision;
  return "revision" in result ? result.revision : -1;
}

export const servedBy = ({ region, role, replica }: ServedBy): HeaderMap => ({
  "KV-Served-By": `${region}/${role}/${replica}`,
});

export const revisionOf = (number: number): HeaderMap => ({ "KV-Revision": String(number) });

export const etagOf = (revision: number): string => `"${revision}"`;

/** When a value goes, where that is set. */
export const expiresAt = (expiresMs: number | null): HeaderMap =>
  expiresMs === null ? {} : { "KV-Expires": String(secondsOf(expiresMs)) };

const replayed = (isReplayed: boolean): HeaderMap =>
  isReplayed ? { "Idempotency-Replayed": "true" } : {};
