import { fromBytes, toBytes } from "../protocol/codec.ts";
import type { LogReader } from "../raft/log.ts";
import {
  type Entry,
  type EntryId,
  type LogIndex,
  type Term,
  asIndex,
  asTerm,
  offset,
} from "../raft/types.ts";

/**
 * Entry data in one row. With the rest of an entry and a value of the largest size it stays well
 * under a row's 2 MB.
 */
const maxSegmentBytes = 1024 * 1024;

type PackedEntry = readonly [index: number, term: number, type: number, data: Uint8Array];

const entryTypes = ["noop", "command"] as const;

// Type aliases, since exec asks for an index signature that interfaces do not have.
type SegmentEnds = {
  first_index: number;
  last_index: number;
  first_term: number;
  last_term: number;
};
type Segment = SegmentEnds & { entries: ArrayBuffer };

/** The Raft log in rows of many entries each. */
export class SqlLog implements LogReader {
  readonly #sql: SqlStorage;
  readonly #base: EntryId;
  #last: EntryId;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    const raft = sql
      .exec<{ base_term: number; base_index: number }>("SELECT base_term, base_index FROM raft")
      .one();
    this.#base = { term: asTerm(raft.base_term), index: asIndex(raft.base_index) };
    this.#last = this.#readLast();
  }

  get base(): EntryId {
    return this.#base;
  }

  get last(): EntryId {
    return this.#last;
  }

  termAt(index: LogIndex): Term {
    if (index === this.#base.index) return this.#base.term;
    const { first_index, last_index, first_term, last_term } = this.#sql
      .exec<SegmentEnds>(
        `SELECT first_index, last_index, first_term, last_term FROM log
         WHERE first_index <= ? ORDER BY first_index DESC LIMIT 1`,
        index,
      )
      .one();
    if (index > last_index) throw new Error(`the log has no entry ${index}`);
    if (first_term === last_term || index === last_index) return asTerm(last_term);
    return this.#decode(this.#segmentAt(asIndex(first_index)))[index - first_index]!.term;
  }

  slice(from: LogIndex, to: LogIndex, maxBytes: number): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (const segment of this.#segmentsFrom(from)) {
      for (const entry of this.#decode(segment)) {
        if (entry.index < from) continue;
        if (entry.index > to) return found;
        bytes += entry.data.byteLength;
        if (found.length > 0 && bytes > maxBytes) return found;
        found.push(entry);
      }
    }
    return found;
  }

  /** Writes entries that follow the last one. */
  append(entries: readonly Entry[]): void {
    let segment: Entry[] = [];
    let bytes = 0;
    for (const entry of entries) {
      if (segment.length > 0 && bytes + entry.data.byteLength > maxSegmentBytes) {
        this.#write(segment);
        segment = [];
        bytes = 0;
      }
      segment.push(entry);
      bytes += entry.data.byteLength;
    }
    this.#write(segment);
  }

  /** Removes `from` and all after it. */
  truncateFrom(from: LogIndex): void {
    this.#sql.exec("DELETE FROM log WHERE first_index >= ?", from);
    const [cut] = this.#sql
      .exec<Segment>("SELECT * FROM log ORDER BY first_index DESC LIMIT 1")
      .toArray();
    if (cut !== undefined && cut.last_index >= from) {
      this.#sql.exec("DELETE FROM log WHERE first_index = ?", cut.first_index);
      this.#write(this.#decode(cut).filter((entry) => entry.index < from));
    }
    this.#last = this.#readLast();
  }

  #write(segment: readonly Entry[]): void {
    const [first, last] = [segment[0]!, segment.at(-1)!];
    const packed = segment.map(({ index, term, type, data }): PackedEntry => [
      index,
      term,
      entryTypes.indexOf(type),
      data,
    ]);
    this.#sql.exec(
      "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
      first.index,
      last.index,
      first.term,
      last.term,
      toBytes(packed),
    );
    this.#last = { term: last.term, index: last.index };
  }

  #readLast(): EntryId {
    const [row] = this.#sql
      .exec<{ last_index: number; last_term: number }>(
        "SELECT last_index, last_term FROM log ORDER BY first_index DESC LIMIT 1",
      )
      .toArray();
    if (row === undefined) return this.#base;
    return { term: asTerm(row.last_term), index: asIndex(row.last_index) };
  }

  #segmentAt(firstIndex: LogIndex): Segment {
    return this.#sql.exec<Segment>("SELECT * FROM log WHERE first_index = ?", firstIndex).one();
  }

  /**
   * The segment that holds `from`, then those after it, one statement each: a cursor must not stay
   * open over other statements.
   */
  *#segmentsFrom(from: LogIndex): Iterable<Segment> {
    let next = from;
    for (;;) {
      const [segment] = this.#sql
        .exec<Segment>(
          "SELECT * FROM log WHERE first_index <= ? ORDER BY first_index DESC LIMIT 1",
          next,
        )
        .toArray();
      if (segment === undefined || segment.last_index < next) return;
      yield segment;
      next = offset(asIndex(segment.last_index), 1);
    }
  }

  #decode(segment: Segment): Entry[] {
    return fromBytes<PackedEntry[]>(segment.entries).map(([index, term, type, data]) => ({
      index: asIndex(index),
      term: asTerm(term),
      type: entryTypes[type]!,
      data,
    }));
  }
}
