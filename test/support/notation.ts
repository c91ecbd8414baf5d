/**
 * Reads the notation that src/raft/describe.ts writes, so that tests can be text on both sides:
 * messages, entries and ids are given as they would be shown.
 */
import type { Digest, Verdict } from "../../src/raft/digests.ts";
import type {
  AppendResult,
  InstallSnapshotRequest,
  Message,
  SnapshotResult,
} from "../../src/raft/messages.ts";
import {
  type Entry,
  type EntryId,
  type LogIndex,
  type Term,
  asIndex,
  asTerm,
} from "../../src/raft/types.ts";
import { foundedBy } from "./members.ts";
import { partOfState } from "./memory-log.ts";

/** `2/5`: term 2, index 5. */
export function id(text: string): EntryId {
  const [term, index] = text.split("/").map(Number);
  if (!Number.isSafeInteger(term) || !Number.isSafeInteger(index)) throw unreadable("id", text);
  return { term: asTerm(term!), index: asIndex(index!) };
}

/** An entry that holds its own name; `size` pads or empties it. */
export function entry({ term, index }: EntryId, size?: number): Entry {
  const data =
    size === undefined ? new TextEncoder().encode(`${term}/${index}`) : new Uint8Array(size);
  return { type: "command", term, index, data };
}

/**
 * `1/1..1/3,2/4`: runs of one term each, joined by commas. `none` and the empty text are no
 * entries.
 */
export function entries(text: string, size?: number): Entry[] {
  if (text === "" || text === "none") return [];
  return text.split(",").flatMap((run) => {
    const [first, last = first] = run.split("..").map(id);
    if (first!.term !== last!.term || first!.index > last!.index) throw unreadable("run", run);
    return Array.from({ length: last!.index - first!.index + 1 }, (_, i) =>
      entry({ term: first!.term, index: asIndex(first!.index + i) }, size),
    );
  });
}

/** A log as the paper draws it: the terms of its entries, from the one after `base` on. */
export function logOfTerms(terms: readonly number[], base: LogIndex = asIndex(0)): Entry[] {
  return terms.map((term, i) => entry({ term: asTerm(term), index: asIndex(base + 1 + i) }));
}

/** A message as `describeMessage` writes it: `n1->n2 requestVoteRequest t2 last 1/3`. */
export function message(text: string): Message {
  const words = new Words(text);
  const [from = "", to = ""] = words.next().split("->");
  const type = words.next();
  const header = { from, to, term: words.term() };
  switch (type) {
    case "preVoteRequest":
      return words.end({ ...header, type, last: id(words.after("last")) });
    case "requestVoteRequest": {
      const last = id(words.after("last"));
      return words.end({ ...header, type, last, isTransfer: words.maybe("transfer") });
    }
    case "timeoutNowRequest": {
      const last = words.maybeAfter("last");
      return words.end({ ...header, type, ...(last === null ? {} : { last: id(last) }) });
    }
    case "preVoteResponse":
    case "requestVoteResponse":
      return words.end({ ...header, type, granted: words.next() === "granted" });
    case "appendEntriesRequest":
      return words.end({
        ...header,
        type,
        prev: id(words.after("prev")),
        entries: entries(words.maybeAfter("entries") ?? ""),
        leaderCommit: asIndex(Number(words.after("commit"))),
        round: Number(words.maybeAfter("round") ?? 0),
        ...optional("verdict", words.maybeAfter("verdict"), verdict),
        ...(words.maybe("sleep") ? { sleep: true } : {}),
      });
    case "appendEntriesResponse":
      return words.end({
        ...header,
        type,
        result: appendResult(words),
        round: Number(words.maybeAfter("round") ?? 0),
        ...optional("digest", words.maybeAfter("digest"), digest),
        ...optional("diverged", words.maybeAfter("diverged"), (at) => asIndex(Number(at))),
        ...(words.maybe("asleep") ? { asleep: true } : {}),
      });
    case "installSnapshotRequest":
      return words.end(installSnapshot(header, words));
    case "installSnapshotResponse":
      return words.end({
        ...header,
        type,
        shipment: Number(words.after("shipment")),
        chunk: Number(words.after("chunk")),
        result: snapshotResult(words),
      });
    default:
      throw unreadable("message", text);
  }
}

/** A field that is there only if it is said. */
function optional<Name extends string, T>(
  name: Name,
  text: string | null,
  read: (text: string) => T,
): { readonly [N in Name]?: T } {
  return text === null ? {} : ({ [name]: read(text) } as { [N in Name]?: T });
}

/** `8=1:abc`: at index 8 the hash abc by formula 1. */
export function digest(text: string): Digest {
  const [index, formula, hash] = text.split(/[=:]/);
  if (hash === undefined) throw unreadable("digest", text);
  return { index: asIndex(Number(index)), formula: Number(formula), hash };
}

/** The same, or `8=1:none`. */
function verdict(text: string): Verdict {
  const { hash, ...rest } = digest(text);
  return { ...rest, hash: hash === "none" ? null : hash };
}

function appendResult(words: Words): AppendResult {
  const type = words.next();
  switch (type) {
    case "match":
      return { type: "accepted", matchIndex: asIndex(Number(words.next())) };
    case "conflict": {
      const prevIndex = asIndex(Number(words.after("at")));
      return { type: "conflict", prevIndex, hint: id(words.after("hint")) };
    }
    case "stale":
      return { type: "stale" };
    default:
      throw unreadable("result", type);
  }
}

/** A chunk has the data that a MemoryStorage gives it. */
function installSnapshot(
  header: Pick<InstallSnapshotRequest, "from" | "to" | "term">,
  words: Words,
): InstallSnapshotRequest {
  const snapshot = id(words.after("to"));
  const shipment = Number(words.after("shipment"));
  const chunk = Number(words.after("chunk"));
  return {
    ...header,
    type: "installSnapshotRequest",
    snapshot,
    configuration: foundedBy(["n1", "n2", "n3"]),
    shipment,
    chunk,
    data: partOfState(snapshot.index, chunk),
    isLast: words.maybe("last"),
  };
}

function snapshotResult(words: Words): SnapshotResult {
  const type = words.next();
  switch (type) {
    case "match":
      return { type: "accepted", matchIndex: asIndex(Number(words.next())) };
    case "stored":
    case "restart":
    case "stale":
      return { type };
    default:
      throw unreadable("result", type);
  }
}

/** The words of one line, taken from left to right. */
class Words {
  readonly #text: string;
  readonly #words: string[];

  constructor(text: string) {
    this.#text = text;
    this.#words = text.trim().split(/\s+/);
  }

  next(): string {
    const word = this.#words.shift();
    if (word === undefined) throw unreadable("end of", this.#text);
    return word;
  }

  /** `t3`. */
  term(): Term {
    return asTerm(Number(this.next().replace(/^t/, "")));
  }

  after(label: string): string {
    const value = this.maybeAfter(label);
    if (value === null) throw unreadable(`place of "${label}" in`, this.#text);
    return value;
  }

  /** The word after `label` if `label` is what comes next. */
  maybeAfter(label: string): string | null {
    if (this.#words[0] !== label) return null;
    this.#words.shift();
    return this.next();
  }

  /** Takes `word` if it comes next. Returns whether it did. */
  maybe(word: string): boolean {
    if (this.#words[0] !== word) return false;
    this.#words.shift();
    return true;
  }

  /** Passes `value` on if nothing is left to read. */
  end<T>(value: T): T {
    if (this.#words.length > 0) throw unreadable("rest", this.#words.join(" "));
    return value;
  }
}

const unreadable = (what: string, text: string): Error =>
  new Error(`cannot read the ${what} "${text}"`);
