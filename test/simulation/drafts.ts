import type { Expiry, NewValue, Operation } from "../../src/kv/command.ts";
import type { Condition, KeyCondition } from "../../src/kv/condition.ts";
import type { KeyRange } from "../../src/kv/key-range.ts";
import { type Draft, type WriteDraft, isWrite } from "../../src/edge/forward.ts";
import type { Level, ReadRequest } from "../../src/protocol/client.ts";
import type { Random } from "../../src/raft/random.ts";
import type { Hearsay } from "./hearsay.ts";
import { counters } from "./tally.ts";
import type { World } from "./world.ts";

/** Requests with keys of its own before a client leaves them for others. */
const perKey = 100;

/** What is drawn from. */
export interface DraftParts {
  /** Of the client. */
  readonly name: string;
  readonly random: Random;
  readonly hearsay: Hearsay;
  /** What time it is, as somebody knows it who is neither early nor late. */
  readonly nowMs: () => number;
  /** What time the group was told that it is. */
  readonly groupMs: () => number;
}

export function draftsOf(world: World, name: string, random: Random): Drafts {
  const { hearsay, agenda, ledger } = world;
  const [nowMs, groupMs] = [() => agenda.nowMs, () => ledger.model.nowMs];
  return new Drafts({ name, random, hearsay, nowMs, groupMs });
}

/** A read that says how old may be what it shows. */
export const leveled = (read: ReadRequest, level: Level | null): ReadRequest =>
  level === null ? read : ({ ...read, level } as ReadRequest);

/** What a client may want: all there is, of few keys that all share. */
export class Drafts {
  readonly #parts: DraftParts;
  readonly #random: Random;
  #values = 0;
  #names = 0;

  constructor(parts: DraftParts) {
    this.#parts = parts;
    this.#random = parts.random;
  }

  next(): Draft {
    const draft = this.#draw();
    return isWrite(draft) ? this.#named(draft) : draft;
  }

  /** How old may be what a read shows; mostly not at all, and then only a leader may answer. */
  level(): Level | null {
    if (!this.#oneIn(5)) return null;
    const { revision } = this.#parts.hearsay;
    const maxWaitMs = this.#among([0, 20, 200]);
    return this.#among<Level>([
      { type: "linearizable" },
      { type: "linearizable" },
      { type: "session", epoch: 1, revision, maxWaitMs },
      { type: "bounded", maxStalenessMs: this.#random.between(1, 500) },
      { type: "any" },
    ]);
  }

  /** Unlike any other, and sometimes long enough to fill a message. */
  value(): Uint8Array {
    const length = this.#oneIn(8) ? this.#random.between(1, 300) : 0;
    const text = `${this.#parts.name}/${++this.#values}${"+".repeat(length)}`;
    return new TextEncoder().encode(text);
  }

  #draw(): Draft {
    const key = this.#key();
    return this.#weighed<Draft>([
      [16, () => ({ type: "get", key, metadataOnly: this.#oneIn(4) })],
      [4, () => this.#list()],
      [1, () => ({ type: "count", range: this.#range() })],
      [2, () => this.#query()],
      [1, () => ({ type: "lease", lease: this.#lease() })],
      [10, () => ({ type: "put", key, ...this.#newValue(), ...this.#maybeIf(key) })],
      [4, () => ({ type: "delete", key, ...this.#maybeIf(key) })],
      [1, () => ({ type: "deleteRange", range: this.#range(), limit: this.#among([1, 2, 100]) })],
      [4, () => this.#transaction()],
      [2, () => this.#count()],
      [1, () => ({ type: "grant", ttlMs: this.#ttlMs() })],
      [1, () => ({ type: "keepAlive", lease: this.#lease() })],
      [1, () => ({ type: "revoke", lease: this.#lease() })],
      [1, () => this.#lock(key)],
      [1, () => ({ type: "unlock", key, token: this.#parts.hearsay.of(key)?.createRevision ?? 0 })],
    ]);
  }

  /** Some writes have a name; of these, some have one that was used before, for the same or for something else. */
  #named(draft: WriteDraft): WriteDraft {
    if (!this.#oneIn(5)) return draft;
    const { names } = this.#parts.hearsay;
    if (names.length > 0 && this.#oneIn(2)) {
      const { idempotency, draft: before } = this.#among(names);
      if (!this.#oneIn(4)) return before;
      return { ...draft, idempotency: { ...idempotency, fingerprint: this.#newName() } };
    }
    const name = this.#newName();
    return { ...draft, idempotency: { name, fingerprint: name } };
  }

  #newName(): string {
    return `${this.#parts.name}#${++this.#names}`;
  }

  /** A few that all share, and others after some time; some are not ASCII, and go on after a slash. */
  #key(): string {
    const last = this.#oneIn(8) ? this.#among(["2/é", "2/\uffee", "2/\u{1f600}"]) : undefined;
    return `${this.#family}.${last ?? this.#random.between(0, 2)}`;
  }

  get #family(): string {
    return `k${Math.trunc(this.#values / perKey)}`;
  }

  /** All keys of a family, or some. */
  #range(): KeyRange {
    const family = this.#family;
    const [from, to] = [this.#random.between(0, 2), this.#random.between(0, 3)];
    // A slash comes after a dot.
    return {
      from: from === 0 ? `${family}.` : `${family}.${from}`,
      to: to <= from ? `${family}/` : `${family}.${to}`,
    };
  }

  #list(): Draft {
    const { rests } = this.#parts.hearsay;
    if (rests.length > 0 && this.#oneIn(3)) return this.#among(rests);
    return {
      type: "list",
      range: this.#oneIn(3) ? { from: "", to: null } : this.#range(),
      order: this.#among(["ascending", "descending"] as const),
      fold: this.#among([null, { length: 0, delimiter: "." }, { length: 3, delimiter: "/" }]),
      limit: this.#among([1, 2, 3, 100]),
      values: this.#oneIn(2),
    };
  }

  #query(): Draft {
    const gets = (): Operation[] => this.#some(0, 3, () => ({ type: "get", key: this.#key() }));
    return { type: "query", if: this.#conditions(), then: gets(), else: gets() };
  }

  /** Some do several things with one key. */
  #transaction(): Draft {
    const one = this.#oneIn(3) ? this.#key() : null;
    const operations = (least: number): Operation[] =>
      this.#some(least, 4, () => this.#operation(one ?? this.#key()));
    return {
      type: "transaction",
      if: this.#conditions(),
      then: operations(1),
      else: operations(0),
    };
  }

  /** Counts up, perhaps in vain: what comes after may be refused. */
  #count(): Draft {
    const by = this.#random.between(1, 3);
    const count: Operation = { type: "increment", key: this.#among(counters), by };
    const more = this.#oneIn(3) ? [this.#operation(this.#key())] : [];
    return { type: "transaction", if: [], then: [count, ...more], else: [] };
  }

  #operation(key: string): Operation {
    return this.#weighed<Operation>([
      [3, () => ({ type: "get", key })],
      [4, () => ({ type: "put", key, ...this.#newValue() })],
      [2, () => ({ type: "delete", key })],
      [1, () => ({ type: "deleteRange", range: this.#range() })],
      [1, () => ({ type: "increment", key: this.#among(counters), by: 1 })],
      // Most values are no numbers.
      [1, () => ({ type: "increment", key, by: 1 })],
    ]);
  }

  #conditions(): KeyCondition[] {
    return this.#some(0, 2, () => {
      const key = this.#key();
      return { key, condition: this.#condition(key) };
    });
  }

  #maybeIf(key: string): { condition?: Condition } {
    return this.#oneIn(4) ? { condition: this.#condition(key) } : {};
  }

  /** Often one that holds, by what was heard of a key. */
  #condition(key: string): Condition {
    const {
      modRevision: revision = 0,
      createRevision = 0,
      value,
    } = this.#parts.hearsay.of(key) ?? {};
    return this.#among<Condition>([
      { type: "revision", revision },
      { type: "revision", revision },
      { type: "created", revision: createRevision },
      { type: "exists" },
      { type: "absent" },
      { type: "value", value: value ?? new Uint8Array() },
    ]);
  }

  #newValue(): NewValue {
    return {
      value: this.value(),
      contentType: this.#among([null, "", "text/plain"]),
      ...(this.#oneIn(4) ? { metadata: `{"by":"${this.#parts.name}"}` } : {}),
      ...(this.#oneIn(3) ? { expiry: this.#expiry() } : {}),
    };
  }

  #expiry(): Expiry {
    const { nowMs, groupMs } = this.#parts;
    switch (this.#random.between(0, 3)) {
      case 0:
        return { type: "lease", lease: this.#lease() };
      case 1: {
        const aboutMs = this.#oneIn(2) ? nowMs() : groupMs();
        return { type: "at", expiresMs: Math.max(0, aboutMs + this.#random.between(-50, 1500)) };
      }
      default:
        return { type: "ttl", ttlMs: this.#ttlMs() };
    }
  }

  /** From a few messages to about as long as a run takes. */
  #ttlMs(): number {
    return this.#random.between(10, this.#among([100, 1000, 3000]));
  }

  /** One that somebody has, or that nobody ever had. */
  #lease(): string {
    const { leases } = this.#parts.hearsay;
    return leases.length === 0 || this.#oneIn(10) ? "0" : this.#among(leases);
  }

  #lock(key: string): Draft {
    const { value, contentType } = this.#newValue();
    return { type: "lock", key, value, contentType, ttlMs: this.#ttlMs() };
  }

  #some<T>(least: number, most: number, draw: () => T): T[] {
    return Array.from({ length: this.#random.between(least, most) }, draw);
  }

  /** Draws one of these, as often as its weight says. */
  #weighed<T>(choices: readonly (readonly [number, () => T])[]): T {
    let left = this.#random.between(
      1,
      choices.reduce((sum, [weight]) => sum + weight, 0),
    );
    for (const [weight, draw] of choices) {
      left -= weight;
      if (left <= 0) return draw();
    }
    throw new Error("there is nothing to choose from");
  }

  #oneIn(count: number): boolean {
    return this.#random.between(1, count) === 1;
  }

  #among<T>(values: readonly T[]): T {
    return values[this.#random.between(0, values.length - 1)]!;
  }
}
