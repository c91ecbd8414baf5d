import { expect } from "vitest";
import type { Command } from "../../src/kv/command.ts";
import { Outcomes, outcomeLimits } from "../../src/kv/outcomes.ts";
import { RequestWindow } from "../../src/kv/request-window.ts";
import type { CommandResult } from "../../src/kv/result.ts";
import { StateMachine } from "../../src/kv/state-machine.ts";
import { MemoryDisk, type MemoryStorage } from "../support/memory-storage.ts";
import { Corruptions } from "./corruptions.ts";
import { History } from "./history.ts";
import { Inventory } from "./inventory.ts";
import { Model } from "./model.ts";
import { isSame } from "./same.ts";
import { Sightings } from "./sometimes.ts";

/** The model and the state machine, side by side. */
export class Pair {
  readonly model: Model;
  readonly seen = new Sightings();
  readonly #history = new History();
  readonly #inventory: Inventory;
  readonly #storage: MemoryStorage = new MemoryDisk().open();
  readonly #window: RequestWindow;
  readonly #machine: StateMachine;
  #index = 0;

  constructor(windowSize = 32_768) {
    this.model = new Model(this.seen, windowSize);
    this.#inventory = new Inventory(this.model, this.#history, new Corruptions());
    this.#window = new RequestWindow(() => this.#storage.requestRecords(), windowSize);
    const { table, leases, uploads, history, machineState } = this.#storage;
    const outcomes = new Outcomes(this.#storage.outcomes, outcomeLimits);
    const parts = { table, leases, uploads, history, window: this.#window, outcomes };
    this.#machine = new StateMachine(parts, machineState);
  }

  get sequence(): number {
    return this.#machine.state.sequence;
  }

  /** Both apply an entry. They must tell the same, and hold the same. */
  apply(commands: readonly Command[]): CommandResult[] {
    const results = this.#machine.apply(++this.#index, commands);
    this.#storage.saveMachine(
      this.#machine.state,
      this.#window.takeUnsaved(),
      this.#machine.takeChanges(),
    );
    const expected = commands.flatMap((command) => this.model.take(command) ?? []);
    if (!isSame(results, expected)) expect(results, JSON.stringify(commands)).toEqual(expected);
    const { revision, sequence, nowMs, holdings } = this.model;
    this.#history.add({ revision, sequence, nowMs }, holdings);
    this.#inventory.counts("the machine", this.#machine.state);
    this.#inventory.holds("the machine", this.#index, this.#storage);
    return results;
  }
}
