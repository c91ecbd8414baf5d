import { type RevisionChanges, hasSucceeded, keyChanges } from "./changes.ts";
import {
  type ClientCommand,
  type Command,
  type DeleteCommand,
  type LockCommand,
  type PutCommand,
  type UnlockCommand,
  partBytes,
} from "./command.ts";
import { holds } from "./condition.ts";
import { History, type HistoryTable, type Retention, readableFrom } from "./history.ts";
import { Leases } from "./leases.ts";
import type { Outcomes } from "./outcomes.ts";
import { type Recorded, abridged, completed } from "./record.ts";
import type { RequestWindow } from "./request-window.ts";
import { nextRestore } from "./epochs.ts";
import { type CommandResult, type DirectResult, type Refusal, refused } from "./result.ts";
import { firstHash, hashAfter } from "./running-hash.ts";
import { type Change, Staging } from "./staging.ts";
import type { KvTable, LeaseTable, Row } from "./table.ts";
import { transact } from "./transaction.ts";
import { type UploadTable, Uploads } from "./uploads.ts";

/**
 * The state machine's own counters. They are stored in the same transaction as the effects they
 * count.
 */
export interface MachineState {
  /** The log index of the last entry applied. */
  readonly appliedIndex: number;
  /**
   * The number of writes that changed something: the store's version, and the ETag of what the last
   * of them wrote.
   */
  readonly revision: number;
  /** The number of commands on record since the beginning, those that changed nothing included. */
  readonly sequence: number;
  /**
   * A running hash over all that was applied and what came of it; equal replicas have equal ones at
   * equal indexes.
   */
  readonly hash: string;
  /** What is kept of what is replaced. */
  readonly retention: Retention | null;
  /** The latest that ticks have said it is, in ms since 1970. Never goes back, whatever clocks do. */
  readonly nowMs: number;
}

export const initialState: MachineState = {
  appliedIndex: 0,
  revision: 0,
  sequence: 0,
  hash: firstHash,
  retention: null,
  nowMs: 0,
};

/** Refusals that do not last: the same request may succeed later. */
const passing: ReadonlySet<Refusal> = new Set(["too_many_leases", "too_many_uploads", "no_upload"]);

/** What a state machine works on. */
export interface MachineParts {
  readonly table: KvTable;
  readonly leases: LeaseTable;
  readonly uploads: UploadTable;
  readonly history: HistoryTable;
  readonly window: RequestWindow;
  readonly outcomes: Outcomes;
}

/**
 * The replicated store: what it answers and keeps depends on nothing but the commands applied, in
 * order.
 */
export class StateMachine {
  readonly #table: KvTable;
  readonly #window: RequestWindow;
  readonly #outcomes: Outcomes;
  readonly #leases: Leases;
  readonly #uploads: Uploads;
  readonly #history: History;
  #state: MachineState;
  #changes: RevisionChanges[] = [];
  /** Which command of its entry is being applied. */
  #place = 0;

  constructor(
    { table, leases, uploads, history, window, outcomes }: MachineParts,
    state: MachineState,
  ) {
    this.#table = table;
    this.#window = window;
    this.#outcomes = outcomes;
    this.#uploads = new Uploads(uploads);
    this.#history = new History(history, this.#uploads);
    this.#leases = new Leases(table, leases, this.#uploads);
    this.#state = state;
  }

  get state(): MachineState {
    return this.#state;
  }

  /** When the first value or lease is due to go; null when none is. A tick of then lets it go. */
  get dueMs(): number | null {
    return this.#leases.dueMs;
  }

  /** Whether each entry has to say what time it is. */
  get wantsTime(): boolean {
    return this.#state.retention !== null;
  }

  /** Whether a value's time is over by then, though no tick has said that it is then. */
  isDue(row: Row, nowMs: number): boolean {
    return this.#leases.isDue(row, nowMs);
  }

  /**
   * Applies the commands of the log entry at `index`, which must be the next one; none for an entry
   * that only opens a term. Returns what became of those that clients asked for.
   */
  apply(index: number, commands: readonly Command[]): CommandResult[] {
    if (index !== this.#state.appliedIndex + 1) {
      throw new Error(`entry ${index} cannot be applied after ${this.#state.appliedIndex}`);
    }
    const results = commands.flatMap((command, place) => {
      this.#place = place;
      return this.#take(command);
    });
    this.#state = { ...this.#state, appliedIndex: index };
    return results;
  }

  /** What was changed since the last call, to be stored in the same transaction. */
  takeChanges(): readonly RevisionChanges[] {
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  /** Goes on from another state, which storage holds with its rows and records. */
  restore(state: MachineState): void {
    this.#window.reload();
    this.#leases.forget();
    this.#changes = [];
    this.#state = state;
  }

  #take(command: Command): CommandResult[] {
    switch (command.type) {
      case "tick": {
        const nowMs = Math.max(this.#state.nowMs, command.nowMs);
        this.#state = { ...this.#state, nowMs };
        const staging = this.#stage();
        this.#leases.sweep(nowMs, command.keys ?? [], staging);
        this.#compact(nowMs);
        this.#commit(command, null, staging);
        return [];
      }
      case "advance": {
        const revision = Math.max(this.#state.revision, command.revision);
        this.#state = { ...this.#state, revision };
        this.#commit(command, null, this.#stage());
        return [];
      }
      default:
        return [this.#once(command)];
    }
  }

  #once(command: ClientCommand): CommandResult {
    const before = this.#window.find(command.requestId);
    if (before !== null) return completed(before, command, this.#table);
    const { sequence, nowMs } = this.#state;
    // Nobody has seen a number that is not reached yet, unless the group was rebuilt from a replica that
    // did not have everything. Then nothing tells whether this was applied.
    const isOfAnotherEpoch = command.floor > sequence;
    if (isOfAnotherEpoch || this.#window.isExpired(command.floor, sequence)) {
      return { type: "expired" };
    }
    const { idempotency } = command;
    const kept = idempotency === undefined ? null : this.#outcomes.find(idempotency.name, nowMs);
    if (kept === null) return this.#carryOut(command);
    if (kept.fingerprint !== idempotency!.fingerprint) return { type: "reused" };
    return { type: "replayed", result: kept.result };
  }

  #carryOut(command: ClientCommand): DirectResult {
    const tried = this.#stage();
    const executed = this.#execute(command, tried);
    // What cannot be done to its end is not done at all.
    const staging = executed.type === "refused" ? this.#stage() : tried;
    const revision = this.#revisionAfter(staging);
    const result = "revision" in executed ? { ...executed, revision } : executed;
    const sequence = this.#state.sequence + 1;
    this.#state = { ...this.#state, sequence };
    this.#window.record({ requestId: command.requestId, sequence, result: abridged(result) });
    const { nowMs } = this.#state;
    // Who waits for a lock, or for room, asks for it again and again.
    const isHeld = command.type === "lock" && result.type === "mismatch";
    const isToBeTriedAgain = result.type === "refused" && passing.has(result.reason);
    if (command.idempotency !== undefined && !isHeld && !isToBeTriedAgain) {
      this.#outcomes.keep(command.idempotency, result, nowMs);
    }
    this.#commit(command, abridged(result), staging);
    return result;
  }

  /** Returns what comes of it; any revision in it is yet to be told. */
  #execute(command: ClientCommand, staging: Staging): DirectResult {
    const { nowMs } = this.#state;
    switch (command.type) {
      case "put":
        return this.#put(command, staging);
      case "delete": {
        const mismatch = this.#mismatch(command, staging);
        const deleted = mismatch === null && staging.delete(command.key);
        return mismatch ?? { type: "deleted", deleted, revision: 0 };
      }
      case "deleteRange": {
        const keys = staging.keys(command.range, command.limit + 1);
        const going = keys.slice(0, command.limit);
        for (const key of going) staging.delete(key);
        const isMore = keys.length > going.length;
        return { type: "rangeDeleted", deleted: going.length, isMore, revision: 0 };
      }
      case "transaction": {
        const result = transact(command, staging, this.#leases, nowMs);
        return result.type === "refused" ? result : { ...result, revision: 0 };
      }
      case "stage": {
        const { upload, part, data } = command;
        const objection = this.#uploads.stage(upload, part, data, nowMs);
        this.#leases.forget();
        return objection ?? { type: "staged" };
      }
      case "retain": {
        const retention = this.#retain(command.keepMs);
        this.#state = { ...this.#state, retention };
        const { keepMs } = command;
        return { type: "retained", keepMs, from: readableFrom(retention), revision: 0 };
      }
      case "restore": {
        const revision = nextRestore(this.#state.revision);
        this.#state = { ...this.#state, revision };
        return { type: "restored", revision };
      }
      case "grant":
        return this.#leases.grant(String(this.#state.sequence + 1), command.ttlMs, nowMs);
      case "lock":
        return this.#lock(command, staging);
      case "unlock":
        return this.#unlock(command, staging);
      case "keepAlive":
        return this.#leases.keepAlive(command.lease, nowMs);
      case "revoke":
        return this.#leases.revoke(command.lease, nowMs, staging);
    }
  }

  #put(command: PutCommand, staging: Staging): DirectResult {
    const { large, key } = command;
    const result = this.#mismatch(command, staging) ?? this.#putWhole(command, staging);
    if (large !== undefined && staging.get(key)?.large !== large) {
      this.#uploads.discard(large.upload);
      this.#leases.forget();
    }
    return result;
  }

  #putWhole(command: PutCommand, staging: Staging): DirectResult {
    const { large, key } = command;
    const expiry = this.#leases.expiryOf(command.expiry, this.#state.nowMs);
    if ("reason" in expiry) return expiry;
    const isWhole =
      large === undefined ||
      this.#uploads.isWhole(large.upload, Math.ceil(large.size / partBytes), large.size);
    if (!isWhole) return refused("no_upload");
    return { type: "put", created: staging.put(key, command, expiry), revision: 0 };
  }

  #lock({ key, value, contentType, ttlMs }: LockCommand, staging: Staging): DirectResult {
    const row = staging.get(key);
    if (row !== null) return { type: "mismatch", current: row.modRevision, revision: 0 };
    const lease = String(this.#state.sequence + 1);
    const granted = this.#leases.grant(lease, ttlMs, this.#state.nowMs);
    if (granted.type !== "lease") return granted;
    staging.put(key, { value, contentType }, { expiresMs: null, lease });
    return { ...granted, type: "locked", revision: 0 };
  }

  #unlock({ key, token }: UnlockCommand, staging: Staging): DirectResult {
    const row = staging.get(key);
    if (row?.createRevision !== token) {
      return { type: "mismatch", current: row?.modRevision ?? null, revision: 0 };
    }
    // The lease goes with the lock that it was for, unless it has ended and only its keys are still there.
    if (row.lease !== null) this.#leases.revoke(row.lease, this.#state.nowMs, staging);
    staging.delete(key);
    return { type: "deleted", deleted: true, revision: 0 };
  }

  #mismatch(command: PutCommand | DeleteCommand, staging: Staging): DirectResult | null {
    const { condition, key } = command;
    if (condition === undefined) return null;
    const row = staging.get(key);
    if (holds(condition, row)) return null;
    return { type: "mismatch", current: row?.modRevision ?? null, revision: 0 };
  }

  #retain(keepMs: number | null): Retention | null {
    const { retention, revision } = this.#state;
    if (keepMs === null) return retention === null ? null : { ...retention, keepMs };
    const isOn = retention !== null && retention.keepMs !== null;
    return { keepMs, since: isOn ? retention.since : revision, gone: retention?.gone ?? revision };
  }

  #compact(nowMs: number): void {
    const { retention } = this.#state;
    if (retention === null) return;
    const compacted = this.#history.compact(retention, nowMs);
    // Large values that went with it are due now.
    if (compacted !== retention) this.#leases.forget();
    this.#state = { ...this.#state, retention: compacted };
  }

  /** Keeps the rows that are replaced, if that is wanted. Returns whether it is. */
  #keep(changes: readonly Change[]): boolean {
    const { retention, revision, nowMs: untilMs } = this.#state;
    if (retention === null || retention.keepMs === null) return false;
    for (const { key, before: row } of changes) {
      if (row !== null) this.#history.keep({ key, row, untilRevision: revision + 1, untilMs });
    }
    return true;
  }

  #stage(): Staging {
    return new Staging(this.#table, this.#state.revision + 1);
  }

  #revisionAfter({ changes }: Staging): number {
    return this.#state.revision + (changes.length > 0 ? 1 : 0);
  }

  /** Writes what a command changes, and takes it into the hash. */
  #commit(command: Command, result: Recorded | null, staging: Staging): void {
    const { changes } = staging;
    staging.commit();
    const isKept = this.#keep(changes);
    for (const { before, after } of changes) {
      if ((before?.expiresMs ?? after?.expiresMs ?? null) !== null) this.#leases.forget();
      if ((before?.large ?? after?.large ?? null) === null) continue;
      this.#leases.forget();
      // One that is kept is let go of with the row.
      this.#uploads.changed(isKept ? null : before, after, this.#state.nowMs);
    }
    const hash = hashAfter(this.#state.hash, command, result, changes);
    const revision = this.#revisionAfter(staging);
    if (changes.length > 0) {
      const index = this.#state.appliedIndex + 1;
      const keys = keyChanges(command, changes);
      const place = this.#place;
      this.#changes.push({ revision, index, place, succeeded: hasSucceeded(result), keys });
    }
    this.#state = { ...this.#state, revision, hash };
  }
}
