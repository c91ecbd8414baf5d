import { assert } from "./assert.ts";
import type { Configuration } from "./membership.ts";
import {
  type ConfigurationAt,
  type Entry,
  type EntryId,
  type LogIndex,
  type Term,
  asIndex,
  maxIndex,
  minIndex,
  offset,
} from "./types.ts";

/**
 * The log as it stands in storage: what the core reads back when its memory does not hold it. Reads
 * are synchronous.
 */
export interface LogReader {
  /**
   * The entry right before the first one kept: `0/0`, or the end of the snapshot that replaced all
   * before.
   */
  readonly base: EntryId;
  /** The last entry; `base` when there is none. */
  readonly last: EntryId;
  /** The configuration that holds at `base`, and those in the log, in order. */
  readonly configurations: readonly ConfigurationAt[];
  /** The term of an entry from `base` to `last`. */
  termAt(index: LogIndex): Term;
  /**
   * Entries from `from` to `to`, both included, cut after `maxBytes` of data but never to nothing.
   */
  slice(from: LogIndex, to: LogIndex, maxBytes: number): Entry[];
}

/** What one append did to the log, for the host to write. */
export interface LogChange {
  readonly truncateFrom: LogIndex | null;
  readonly entries: readonly Entry[];
}

/**
 * The log as this replica believes it to be: storage, overlaid with a tail in memory.
 *
 * Invariants: `base.index <= commitIndex <= last.index`; the tail ends the log and holds at least
 * every entry that is not yet durable, so a read of storage never sees more than what was written.
 */
export class RaftLog {
  readonly #reader: LogReader;
  readonly #cacheBytes: number;
  #base: EntryId;
  /** The end of the log, contiguous, oldest first. */
  readonly #tail: Entry[] = [];
  #tailBytes = 0;
  #last: EntryId;
  /** The configuration that holds at `base`, and those in the log, in order. */
  #configurations: readonly ConfigurationAt[];
  #commitIndex: LogIndex;
  /** The last entry known to be durable here. */
  #durableIndex: LogIndex;

  /**
   * @param commitIndex what is known to be committed at boot: the state machine's applied index.
   */
  constructor(reader: LogReader, commitIndex: LogIndex, cacheBytes: number) {
    this.#reader = reader;
    this.#cacheBytes = cacheBytes;
    this.#base = reader.base;
    this.#last = reader.last;
    this.#configurations = reader.configurations;
    assert(this.#configurations.length > 0, "a log has a configuration from its beginning");
    this.#durableIndex = reader.last.index;
    this.#commitIndex = commitIndex;
    assert(
      this.#commitIndex >= this.#base.index,
      `the log begins after ${this.#base.index}, but only ${this.#commitIndex} is applied`,
    );
    assert(
      this.#commitIndex <= this.#last.index,
      `commit ${this.#commitIndex} is past the log's end ${this.#last.index}`,
    );
  }

  get base(): EntryId {
    return this.#base;
  }

  get last(): EntryId {
    return this.#last;
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex;
  }

  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** Who belongs to the group by the newest word on it, be that committed or not. */
  get configuration(): Configuration {
    return this.#configurations.at(-1)!.configuration;
  }

  /** The entry that said so. */
  get configurationIndex(): LogIndex {
    return this.#configurations.at(-1)!.index;
  }

  /**
   * The newest configuration that must be committed: one is appended only when the one before is, even
   * where a restart has forgotten how far that goes.
   */
  get settledConfiguration(): Configuration {
    const isSettled = this.configurationIndex <= this.#commitIndex;
    return (isSettled ? null : this.#configurations.at(-2))?.configuration ?? this.configuration;
  }

  /** Who belonged to the group as of `index`, which must be one the log still knows. */
  configurationAt(index: LogIndex): Configuration {
    assert(index >= this.#base.index, `the log does not know index ${index}`);
    return this.#configurations.findLast((at) => at.index <= index)!.configuration;
  }

  /** The term at `index`, or null when the log does not reach there or has forgotten it. */
  termAt(index: LogIndex): Term | null {
    if (index < this.base.index || index > this.#last.index) return null;
    if (index === this.#last.index) return this.#last.term;
    if (index === this.base.index) return this.base.term;
    return this.#inTail(index)?.term ?? this.#reader.termAt(index);
  }

  /** The id of the entry at `index`, which must be one the log still knows. */
  idAt(index: LogIndex): EntryId {
    const term = this.termAt(index);
    assert(term !== null, `the log does not know index ${index}`);
    return { term, index };
  }

  holds(id: EntryId): boolean {
    return this.termAt(id.index) === id.term;
  }

  /**
   * The last entry at or before `index` whose term is at most `term`: the furthest point where two
   * logs may still agree, when one has `term` at `index`. Terms never decrease along a log, so
   * halving finds it; at most `base`.
   */
  lastWithTermAtMost(index: LogIndex, term: Term): EntryId {
    let low = this.base.index;
    let high = maxIndex(low, minIndex(index, this.#last.index));
    while (low < high) {
      const middle = asIndex(Math.ceil((low + high) / 2));
      if (this.idAt(middle).term <= term) low = middle;
      else high = offset(middle, -1);
    }
    return this.idAt(low);
  }

  /**
   * Entries from `from` to `to`, both included, cut after `maxBytes` of data but never to nothing.
   */
  slice(from: LogIndex, to: LogIndex, maxBytes: number): Entry[] {
    if (from > to) return [];
    assert(
      from > this.base.index && to <= this.#last.index,
      `no entries ${from}..${to} in the log`,
    );
    const tailStart = this.#tailStart();
    if (from < tailStart) {
      return this.#reader.slice(from, minIndex(to, offset(tailStart, -1)), maxBytes);
    }
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index = offset(index, 1)) {
      const entry = this.#inTail(index)!;
      bytes += entry.data.byteLength;
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push(entry);
    }
    return entries;
  }

  /** Appends entries that directly follow the end of the log (a leader's own). */
  append(entries: readonly Entry[]): LogChange {
    for (const entry of entries) {
      assert(
        entry.index === this.#last.index + 1,
        `${entry.index} does not follow ${this.#last.index}`,
      );
      assert(entry.term >= this.#last.term, `term ${entry.term} after term ${this.#last.term}`);
      this.#tail.push(entry);
      this.#tailBytes += entry.data.byteLength;
      this.#last = { term: entry.term, index: entry.index };
      if (entry.type !== "configuration") continue;
      const { index, configuration } = entry;
      this.#configurations = [...this.#configurations, { index, configuration }];
    }
    return { truncateFrom: null, entries };
  }

  /**
   * Makes the log agree with a leader's entries that follow one it holds (paper, figure 2,
   * AppendEntries 3 and 4). What is already there stays, so that a late or doubled message cannot
   * undo newer entries; only from the first entry that differs is the log cut.
   */
  merge(entries: readonly Entry[]): LogChange {
    const firstNew = entries.findIndex((entry) => !this.holds(entry));
    if (firstNew === -1) return { truncateFrom: null, entries: [] };
    const fresh = entries.slice(firstNew);
    const from = fresh[0]!.index;
    if (from > this.#last.index) return this.append(fresh);
    this.#truncate(from);
    return { truncateFrom: from, entries: this.append(fresh).entries };
  }

  /** Moves the commit index up; a lower one changes nothing. */
  commitTo(index: LogIndex): void {
    if (index <= this.#commitIndex) return;
    assert(index <= this.#last.index, `commit ${index} is past the log's end ${this.#last.index}`);
    this.#commitIndex = index;
  }

  /**
   * The host has made everything up to `index` durable, as the log stands now. Lets go of memory
   * that storage can serve.
   */
  durableTo(index: LogIndex): void {
    this.#durableIndex = maxIndex(this.#durableIndex, index);
    let drop = 0;
    let bytes = this.#tailBytes;
    for (const entry of this.#tail) {
      if (entry.index > this.#durableIndex || bytes <= this.#cacheBytes) break;
      bytes -= entry.data.byteLength;
      drop++;
    }
    if (drop > 0) this.#dropTail(drop);
  }

  /** Takes the oldest entries out of memory. */
  #dropTail(count: number): void {
    for (const entry of this.#tail.splice(0, count)) this.#tailBytes -= entry.data.byteLength;
  }

  /** Lets go of entries up to a committed one. */
  compactTo(index: LogIndex): EntryId {
    assert(
      index > this.base.index && index <= this.#commitIndex,
      `${index} is not within what may go, ${this.base.index}..${this.#commitIndex}`,
    );
    this.#base = this.idAt(index);
    const holding = this.#configurations.findLastIndex((at) => at.index <= index);
    this.#configurations = this.#configurations.slice(holding);
    this.#dropTail(Math.max(0, index - this.#tailStart() + 1));
    return this.#base;
  }

  /**
   * Replaces the whole log by a snapshot that stands for all up to `id`. Nothing of it can be of use
   * after that: what this replica has beyond was never compared with the snapshot's end.
   */
  reset({ term, index, configuration }: EntryId & { readonly configuration: Configuration }): void {
    assert(index > this.#commitIndex, `a snapshot at ${index} is behind the commit index`);
    const id = { term, index };
    this.#configurations = [{ index, configuration }];
    this.#dropTail(this.#tail.length);
    this.#base = id;
    this.#last = id;
    this.#commitIndex = index;
    this.#durableIndex = minIndex(this.#durableIndex, index);
  }

  #truncate(from: LogIndex): void {
    assert(
      from > this.#commitIndex,
      `cutting ${from} would undo the committed ${this.#commitIndex}`,
    );
    const keep = Math.max(0, from - this.#tailStart());
    for (const entry of this.#tail.splice(keep)) this.#tailBytes -= entry.data.byteLength;
    this.#durableIndex = minIndex(this.#durableIndex, offset(from, -1));
    const term = this.#termBefore(from);
    this.#last = { term, index: offset(from, -1) };
    this.#configurations = this.#configurations.filter(({ index }) => index < from);
  }

  /**
   * The term of the entry before `from`, at a moment when the tail has been cut but `last` not yet
   * moved.
   */
  #termBefore(from: LogIndex): Term {
    const before = offset(from, -1);
    if (before === this.base.index) return this.base.term;
    return this.#tail.at(-1)?.term ?? this.#reader.termAt(before);
  }

  #tailStart(): LogIndex {
    return this.#tail[0]?.index ?? offset(this.#last.index, 1);
  }

  #inTail(index: LogIndex): Entry | undefined {
    return this.#tail[index - this.#tailStart()];
  }
}
