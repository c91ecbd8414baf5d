import type { Command, CommandResult, PutCommand } from "./command.ts";
import type { RequestWindow } from "./request-window.ts";
import { firstHash, hashAfter } from "./running-hash.ts";
import type { KvTable, Row } from "./table.ts";

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
}

export const initialState: MachineState = {
  appliedIndex: 0,
  revision: 0,
  sequence: 0,
  hash: firstHash,
};

/**
 * The replicated store: what it answers and keeps depends on nothing but the commands applied, in
 * order.
 */
export class StateMachine {
  readonly #table: KvTable;
  readonly #window: RequestWindow;
  #state: MachineState;

  constructor(table: KvTable, window: RequestWindow, state: MachineState) {
    this.#table = table;
    this.#window = window;
    this.#state = state;
  }

  get state(): MachineState {
    return this.#state;
  }

  /**
   * Applies the commands of the log entry at `index`, which must be the next one; none for an entry
   * that only opens a term.
   */
  apply(index: number, commands: readonly Command[]): CommandResult[] {
    if (index !== this.#state.appliedIndex + 1) {
      throw new Error(`entry ${index} cannot be applied after ${this.#state.appliedIndex}`);
    }
    const results = commands.map((command) => this.#once(command));
    this.#state = { ...this.#state, appliedIndex: index };
    return results;
  }

  /** Goes on from another state, which storage holds with its rows and records. */
  restore(state: MachineState): void {
    this.#window.reload();
    this.#state = state;
  }

  #once(command: Command): CommandResult {
    const before = this.#window.find(command.requestId);
    if (before !== null) return before;
    const { sequence } = this.#state;
    // Nobody has seen a number that is not reached yet, unless the group was rebuilt from a replica that
    // did not have everything. Then nothing tells whether this was applied.
    const isOfAnotherEpoch = command.floor > sequence;
    if (isOfAnotherEpoch || this.#window.isExpired(command.floor, sequence)) {
      return { type: "expired" };
    }
    const old = this.#table.get(command.key);
    const result = this.#execute(command, old);
    this.#note(command, result, old);
    return result;
  }

  #execute(command: Command, old: Row | null): CommandResult {
    switch (command.type) {
      case "put":
        return this.#put(command, old);
      case "delete":
        return this.#delete(command.key, old);
    }
  }

  #put({ key, value, contentType }: PutCommand, old: Row | null): CommandResult {
    const revision = this.#nextRevision();
    this.#table.put(key, {
      value,
      contentType,
      createRevision: old?.createRevision ?? revision,
      modRevision: revision,
      version: (old?.version ?? 0) + 1,
    });
    return { type: "put", created: old === null, revision };
  }

  #delete(key: string, old: Row | null): CommandResult {
    const { revision } = this.#state;
    if (old === null) return { type: "deleted", deleted: false, revision };
    this.#table.delete(key);
    return { type: "deleted", deleted: true, revision: this.#nextRevision() };
  }

  #nextRevision(): number {
    const revision = this.#state.revision + 1;
    this.#state = { ...this.#state, revision };
    return revision;
  }

  #note(command: Command, result: CommandResult, old: Row | null): void {
    const sequence = this.#state.sequence + 1;
    this.#window.record({ requestId: command.requestId, sequence, result });
    const hash = hashAfter(this.#state.hash, command, result, old);
    this.#state = { ...this.#state, sequence, hash };
  }
}
