import type { Random } from "../../src/raft/random.ts";
import type { Operation, Value } from "./operation.ts";

export interface SimulationOptions {
  readonly operations: number;
  readonly clients: number;
  /** How many keys are in use at a time. */
  readonly keys: number;
  /** A key is left after so many operations. */
  readonly operationsPerKey: number;
  readonly infoPerMille: number;
  readonly failPerMille: number;
  readonly hasRevisions: boolean;
  /** Whether clients name revisions that they know, though the history may not tell from where. */
  readonly namesRevisions: boolean;
  /** How long anything takes at most: a way to the store, a way back, a pause between. */
  readonly maxDelay: number;
  /** How late an operation of unknown outcome may take effect after its client has given up. */
  readonly maxLate: number;
}

interface Version {
  readonly value: Value | null;
  readonly rev: number;
}

interface Event {
  readonly at: number;
  readonly run: (at: number) => void;
}

/**
 * Draws a history from a store that is linearizable for certain, as each operation takes effect at
 * one moment. Some answers are lost, and some operations take effect long after.
 *
 * @returns the operations in the order of their returns.
 */
export function simulateHistory(random: Random, options: SimulationOptions): Operation[] {
  return new Simulation(random, options).run();
}

class Simulation {
  readonly #random: Random;
  readonly #options: SimulationOptions;
  readonly #events: Event[] = [];
  readonly #history: Operation[] = [];
  readonly #store = new Map<string, Version>();
  /** What clients have learnt of each key, the latest last: what they base a cas on. */
  readonly #seen = new Map<string, Version[]>();
  readonly #usesOfKey: { name: string; left: number }[] = [];
  #revision = 0;
  #calls = 0;
  #keysMade = 0;

  constructor(random: Random, options: SimulationOptions) {
    this.#random = random;
    this.#options = options;
    for (let i = 0; i < options.keys; i++) this.#usesOfKey.push(this.#newKey());
  }

  run(): Operation[] {
    for (let i = 1; i <= this.#options.clients; i++) this.#callLater(`c${i}`, 0);
    for (;;) {
      // There are only a few events per client, so a search for the next one does.
      const next = this.#events.reduce<Event | null>(
        (a, b) => (a === null || b.at < a.at ? b : a),
        null,
      );
      if (next === null) return this.#history;
      this.#events.splice(this.#events.indexOf(next), 1);
      next.run(next.at);
    }
  }

  #newKey(): { name: string; left: number } {
    return { name: `k${++this.#keysMade}`, left: this.#options.operationsPerKey };
  }

  #useKey(): string {
    const i = this.#random.between(0, this.#usesOfKey.length - 1);
    if (this.#usesOfKey[i]!.left === 0) this.#usesOfKey[i] = this.#newKey();
    this.#usesOfKey[i]!.left--;
    return this.#usesOfKey[i]!.name;
  }

  #after(at: number, maxDelay: number, run: (at: number) => void): void {
    this.#events.push({ at: at + this.#random.between(0, maxDelay), run });
  }

  #callLater(client: string, now: number): void {
    this.#after(now, this.#options.maxDelay, (at) => {
      if (this.#calls < this.#options.operations) this.#call(client, at);
    });
  }

  #call(client: string, call: number): void {
    this.#calls++;
    const { infoPerMille, failPerMille, maxDelay, maxLate } = this.#options;
    const request = this.#draw(client, call);
    const end = (at: number, operation: Operation): void => {
      this.#after(at, maxDelay, (returned) => {
        this.#history.push({ ...operation, return: returned });
        this.#callLater(client, returned);
      });
    };
    const fate = this.#random.between(0, 999);
    if (fate < infoPerMille) {
      const takesEffect = this.#random.between(0, 1) === 1;
      if (takesEffect) this.#after(call, maxLate, () => void this.#execute(request));
      end(call, { ...request, status: "info" });
    } else if (fate < infoPerMille + failPerMille) {
      end(call, { ...request, status: "fail" });
    } else {
      this.#after(call, maxDelay, (at) => end(at, this.#execute(request)));
    }
  }

  #draw(client: string, call: number): Operation {
    const key = this.#useKey();
    const common = { client, key, call, return: call, status: "ok" } as const;
    const value = `v${this.#calls}`;
    const kind = this.#random.between(0, 99);
    if (kind < 40) return { ...common, op: "get" };
    if (kind < 70) return { ...common, op: "put", input: value };
    if (kind < 80) return { ...common, op: "delete" };
    const seen = this.#seen.get(key) ?? [];
    const known = seen.at(-this.#random.between(1, 2));
    if (known === undefined || known.value === null) {
      return { ...common, op: "cas", input: { from_rev: 0, to: value } };
    }
    const byRevision = this.#options.namesRevisions && this.#random.between(0, 1) === 1;
    return {
      ...common,
      op: "cas",
      input: byRevision ? { from_rev: known.rev, to: value } : [known.value, value],
    };
  }

  /** Takes effect, and returns the operation with its answer. */
  #execute(operation: Operation): Operation {
    const { key } = operation;
    const found = this.#store.get(key) ?? { value: null, rev: 0 };
    const rev = (revision: number): { rev?: number } =>
      this.#options.hasRevisions ? { rev: revision } : {};
    const storeRevision = found.value === null ? this.#revision : found.rev;
    switch (operation.op) {
      case "get":
        this.#learn(key, found);
        return { ...operation, output: found.value, ...rev(storeRevision) };
      case "put":
        return { ...operation, ...rev(this.#write(key, operation.input)) };
      case "delete": {
        if (found.value === null) return { ...operation, output: false, ...rev(this.#revision) };
        return { ...operation, output: true, ...rev(this.#write(key, null)) };
      }
      case "cas": {
        const { input } = operation;
        const isByRevision = "to" in input;
        const fits = isByRevision
          ? input.from_rev === (found.value === null ? 0 : found.rev)
          : input[0] === found.value;
        if (!fits) return { ...operation, output: false, ...rev(storeRevision) };
        const written = this.#write(key, isByRevision ? input.to : input[1]);
        return { ...operation, output: true, ...rev(written) };
      }
    }
  }

  #write(key: string, value: Value | null): number {
    const version = { value, rev: ++this.#revision };
    this.#store.set(key, version);
    this.#learn(key, version);
    return version.rev;
  }

  #learn(key: string, version: Version): void {
    const seen = [...(this.#seen.get(key) ?? []), version].slice(-2);
    this.#seen.set(key, seen);
  }
}
