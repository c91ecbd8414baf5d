import { nextRestore } from "../kv/epochs.ts";
import { Problem } from "./problem.ts";

/** What somebody has seen of a namespace: all up to a revision, of an epoch. */
export interface Bookmark {
  readonly epoch: number;
  readonly revision: number;
}

/** A bookmark as a text that means nothing to who carries it. Its first part says how to read the rest. */
export const bookmarkText = (namespace: string, { epoch, revision }: Bookmark): string =>
  `1.${epoch}.${revision}.${namespace}`;

/** @throws Problem when it is none that was given out for this namespace. */
export function readBookmark(text: string, namespace: string): Bookmark {
  const [, epoch, revision, of] = /^1\.([1-9]\d{0,8})\.(0|[1-9]\d{0,15})\.(.+)$/.exec(text) ?? [];
  if (of === undefined || !Number.isSafeInteger(Number(revision))) {
    throw new Problem(
      "bad_bookmark",
      "this is no KV-Bookmark: send one as it came, or none to begin a new session",
    );
  }
  if (of !== namespace) {
    throw new Problem("bad_bookmark", `this KV-Bookmark is of another namespace than ${namespace}`);
  }
  return { epoch: Number(epoch), revision: Number(revision) };
}

/**
 * Whether who has seen one has seen no less than the other stands for. What was seen before an export was
 * restored is no more.
 */
export const isReached = (wanted: Bookmark, { epoch, revision }: Bookmark): boolean =>
  epoch === wanted.epoch && revision >= wanted.revision && revision < nextRestore(wanted.revision);
