import type { ClientCommand, Command } from "../../src/kv/command.ts";
import type { CommandResult, Found } from "../../src/kv/result.ts";
import type { MachineState } from "../../src/kv/state-machine.ts";
import type { ClientRequest, ClientResult, ReadResult } from "../../src/protocol/client.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import type { Entry } from "../../src/raft/types.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { check } from "../invariants/check.ts";
import type { Corruptions } from "./corruptions.ts";
import { History, type Span } from "./history.ts";
import type { Holdings } from "./holdings.ts";
import { Inventory } from "./inventory.ts";
import { Knowledge } from "./knowledge.ts";
import { Model } from "./model.ts";
import { isSame } from "./same.ts";
import type { Sightings } from "./sometimes.ts";
import { Truth } from "./truth.ts";
import { describe, describeAnswer } from "./wording.ts";

/** A request of a client that is under way. */
export interface Operation {
  readonly request: ClientRequest;
  /** The newest entry whose effect anybody knew of when it began. */
  readonly floor: number;
  /** The last entry that was committed then. */
  readonly committed: number;
  /** When it began, as corruptions count. */
  readonly moment: number;
  /** When it began, as all clocks show it where none is wrong. */
  readonly beganMs: number;
}

/** What was decided of a request when an entry brought it. */
interface Decision {
  readonly index: number;
  readonly result: CommandResult;
}

export interface LedgerPorts {
  readonly seen: Sightings;
  readonly corruptions: Corruptions;
  /** How many outcomes replicas remember. */
  readonly window: number;
  readonly nowMs: () => number;
  /** Whether all clocks go as fast as each other. */
  readonly keepsPace: boolean;
  /** Whether all clocks show the same, and all replicas can tell the group what that is. */
  readonly isPunctual: boolean;
}

/**
 * Keeps what is committed, and holds against it what clients and replicas are told.
 *
 * Each entry leads to a state, and all of them are known, so whether a history is linearizable shows at each
 * answer: it must be true in some state that is not older than what anybody knew when the request began.
 */
export class Ledger {
  readonly #ports: LedgerPorts;
  readonly #model: Model;
  readonly #history = new History();
  readonly #truth = new Truth(this.#history);
  /** What replicas have, and ought to. */
  readonly #inventory: Inventory;
  /** What clients have asked for, by the names that it goes by. */
  readonly #asked = new Map<string, ClientCommand>();
  readonly #decisions = new Map<string, Decision[]>();
  /** Writes of which a client was told that they have surely not happened, and never will. */
  readonly #refused = new Set<string>();
  readonly #knowledge: Knowledge;
  answered = 0;

  constructor(ports: LedgerPorts) {
    this.#ports = ports;
    this.#model = new Model(ports.seen, ports.window);
    this.#knowledge = new Knowledge(this.#history, ports.keepsPace);
    this.#inventory = new Inventory(this.#model, this.#history, ports.corruptions);
  }

  /** What there is by all that is committed. */
  get model(): Pick<Model, "holdings" | "revision" | "nowMs"> {
    return this.#model;
  }

  /** Takes in what has been committed since the last call. */
  read(committed: readonly Entry[]): void {
    for (let index = this.#history.last + 1; index <= committed.length; index++) {
      const { type, data } = committed[index - 1]!;
      const before = this.#model.holdings;
      const commands = type === "command" ? fromBytes<Command[]>(data) : [];
      for (const command of commands) this.#take(command, index);
      const { revision, sequence, nowMs, holdings } = this.#model;
      this.#history.add({ revision, sequence, nowMs }, holdings);
      if (commands.length === 1 && commands[0]!.type === "tick") this.#seeExpiry(before, committed);
    }
  }

  /** A replica has applied the entries behind one. All of them come to the same state, which is the model's. */
  applied(id: string, after: number, state: MachineState, storage: Storage): void {
    this.#inventory.counts(id, state);
    this.#inventory.hasChanged(id, after, state.appliedIndex, storage);
  }

  /** A replica has all that it should at an entry. */
  holds(id: string, state: MachineState, storage: Storage): void {
    this.#inventory.counts(id, state);
    this.#inventory.holds(id, state.appliedIndex, storage);
  }

  begin(request: ClientRequest): Operation {
    const { corruptions, nowMs } = this.#ports;
    if ("requestId" in request) this.#asked.set(request.requestId, request);
    const { newest: floor } = this.#knowledge;
    const { last: committed } = this.#history;
    return { request, floor, committed, moment: corruptions.moment, beganMs: nowMs() };
  }

  /**
   * A client was told what happened, or what it asked for, by a replica. Returns whether it can be believed:
   * one whose state has been tampered with tells what it finds there, until that is found to be wrong.
   */
  tell(operation: Operation, result: ClientResult, replica: string): boolean {
    const { request, moment } = operation;
    const { corruptions, seen, nowMs } = this.#ports;
    if (corruptions.excuses(replica, moment)) return false;
    const { shown, ...said } = result as ReadResult;
    const floor = this.#knowledge.floorOf(operation, shown);
    const { from, to } = this.#whereTrue(request, said, floor);
    const at = Math.max(from, floor);
    check(at <= to, "linearizability", () => {
      return `${describe(request)} was answered ${describeAnswer(result)}, true after entries ${from} to ${to}, but ${floor} was known before it began`;
    });
    if (to < operation.floor) seen.saw("read shows what is no more so");
    const isCurrent = shown === undefined || shown.level === "linearizable";
    if (!("requestId" in request) && isCurrent) this.#isInTime(operation, said, { from: at, to });
    this.#knowledge.note(at, nowMs());
    this.answered++;
    return true;
  }

  /** A client was told that nothing happened, nor will. */
  refuse({ request }: Operation): void {
    if (!("requestId" in request)) return;
    const happened = this.#model.resultOf(request.requestId) !== undefined;
    check(!happened, "refused means not applied", () => describe(request));
    this.#refused.add(request.requestId);
  }

  #take(command: Command, index: number): void {
    if ("requestId" in command) this.#isWelcome(command);
    const result = this.#model.take(command);
    if (result === null) return;
    const { requestId } = command as ClientCommand;
    const decisions = this.#decisions.get(requestId) ?? [];
    decisions.push({ index, result });
    this.#decisions.set(requestId, decisions);
  }

  /** What the last entry let go may have come under another leader. */
  #seeExpiry(before: Holdings, committed: readonly Entry[]): void {
    const termAt = (index: number): number => committed[index - 1]!.term;
    const { last } = this.#history;
    for (const [key, { modRevision }] of before.rows) {
      if (this.#model.holdings.rows.has(key)) continue;
      const { from } = this.#history.ofValue(key, modRevision);
      if (termAt(from) !== termAt(last)) this.#ports.seen.saw("key expired under another leader");
    }
  }

  /** It is what was asked for, and nobody has said that it would not be carried out. */
  #isWelcome(command: ClientCommand): void {
    const { requestId, floor } = command;
    const asked = this.#asked.get(requestId);
    check(asked === undefined || isSame({ ...asked, floor }, command), "committed as asked", () => {
      return `${describe(asked!)} became ${describe(command)}`;
    });
    const isLate = this.#refused.has(requestId) && !this.#decisions.has(requestId);
    check(!isLate, "refused means not applied", () => describe(command));
  }

  /** After which entries an answer was true. */
  #whereTrue(request: ClientRequest, result: ClientResult, floor: number): Span {
    if (!("requestId" in request)) {
      return this.#truth.spanOf(request, result as ReadResult, floor);
    }
    const decisions = this.#decisions.get(request.requestId) ?? [];
    const same = decisions.filter((each) => isSame(each.result, result));
    check(same.length > 0, "acknowledged write", () => {
      return `${describe(request)} was answered ${JSON.stringify(result)}; what is committed says ${JSON.stringify(decisions)}`;
    });
    const { index } = same.find((each) => each.index >= floor) ?? same[0]!;
    return { from: index, to: index };
  }

  /**
   * Where clocks are right, nothing is shown after its time. What was put while the read was under way, with a
   * time that is short or long ago, may have been there for a moment.
   */
  #isInTime({ request, beganMs, committed }: Operation, result: ReadResult, span: Span): void {
    if (!this.#ports.isPunctual) return;
    // It may have been kept alive before the answer.
    const endOf = (lease: string): number => this.#history.endOfLease(lease, span);
    for (const { expiresMs, lease, modRevision } of foundsIn(result)) {
      if (this.#history.ofRevision(modRevision).from > committed) continue;
      const endMs = lease === null ? expiresMs : endOf(lease);
      check(endMs === null || endMs > beganMs, "expiry", () => {
        return `${describe(request)} began at ${beganMs} and shows what ended at ${endMs}`;
      });
    }
    const isOver = result.type === "leaseFound" && endOf(result.lease) <= beganMs;
    const isOld = isOver && this.#history.lease(result.lease, committed) !== null;
    check(!isOld, "expiry", () => `${describe(request)} began at ${beganMs}, when it was over`);
  }
}

/** The values that an answer tells of. */
function foundsIn(result: ReadResult): Pick<Found, "expiresMs" | "lease" | "modRevision">[] {
  switch (result.type) {
    case "value":
      return [result];
    case "listed":
      return result.items.flatMap((item) => (item.type === "key" ? item.found : []));
    case "transaction":
      return result.results.flatMap((each) => (each.type === "get" ? (each.found ?? []) : []));
    default:
      return [];
  }
}
