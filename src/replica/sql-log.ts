import { fromBytes, toBytes } from "../protocol/codec.ts";
import { type Configuration } from "../raft/membership.ts";
import {
  type ConfigurationAt,
  type Entry,
  type EntryId,
  type LogIndex,
  type Term,
  asIndex,
  asTerm,
  offset,
} from "../raft/types.ts";
import type { Snapshot } from "../raft/io.ts";
import type { StoredLog } from "./ports.ts";

/**
 * Entry data in one row. With the rest of an entry and a value of the largest size it stays well
 * under a row's 2 MB.
 */
const maxSegmentBytes = 1024 * 1024;

type PackedEntry = readonly [index: number, term: number, type: number, data: Uint8Array];

const entryTypes = ["noop", "command", "configuration"] as const;

// Type aliases, since exec asks for an index signature that interfaces do not have.
type SegmentEnds = {
  first_index: number;
  last_index: number;
  first_term: number;
  last_term: number;
};
type Segment = SegmentEnds & { entries: ArrayBuffer; bytes_before: number };

/** The Raft log in rows of many entries each. */
export class SqlLog implements StoredLog {
  readonly #sql: SqlStorage;
  #base: EntryId;
  #last: EntryId;
  /** The running counts of bytes before the first segment and after the last. */
  #bytesBefore = 0;
  #bytesAfter = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    const raft = sql
      .exec<{ base_term: number; base_index: number }>("SELECT base_term, base_index FROM raft")
      .one();
    this.#base = { term: asTerm(raft.base_term), index: asIndex(raft.base_index) };
    this.#last = this.#readEnds();
  }

  get base(): EntryId {
    return this.#base;
  }

  get last(): EntryId {
    return this.#last;
  }

  get configurations(): ConfigurationAt[] {
    return this.#sql
      .exec<{ log_index: number; configuration: string }>(
        "SELECT log_index, configuration FROM membership ORDER BY log_index",
      )
      .toArray()
      .map(({ log_index, configuration }) => ({
        index: asIndex(log_index),
        configuration: JSON.parse(configuration) as Configuration,
      }));
  }

  get bytes(): number {
    return this.#bytesAfter - this.#bytesBefore;
  }

  indexBefore(bytes: number): LogIndex {
    if (bytes >= this.bytes) return this.#base.index;
    // From the oldest on, so that what is looked at is what will go.
    const [first] = this.#sql
      .exec<{ first_index: number }>(
        "SELECT first_index FROM log WHERE bytes_before > ? ORDER BY first_index LIMIT 1",
        this.#bytesAfter - bytes,
      )
      .toArray();
    if (first === undefined) return this.#last.index;
    return asIndex(Math.max(this.#base.index, first.first_index - 1));
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
      if (entry.type === "configuration") this.#putConfiguration(entry);
    }
    this.#write(segment);
  }

  /** Removes `from` and all after it. */
  truncateFrom(from: LogIndex): void {
    this.#sql.exec("DELETE FROM membership WHERE log_index >= ?", from);
    this.#sql.exec("DELETE FROM log WHERE first_index >= ?", from);
    const [cut] = this.#sql
      .exec<Segment>("SELECT * FROM log ORDER BY first_index DESC LIMIT 1")
      .toArray();
    if (cut !== undefined && cut.last_index >= from) {
      this.#sql.exec("DELETE FROM log WHERE first_index = ?", cut.first_index);
      this.#bytesAfter = cut.bytes_before;
      this.#write(this.#decode(cut).filter((entry) => entry.index < from));
    }
    this.#last = this.#readEnds();
  }

  /** Lets the log begin after `base`. A segment that reaches beyond it stays whole. */
  compactTo(base: EntryId): void {
    const [segment] = this.#sql
      .exec<SegmentEnds>(
        `SELECT first_index, last_index, first_term, last_term FROM log
         WHERE first_index <= ? ORDER BY first_index DESC LIMIT 1`,
        base.index,
      )
      .toArray();
    if (segment !== undefined) {
      const { first_index, last_index } = segment;
      const gone = last_index <= base.index ? last_index : first_index - 1;
      this.#sql.exec("DELETE FROM log WHERE first_index <= ?", gone);
    }
    this.#sql.exec(
      `DELETE FROM membership
       WHERE log_index < (SELECT max(log_index) FROM membership WHERE log_index <= ?)`,
      base.index,
    );
    this.#setBase(base);
  }

  /** Removes all entries, and lets the log begin, and end, where the snapshot does. */
  reset({ term, index, configuration }: Snapshot): void {
    this.#sql.exec("DELETE FROM log");
    this.#sql.exec("DELETE FROM membership");
    this.#putConfiguration({ index, configuration });
    this.#setBase({ term, index });
  }

  #setBase(base: EntryId): void {
    this.#sql.exec("UPDATE raft SET base_term = ?, base_index = ?", base.term, base.index);
    this.#base = base;
    this.#last = this.#readEnds();
  }

  #putConfiguration({ index, configuration }: ConfigurationAt): void {
    this.#sql.exec("INSERT INTO membership VALUES (?, ?)", index, JSON.stringify(configuration));
  }

  #write(segment: readonly Entry[]): void {
    const [first, last] = [segment[0]!, segment.at(-1)!];
    const packed = segment.map((entry): PackedEntry => [
      entry.index,
      entry.term,
      entryTypes.indexOf(entry.type),
      entry.type === "configuration" ? toBytes(entry.configuration) : entry.data,
    ]);
    const bytes = toBytes(packed);
    this.#sql.exec(
      "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)",
      first.index,
      last.index,
      first.term,
      last.term,
      bytes,
      this.#bytesAfter,
    );
    this.#bytesAfter += bytes.byteLength;
    this.#last = { term: last.term, index: last.index };
  }

  /** Reads how far the log goes, and returns its last entry's id. */
  #readEnds(): EntryId {
    const end = (order: "ASC" | "DESC") =>
      this.#sql
        .exec<{ last_index: number; last_term: number; bytes_before: number; bytes: number }>(
          `SELECT last_index, last_term, bytes_before, length(entries) AS bytes
           FROM log ORDER BY first_index ${order} LIMIT 1`,
        )
        .toArray()[0];
    const [first, last] = [end("ASC"), end("DESC")];
    this.#bytesBefore = first?.bytes_before ?? 0;
    this.#bytesAfter = last === undefined ? 0 : last.bytes_before + last.bytes;
    if (last === undefined) return this.#base;
    return { term: asTerm(last.last_term), index: asIndex(last.last_index) };
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
    return fromBytes<PackedEntry[]>(segment.entries).map(unpackEntry);
  }
}

function unpackEntry([index, term, typeNumber, data]: PackedEntry): Entry {
  const id = { index: asIndex(index), term: asTerm(term) };
  const type = entryTypes[typeNumber];
  // Newer code may have written types that this one does not know, and must not skip.
  if (type === undefined) {
    const known = entryTypes.join(", ");
    throw new Error(`entry ${term}/${index} is of type ${typeNumber}; this code knows ${known}`);
  }
  if (type !== "configuration") return { ...id, type, data };
  return { ...id, type, configuration: fromBytes(data), data: new Uint8Array(0) };
}
