import type { KeyRange } from "../kv/key-range.ts";
import { describeBytes } from "./json-value.ts";

/** What an edge asks a replica to be told of, and how that is written. */
export interface WatchRequest {
  readonly version: typeof watchVersion;
  readonly range: KeyRange;
  /** What came after this revision is told; null for what comes after now. */
  readonly after: number | null;
  /** How long to wait for the first event, for an answer that ends with what there is; null for one that goes on. */
  readonly waitMs: number | null;
}

/** Raised when the body, or what answers it, changes so that the other side could not read it. */
export const watchVersion = 1;

/** One key that one revision has changed. */
export interface WatchEvent {
  /** `expire`: its time was over. */
  readonly type: "put" | "delete" | "expire";
  readonly key: string;
  readonly revision: number;
  /** Whether it is the last one of its revision that is told here. */
  readonly isLast: boolean;
  /** How many puts the key has had; 0 when it has no value now. */
  readonly version: number;
  /** Null when it has none now, or when the value has been replaced since and is not kept any more. */
  readonly value: Uint8Array | null;
  readonly contentType: string | null;
  readonly metadata: string | null;
}

/** What is told of an event, wherever it is. */
export function describeEvent(event: WatchEvent): object {
  const { type, key, revision, version, value, contentType, metadata } = event;
  if (type !== "put") return { type, key, revision };
  return {
    type,
    key,
    revision,
    version,
    content_type: contentType,
    metadata: metadata === null ? null : (JSON.parse(metadata) as unknown),
    ...(value === null ? { omitted: true } : describeBytes(value)),
  };
}

/** The answer to a long poll. */
export interface Polled {
  readonly events: readonly object[];
  /** Where to go on. */
  readonly revision: number;
}

/**
 * Server-sent events (HTML standard, 9.2). The id, which a browser sends again when it comes back, is only
 * given with the last event of a revision, so that no transaction is ever told in part.
 */
export function asServerSent(event: WatchEvent): string {
  const id = event.isLast ? `id: ${event.revision}\n` : "";
  return `event: ${event.type}\n${id}data: ${JSON.stringify(describeEvent(event))}\n\n`;
}

/** How far everything has been told. */
export const progressSent = (revision: number): string =>
  `event: progress\nid: ${revision}\ndata: ${JSON.stringify({ type: "progress", revision })}\n\n`;

/** Some of what was asked for is not kept any more. */
export const compactedSent = (revision: number): string =>
  `event: compacted\ndata: ${JSON.stringify({ type: "compacted", compact_revision: revision })}\n\n`;

/** How long a browser waits before it comes back, in ms. */
export const retrySent = "retry: 1000\n\n";
