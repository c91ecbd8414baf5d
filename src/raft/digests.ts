import { type Configuration, isJoint, votersOf } from "./membership.ts";
import type { AppendEntriesResponse } from "./messages.ts";
import { isQuorum } from "./quorum.ts";
import type { LogIndex, NodeId } from "./types.ts";

/** What a replica's state was right after one entry: taken at indexes on which all replicas agree. */
export interface Digest {
  readonly index: LogIndex;
  /** What the hash is taken of, and how. Hashes of different formulas say nothing about each other. */
  readonly formula: number;
  /** Opaque to the core. */
  readonly hash: string;
}

/** What a group says the state was after an entry. */
export interface Verdict {
  readonly index: LogIndex;
  readonly formula: number;
  /** That of a majority; null when all have spoken and no majority has the same. */
  readonly hash: string | null;
}

/** What an answer says of the state of whoever answers. */
type Report = Pick<AppendEntriesResponse, "digest" | "diverged" | "changes">;

/** Indexes that are looked at. Replicas apply at different times, so the newest is known of few. */
const kept = 8;

/** What the voters of a group have said of their states, and what follows from it. */
export class Digests {
  readonly #at = new Map<LogIndex, Map<NodeId, Digest>>();
  /** Those that say themselves that they are wrong, and so have no say. */
  readonly #diverged = new Set<NodeId>();
  /** How often each has said that this changed. */
  readonly #changes = new Map<NodeId, number>();

  /** A voter's answer says how its state is. */
  takes(node: NodeId, { digest, diverged, changes = 0 }: Report): "late" | "news" | "known" {
    const known = this.#changes.get(node) ?? 0;
    // What it said of a state that it no longer has, or did not know to be wrong, may come late.
    if (changes < known) return "late";
    this.#changes.set(node, changes);
    const isExcluded = (changes > known || diverged !== undefined) && this.exclude(node);
    if (diverged === undefined) this.admit(node);
    const isAdded = diverged === undefined && digest !== undefined && this.add(node, digest);
    return isExcluded || isAdded ? "news" : "known";
  }

  /** A voter says what its state was. Returns whether that is news. */
  add(node: NodeId, digest: Digest): boolean {
    const { index } = digest;
    const said = this.#at.get(index) ?? new Map<NodeId, Digest>();
    const before = said.get(node);
    if (before?.hash === digest.hash && before.formula === digest.formula) return false;
    said.set(node, digest);
    this.#at.set(index, said);
    for (const old of this.#indexes.slice(kept)) this.#at.delete(old);
    return this.#at.has(index);
  }

  /**
   * A voter says that its state has diverged. What it said before no longer counts: another that goes wrong
   * must find no company in it. Returns whether that is news.
   */
  exclude(node: NodeId): boolean {
    if (this.#diverged.has(node)) return false;
    this.#diverged.add(node);
    for (const said of this.#at.values()) said.delete(node);
    return true;
  }

  /** A voter says no such thing, perhaps since it has been repaired. */
  admit(node: NodeId): void {
    this.#diverged.delete(node);
  }

  /** The verdict at the newest index for which there is one. */
  verdict(configuration: Configuration): Verdict | null {
    return this.verdicts(configuration)[0] ?? null;
  }

  /** All that there are, the newest first. */
  verdicts(configuration: Configuration): Verdict[] {
    return this.#indexes.flatMap((index) => {
      const verdict = this.#verdictAt(index, configuration);
      return verdict ?? [];
    });
  }

  /** Whether one of some, who does not say that it is wrong, has said something else. */
  isDisputed({ index, formula, hash }: Verdict, isOne: (node: NodeId) => boolean): boolean {
    const said = [...(this.#at.get(index) ?? [])].filter(([node]) => isOne(node));
    return said.some(([, digest]) => digest.formula === formula && digest.hash !== hash);
  }

  /** The newest first. */
  get #indexes(): LogIndex[] {
    return [...this.#at.keys()].sort((a, b) => b - a);
  }

  /** What follows from what was said of one index; only voters count. */
  #verdictAt(index: LogIndex, configuration: Configuration): Verdict | null {
    const said = this.#at.get(index)!;
    const voters = votersOf(configuration).map(({ id }) => id);
    const digests = voters.flatMap((voter) => said.get(voter) ?? []);
    const isSame = (a: Digest, b: Digest | undefined): boolean =>
      a.formula === b?.formula && a.hash === b.hash;
    const shared = digests.find((digest) =>
      isQuorum(configuration, (voter) => isSame(digest, said.get(voter))),
    );
    if (shared !== undefined) return shared;
    // While voters change, those that decide may be too few to say that nobody is right.
    const haveAllSpoken = voters.every((voter) => said.has(voter) || this.#diverged.has(voter));
    const [first] = digests;
    if (first === undefined || isJoint(configuration) || !haveAllSpoken) return null;
    const isComparable = digests.every(({ formula }) => formula === first.formula);
    // Those that agree, and are too few only since others are wrong, are not wrong for that.
    const isDisputed = digests.some(({ hash }) => hash !== first.hash);
    return isComparable && isDisputed ? { index, formula: first.formula, hash: null } : null;
  }
}
