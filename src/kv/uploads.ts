import { type Refused, refused } from "./result.ts";
import type { Row } from "./table.ts";

/**
 * A value that is too large for one entry of the log, and comes in parts before the put that wants it.
 * `staging`: parts come. `used`: a key has it. `retiring`: no key has it any more, and when that was is to be
 * told by the next tick. `retired`: for a while yet it is there for those that are reading it.
 */
export interface Upload {
  readonly state: "staging" | "used" | "retiring" | "retired";
  readonly parts: number;
  readonly bytes: number;
  /** When something is to be done about it, in ms since 1970; null while a key has it. */
  readonly dueMs: number | null;
}

/** A part of an upload. */
export interface Part {
  readonly upload: string;
  readonly part: number;
  readonly data: Uint8Array;
}

/** Where uploads and their parts are kept. */
export interface UploadTable {
  get(upload: string): Upload | null;
  put(upload: string, terms: Upload): void;
  /** Lets go of it and of its parts. */
  delete(upload: string): void;
  /** Returns null when it has no such part. */
  part(upload: string, part: number): Uint8Array | null;
  putPart(upload: string, part: number, data: Uint8Array): void;
  /** Those about which something is to be done by then, by when and then by id. */
  due(nowMs: number, limit: number): readonly string[];
  nextDueMs(): number | null;
  /** How many are staging, and what they take. */
  staging(): { readonly count: number; readonly bytes: number };
}

/** How long a part may be waited for, and how long a value can be read when it has been replaced, in ms. */
export const stagingMs = 60_000;
export const retiredMs = 5 * 60_000;

/** Uploads that may be under way in a namespace, and what they may take together. */
export const maxStaging = { count: 64, bytes: 256 * 1024 * 1024 } as const;

/** Keeps the parts of large values from when they come until nobody reads them any more. */
export class Uploads {
  readonly #table: UploadTable;

  constructor(table: UploadTable) {
    this.#table = table;
  }

  get dueMs(): number | null {
    return this.#table.nextDueMs();
  }

  /** Takes a part. Null when that is done. */
  stage(upload: string, part: number, data: Uint8Array, nowMs: number): Refused | null {
    const before = this.#table.get(upload);
    if (before !== null && before.state !== "staging") return refused("no_upload");
    if (before === null) {
      const { count, bytes } = this.#table.staging();
      const isFull = count >= maxStaging.count || bytes >= maxStaging.bytes;
      if (isFull) return refused("too_many_uploads");
    }
    // What may still be there of one of that name that is gone does not count.
    const replaced = before === null ? null : this.#table.part(upload, part);
    const { parts = 0, bytes = 0 } = before ?? {};
    this.#table.putPart(upload, part, data);
    this.#table.put(upload, {
      state: "staging",
      parts: parts + (replaced === null ? 1 : 0),
      bytes: bytes + data.byteLength - (replaced?.byteLength ?? 0),
      dueMs: nowMs + stagingMs,
    });
    return null;
  }

  /** Whether all parts of a value are here. */
  isWhole(upload: string, parts: number, size: number): boolean {
    const found = this.#table.get(upload);
    return found?.state === "staging" && found.parts === parts && found.bytes === size;
  }

  /** A put has been made, or not: what it wanted is not waited for any more. */
  discard(upload: string): void {
    if (this.#table.get(upload)?.state === "staging") this.#table.delete(upload);
  }

  /** A key has another value now. */
  changed(before: Row | null, after: Row | null, nowMs: number): void {
    const old = before?.large?.upload;
    const now = after?.large?.upload;
    if (old === now) return;
    if (old !== undefined) this.retire(old, nowMs);
    if (now !== undefined) this.#move(now, "used", null);
  }

  /** Nobody has it any more. */
  retire(upload: string, nowMs: number): void {
    this.#move(upload, "retiring", nowMs);
  }

  /** Does what is due. */
  sweep(nowMs: number): void {
    for (const upload of this.#table.due(nowMs, sweptAtOnce)) {
      if (this.#table.get(upload)!.state === "retiring") {
        this.#move(upload, "retired", nowMs + retiredMs);
      } else {
        this.#table.delete(upload);
      }
    }
  }

  #move(upload: string, state: Upload["state"], dueMs: number | null): void {
    this.#table.put(upload, { ...this.#table.get(upload)!, state, dueMs });
  }
}

/** So that no entry takes long to apply; the rest goes right after. */
const sweptAtOnce = 4;
