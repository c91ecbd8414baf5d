import type { ClientCommand, Command } from "../../src/kv/command.ts";
import { Outcomes, outcomeLimits } from "../../src/kv/outcomes.ts";
import { RequestWindow, windowSize } from "../../src/kv/request-window.ts";
import type { CommandResult } from "../../src/kv/result.ts";
import { type MachineState, StateMachine } from "../../src/kv/state-machine.ts";
import type { Row } from "../../src/kv/table.ts";
import { MemoryDisk, type MemoryStorage } from "./memory-storage.ts";

/**
 * A state machine on a disk of its own, fed with entries as the driver feeds it: what one `apply`
 * makes is stored in one turn, and a turn that put nothing on record is not stored at all.
 */
export class MachineBench {
  readonly #disk = new MemoryDisk();
  readonly #entries: (readonly Command[])[] = [];
  #storage!: MemoryStorage;
  #window!: RequestWindow;
  #machine!: StateMachine;
  #freshIds = 0;

  constructor() {
    this.#open();
  }

  get machine(): StateMachine {
    return this.#machine;
  }

  get state(): MachineState {
    return this.#machine.state;
  }

  row(key: string): Row | null {
    return this.#storage.table.get(key);
  }

  /** Changes a row behind the state machine's back. */
  tamper(key: string, changes: Partial<Row>): void {
    this.#storage.table.put(key, { ...this.row(key)!, ...changes });
  }

  /** Applies entries in one turn. Returns the results of all their commands, in order. */
  applyEntries(entries: readonly (readonly Command[])[]): CommandResult[] {
    this.#entries.push(...entries);
    return this.#catchUp();
  }

  /** Applies one entry. */
  apply(...commands: Command[]): CommandResult[] {
    return this.applyEntries([commands]);
  }

  /** Applies one command written as text: see `command`. Returns its result as text. */
  run(text: string): string {
    return describeResult(this.apply(this.command(text))[0]!);
  }

  /** Makes that many commands with effect and ids of their own, many in an entry. */
  fill(count: number): void {
    for (let left = count; left > 0; left -= 1024) {
      const { sequence } = this.state;
      this.apply(
        ...Array.from({ length: Math.min(1024, left) }, (_, i): Command => ({
          type: "delete",
          requestId: `f${sequence + i}`,
          floor: sequence,
          key: "f",
        })),
      );
    }
  }

  /**
   * Forgets what is in memory. What was not stored of the log is applied again, as after a boot.
   */
  restart(): void {
    this.#storage.endTurn();
    this.#storage.flush();
    this.#open();
    this.#catchUp();
  }

  /**
   * Reads `put k v`, `put k v type/subtype` or `delete k`, each with an id `#id` and a floor `>n`
   * at its end or without. An id of its own and the newest sequence number stand for what is left
   * out.
   */
  command(text: string): ClientCommand {
    const words = text.split(" ");
    const take = (mark: string): string | undefined => {
      const at = words.findIndex((word) => word.startsWith(mark));
      return at === -1 ? undefined : words.splice(at, 1)[0]!.slice(1);
    };
    const requestId = take("#") ?? `fresh ${this.#freshIds++}`;
    const floor = Number(take(">") ?? this.state.sequence);
    const [type, key = "", value = "", contentType = null] = words;
    if (type === "delete") return { type, requestId, floor, key };
    return { type: "put", requestId, floor, key, value: utf8(value), contentType };
  }

  #open(): void {
    this.#storage = this.#disk.open();
    this.#window = new RequestWindow(() => this.#storage.requestRecords(), windowSize);
    const { table, leases, uploads, history, machineState } = this.#storage;
    const outcomes = new Outcomes(this.#storage.outcomes, outcomeLimits);
    this.#machine = new StateMachine(
      { table, leases, uploads, history, window: this.#window, outcomes },
      machineState,
    );
  }

  #catchUp(): CommandResult[] {
    const results: CommandResult[] = [];
    for (let at = this.state.appliedIndex; at < this.#entries.length; at++) {
      results.push(...this.#machine.apply(at + 1, this.#entries[at]!));
    }
    const records = this.#window.takeUnsaved();
    const changes = this.#machine.takeChanges();
    if (records.length > 0) this.#storage.saveMachine(this.state, records, changes);
    return results;
  }
}

export function describeResult(result: CommandResult): string {
  switch (result.type) {
    case "put":
      return `${result.created ? "created" : "replaced"} r${result.revision}`;
    case "deleted":
      return `${result.deleted ? "deleted" : "nothing to delete"} r${result.revision}`;
    default:
      return result.type;
  }
}

/** A row's value and its revisions: created, modified, version. */
export function describeRow(row: Row | null): string {
  if (row === null) return "absent";
  const { value, createRevision, modRevision, version } = row;
  return `${new TextDecoder().decode(value)} c${createRevision} m${modRevision} v${version}`;
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
