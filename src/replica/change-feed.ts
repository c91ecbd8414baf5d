import { type KeyChange, type RevisionChanges, newValueIn } from "../kv/changes.ts";
import type { Command } from "../kv/command.ts";
import { type KeyRange, isWithin } from "../kv/key-range.ts";
import { fromBytes } from "../protocol/codec.ts";
import { maxWatchPageBytes, maxWatchedValueBytes } from "../protocol/limits.ts";
import type { WatchEvent } from "../protocol/watch.ts";
import { asIndex } from "../raft/types.ts";
import type { ChangesAfter, Storage } from "./ports.ts";

export type Events =
  | {
      readonly type: "events";
      readonly events: readonly WatchEvent[];
      /** Everything up to this revision has been looked at. */
      readonly upTo: number;
    }
  | { readonly type: "compacted"; readonly revision: number };

/**
 * What commands have changed, in order, for those that watch. Each of them asks for what comes after the
 * revision that it has got to, so nothing is held for one that is slow, and nothing is told twice.
 */
export class ChangeFeed {
  readonly #storage: Storage;
  readonly #revision: () => number;
  readonly #waiting = new Set<() => void>();
  /** The newest changes, which most of those that watch want, and what came before them. */
  #recent: { readonly from: number; readonly changes: readonly RevisionChanges[] };
  #isOver = false;
  #life = 0;

  constructor(storage: Storage, revision: () => number) {
    this.#storage = storage;
    this.#revision = revision;
    this.#recent = { from: revision(), changes: [] };
  }

  /** The newest revision. */
  get revision(): number {
    return this.#revision();
  }

  /** Becomes another when what was told under it ends. */
  get life(): number {
    return this.#life;
  }

  /** What was changed of a range after a revision: whole revisions, some of them at a time. */
  after(revision: number, range: KeyRange): Events {
    const found = this.#changesAfter(revision);
    if (found.type === "compacted") return found;
    const commandsAt = commandsIn(this.#storage.log);
    const events: WatchEvent[] = [];
    let bytes = 0;
    let upTo = revision;
    for (const changes of found.changes) {
      if (bytes > maxWatchPageBytes) return { type: "events", events, upTo };
      const keys = changes.keys.filter(({ key }) => isWithin(key, range));
      keys.forEach((change, i) => {
        const event = this.#eventOf(change, changes, i === keys.length - 1, commandsAt);
        bytes += overheadBytes + (event.value?.byteLength ?? 0);
        events.push(event);
      });
      upTo = changes.revision;
    }
    // Where there is nothing more, everything there is has been looked at.
    if (found.changes.length === 0) upTo = Math.max(upTo, this.revision);
    return { type: "events", events, upTo };
  }

  /** How many wait for something to be changed. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves when something has been changed, it is over, so much time has passed, or who waits has gone. */
  async changed(withinMs: number, gone?: AbortSignal): Promise<void> {
    if (this.#isOver || gone?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        // A timer that outlives what it is for keeps the object in memory, and billed.
        clearTimeout(timer);
        gone?.removeEventListener("abort", end);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, withinMs);
      gone?.addEventListener("abort", end);
      this.#waiting.add(end);
    });
  }

  /** Something has been changed, or another state has come in the place of what was. */
  notify(changes: readonly RevisionChanges[] | null): void {
    this.#remember(changes);
    this.#wake();
  }

  /** Ends what is told so far: it may be wrong. Whoever comes then is told anew. */
  interrupt(): void {
    this.#life++;
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.interrupt();
  }

  #wake(): void {
    for (const end of this.#waiting) end();
  }

  /** From memory for those that are nearly up to date: also what is too much to be kept in storage. */
  #changesAfter(revision: number): ChangesAfter {
    const { from, changes } = this.#recent;
    if (revision < from) return this.#storage.changesAfter(revision);
    return { type: "changes", changes: changes.filter((each) => each.revision > revision) };
  }

  #remember(changes: readonly RevisionChanges[] | null): void {
    const revision = this.#revision();
    const run = runTo(revision, changes ?? []);
    const isNext = this.#newest === revision - run.length;
    const all = isNext ? [...this.#recent.changes, ...run] : run;
    const from = revision - all.length;
    const excess = Math.min(all.length - fittingAtEnd(all), all.length - run.length);
    this.#recent = { from: from + excess, changes: all.slice(excess) };
  }

  get #newest(): number {
    return this.#recent.from + this.#recent.changes.length;
  }

  #eventOf(
    change: KeyChange,
    changes: RevisionChanges,
    isLast: boolean,
    commandsAt: CommandsAt,
  ): WatchEvent {
    const { revision } = changes;
    const { type, key } = change;
    if (change.type !== "put") return { type, key, revision, isLast, ...nothing };
    const { version } = change;
    const row = this.#storage.table.get(key);
    if (row?.modRevision === revision) {
      const { contentType, metadata } = row;
      const value = row.large === null ? row.value : null;
      return { type, key, revision, isLast, version, ...told(value), contentType, metadata };
    }
    const said = saidOf(change, changes, commandsAt);
    return { type, key, revision, isLast, version, ...said, ...told(said.value) };
  }
}

/**
 * The last changes that lead to a revision without a gap. Where revisions go on elsewhere, as after a
 * restoring, nobody can go on from before.
 */
function runTo(revision: number, changes: readonly RevisionChanges[]): readonly RevisionChanges[] {
  const gap = changes.findLastIndex(
    (each, i) => each.revision !== revision - (changes.length - 1 - i),
  );
  return changes.slice(gap + 1);
}

/** Changes of keys that are remembered: as many as are mostly enough for one that goes on after a moment. */
const maxRecentKeys = 1024;

/** How many of the last revisions have no more changes than that, together. */
function fittingAtEnd(changes: readonly RevisionChanges[]): number {
  let keys = 0;
  const last = changes.findLastIndex((each) => (keys += each.keys.length) > maxRecentKeys);
  return changes.length - 1 - last;
}

/** A value as it is told: left out when it is large. */
const told = (value: Uint8Array | null): Pick<WatchEvent, "value"> => ({
  value: value !== null && value.byteLength > maxWatchedValueBytes ? null : value,
});

/** The commands of an entry of the log; none when it has been cut since. */
type CommandsAt = (index: number) => readonly Command[];

/** Takes an entry apart once, however many of its commands are asked for one after another. */
function commandsIn(log: Storage["log"]): CommandsAt {
  let opened: { readonly index: number; readonly commands: readonly Command[] } | null = null;
  return (index) => {
    if (opened?.index === index) return opened.commands;
    if (index <= log.base.index || index > log.last.index) return [];
    const [entry] = log.slice(asIndex(index), asIndex(index), Number.POSITIVE_INFINITY);
    opened = { index, commands: fromBytes<Command[]>(entry!.data) };
    return opened.commands;
  };
}

/** What is said of a value that is no more: with the change, or in the log; nulls when nothing is. */
function saidOf(
  { key, ...said }: KeyChange & { readonly type: "put" },
  { index, place, succeeded }: RevisionChanges,
  commandsAt: CommandsAt,
): Pick<WatchEvent, "value" | "contentType" | "metadata"> {
  if (said.value !== undefined) {
    return {
      value: said.value,
      contentType: said.contentType ?? null,
      metadata: said.metadata ?? null,
    };
  }
  const command = commandsAt(index)[place];
  const put = command === undefined ? null : newValueIn(command, key, succeeded);
  if (put === null) return { value: null, contentType: null, metadata: null };
  const { contentType, metadata = null } = put;
  return { value: put.large === undefined ? put.value : null, contentType, metadata };
}

/** What an event takes besides its value, about. */
const overheadBytes = 200;

const nothing = { version: 0, value: null, contentType: null, metadata: null };
