import type { Configuration } from "./membership.ts";

/**
 * The nouns every part of the core shares. Words are those of the Raft paper; see docs/glossary.md.
 */

declare const termBrand: unique symbol;
declare const indexBrand: unique symbol;

/**
 * A logical clock: every leader rules in exactly one term (paper, 5.1). 0 means "before any
 * election".
 */
export type Term = number & { readonly [termBrand]: true };

/** A position in the log. The first entry has index 1; 0 means "before the log". */
export type LogIndex = number & { readonly [indexBrand]: true };

/** The name of a replica inside its group. */
export type NodeId = string;

/**
 * Names one entry: index and term travel together, since two bare integers are what gets swapped.
 * Written `term/index`.
 */
export interface EntryId {
  readonly term: Term;
  readonly index: LogIndex;
}

/** What a log position holds. */
export type Entry = EntryId & Content;

/** What an entry says. */
export type Content = PlainContent | ConfigurationContent;

/** `noop` opens a term so that entries of older terms can commit (paper, 8). */
interface PlainContent {
  readonly type: "noop" | "command";
  /**
   * Opaque to the core; empty for a noop. Must not be changed by anyone after it has entered the
   * log.
   */
  readonly data: Uint8Array;
}

/** From here on, this is who belongs to the group. */
interface ConfigurationContent {
  readonly type: "configuration";
  readonly configuration: Configuration;
  /** Empty. */
  readonly data: Uint8Array;
}

/** A configuration, and the entry from which it holds; at a log's base, perhaps an entry before that. */
export interface ConfigurationAt {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/** What must survive a restart besides the log (paper, figure 2). */
export interface HardState {
  readonly term: Term;
  /** Whom this replica voted for in `term`; null when it has not voted. */
  readonly vote: NodeId | null;
}

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/**
 * Brands a number as a term. Only for literals and for numbers that come from storage or the wire.
 */
export const asTerm = (value: number): Term => value as Term;

/**
 * Brands a number as a log index. Only for literals and for numbers that come from storage or the
 * wire.
 */
export const asIndex = (value: number): LogIndex => value as LogIndex;

export const nextTerm = (term: Term): Term => asTerm(term + 1);

export const offset = (index: LogIndex, by: number): LogIndex => asIndex(index + by);

export const minIndex = (a: LogIndex, b: LogIndex): LogIndex => (a < b ? a : b);

export const maxIndex = (a: LogIndex, b: LogIndex): LogIndex => (a > b ? a : b);

/** The id of the nothing before the first entry of a log that was never compacted. */
export const zeroEntryId: EntryId = { term: asTerm(0), index: asIndex(0) };

/**
 * Whether a log that ends at `a` is at least as complete as one that ends at `b` (paper, 5.4.1).
 */
export function isUpToDate(a: EntryId, b: EntryId): boolean {
  return a.term > b.term || (a.term === b.term && a.index >= b.index);
}
