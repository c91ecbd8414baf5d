import type {
  ClientCommand,
  Command,
  Idempotency,
  Operation,
  TickCommand,
} from "../../src/kv/command.ts";
import type { CommandResult, DirectResult, OperationResult } from "../../src/kv/result.ts";
import type { Row } from "../../src/kv/table.ts";
import { Attempt, isRefused } from "./attempt.ts";
import { type Holdings, keysOfLease } from "./holdings.ts";
import { inOrder, isIn } from "./order.ts";
import type { Sightings } from "./sometimes.ts";

/** What goes by itself with one tick, wanted keys aside. */
const sweepLimit = 256;

/** How long a client's name for a request stands for what came of it, in ms. */
const nameMs = 24 * 60 * 60 * 1000;

/** What became of a request that a client gave a name. */
export interface Kept {
  readonly fingerprint: string;
  readonly result: DirectResult;
  readonly untilMs: number;
  /** The number of the command that it came of. */
  readonly sequence: number;
}

/**
 * The store as it is described, said as simply as can be: plain maps, copied whole for each command, and an
 * endless memory. It shares no code with what it is held against.
 *
 * Names are never forgotten for being too many, since no run has so many.
 */
export class Model {
  readonly #seen: Sightings;
  readonly #window: number;
  #holdings: Holdings = { rows: new Map(), leases: new Map() };
  /** What came of each request that was carried out. */
  readonly #results = new Map<string, DirectResult>();
  readonly #names = new Map<string, Kept>();
  revision = 0;
  nowMs = 0;

  /** @param window how many outcomes of requests replicas remember. */
  constructor(seen: Sightings, window: number) {
    this.#seen = seen;
    this.#window = window;
  }

  get holdings(): Holdings {
    return this.#holdings;
  }

  /** How many commands of clients were carried out, those that changed nothing included. */
  get sequence(): number {
    return this.#results.size;
  }

  /** What came of a request when it was carried out; undefined when it never was. */
  resultOf(requestId: string): DirectResult | undefined {
    return this.#results.get(requestId);
  }

  /** What names stand for. */
  get names(): ReadonlyMap<string, Kept> {
    return this.#names;
  }

  /** Takes a command. Returns what its client is to be told; null when nobody asked for it. */
  take(command: Command): CommandResult | null {
    switch (command.type) {
      case "tick":
        this.#tick(command);
        return null;
      case "advance":
        this.revision = Math.max(this.revision, command.revision);
        return null;
      default:
        return this.#once(command);
    }
  }

  #once(command: ClientCommand): CommandResult {
    const { requestId, floor, idempotency } = command;
    const before = this.#results.get(requestId);
    if (before !== undefined) {
      this.#seen.saw("request repeated and recognised");
      return this.#again(before, command);
    }
    // Its first attempt may have taken effect, for all that replicas can remember.
    if (this.sequence - floor > this.#window || floor > this.sequence) {
      this.#seen.saw("request that came too late");
      return { type: "expired" };
    }
    const kept = idempotency && this.#names.get(idempotency.name);
    if (kept === undefined || kept.untilMs <= this.nowMs) return this.#carryOut(command);
    if (kept.fingerprint !== idempotency!.fingerprint) {
      this.#seen.saw("name stands for something else");
      return { type: "reused" };
    }
    this.#seen.saw("name stands for an outcome");
    return { type: "replayed", result: kept.result };
  }

  #carryOut(command: ClientCommand): DirectResult {
    const attempt = new Attempt(this.#holdings, {
      revision: this.revision,
      sequence: this.sequence,
      nowMs: this.nowMs,
    });
    const result = attempt.carryOut(command);
    this.#results.set(command.requestId, result);
    this.#notice(command, result);
    // What was refused has changed nothing, not even what it could have changed before it was.
    if (!isRefused(result)) this.#become(attempt);
    if (command.idempotency !== undefined) this.#keep(command.idempotency, command, result);
    return result;
  }

  #notice({ type }: ClientCommand, result: DirectResult): void {
    const seen = this.#seen;
    switch (result.type) {
      case "mismatch":
        return seen.saw(type === "lock" ? "lock held by another" : "condition that does not hold");
      case "transaction":
        if (!result.succeeded) seen.saw("transaction that takes its other branch");
        return;
      case "refused":
        if (type === "keepAlive") seen.saw("lease kept alive too late");
        seen.saw((result.at ?? 0) > 0 ? "transaction given up half way" : "operation refused");
        return;
      case "lease":
        if (type === "keepAlive") seen.saw("lease kept alive");
        return;
      case "revoked":
        if (result.deleted > 0) seen.saw("lease revoked with its keys");
        return;
      case "locked":
        return seen.saw("lock taken");
      case "deleted":
        if (type === "unlock") seen.saw("lock given up");
        return;
      default:
    }
  }

  #keep({ name, fingerprint }: Idempotency, { type }: ClientCommand, result: DirectResult): void {
    // Who waits for a lock asks again and again under one name. (There is room for leases in any run.)
    if (type === "lock" && result.type === "mismatch") return;
    const untilMs = this.nowMs + nameMs;
    this.#names.set(name, { fingerprint, result, untilMs, sequence: this.sequence });
  }

  /**
   * It is so late. Of what is due by then goes, for good, and at one revision:
   *
   * 1. of the keys that somebody waits for, all that are due;
   * 2. of those with a time of their own the first 256, by when they are due and then by key;
   * 3. of the leases, by when they are due and then by id, each with its keys in order: as many keys as are
   *    missing to 256, and a lease itself goes with the last of its keys.
   *
   * What goes as one of the first counts as one of the others all the same.
   */
  #tick({ nowMs, keys: wanted = [] }: TickCommand): void {
    this.nowMs = Math.max(this.nowMs, nowMs);
    const before = this.#holdings;
    const [rows, leases] = [new Map(before.rows), new Map(before.leases)];
    if (wanted.length > 0) this.#seen.saw("read waits for what is due");
    for (const key of wanted) {
      const row = before.rows.get(key);
      if (row !== undefined && this.#isOver(row)) rows.delete(key);
    }
    const due = this.#due(before.rows).slice(0, sweepLimit);
    for (const key of due) rows.delete(key);
    this.#seen.saw("key expired", due.length);
    let room = sweepLimit - due.length;
    for (const lease of this.#due(before.leases)) {
      if (room === 0) break;
      const keys = keysOfLease(before.rows, lease);
      for (const key of keys.slice(0, room)) rows.delete(key);
      if (keys.length <= room) leases.delete(lease);
      room -= Math.min(room, keys.length);
      this.#seen.saw(keys.length > 0 ? "lease ended with its keys" : "lease ended without a key");
    }
    this.#become({ rows, leases });
  }

  /** What has a time of its own, and it is over: the first to end first. */
  #due(all: Holdings["rows"] | Holdings["leases"]): string[] {
    const endOf = (name: string): number => all.get(name)!.expiresMs ?? Number.POSITIVE_INFINITY;
    return inOrder(all.keys())
      .filter((name) => endOf(name) <= this.nowMs)
      .toSorted((a, b) => endOf(a) - endOf(b));
  }

  #isOver({ expiresMs, lease }: Row): boolean {
    const endMs = lease === null ? expiresMs : (this.#holdings.leases.get(lease)?.expiresMs ?? 0);
    return endMs !== null && endMs <= this.nowMs;
  }

  /** All that a command changes has one revision; what changes no key has none. */
  #become({ rows, leases }: Holdings): void {
    const before = this.#holdings.rows;
    const isNew = [...rows].some(([key, row]) => before.get(key) !== row);
    if (isNew || rows.size < before.size) this.revision++;
    this.#holdings = { rows, leases };
  }

  /** What is told to whoever asks again: what has been replaced since is not there any more. */
  #again(result: DirectResult, command: ClientCommand): DirectResult {
    if (result.type !== "transaction" || command.type !== "transaction") return result;
    const operations = result.succeeded ? command.then : command.else;
    const results = result.results.map((each, i): OperationResult => {
      const operation = operations[i]!;
      if (each.type !== "get" || operation.type !== "get" || each.found === null) return each;
      const { key } = operation;
      const { modRevision: revision } = each.found;
      const stayed = !operations.slice(i + 1).some((later) => changes(later, key));
      if (stayed && this.#holdings.rows.get(key)?.modRevision === revision) return each;
      this.#seen.saw("repeated transaction without a value");
      return { type: "replaced", revision };
    });
    return { ...result, results };
  }
}

/** Whether an operation leaves a key other than it was. */
function changes(operation: Operation, key: string): boolean {
  if (operation.type === "deleteRange") return isIn(key, operation.range);
  return operation.type !== "get" && operation.key === key;
}
