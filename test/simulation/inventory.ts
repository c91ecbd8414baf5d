import type { Recorded } from "../../src/kv/record.ts";
import type { DirectResult } from "../../src/kv/result.ts";
import type { MachineState } from "../../src/kv/state-machine.ts";
import type { RequestRecord } from "../../src/kv/request-window.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { check } from "../invariants/check.ts";
import type { Corruptions } from "./corruptions.ts";
import type { History } from "./history.ts";
import type { Model } from "./model.ts";
import { isSame } from "./same.ts";

const invariant = "state machine safety";

/** Holds what replicas have stored against what the model has. */
export class Inventory {
  readonly #model: Model;
  readonly #history: History;
  readonly #corruptions: Corruptions;
  /** What replicas said the state machine's hash is after an entry. */
  readonly #hashes = new Map<number, string>();

  constructor(model: Model, history: History, corruptions: Corruptions) {
    this.#model = model;
    this.#history = history;
    this.#corruptions = corruptions;
  }

  /** All that have applied an entry have counted the same, and come to the same hash. */
  counts(id: string, { appliedIndex, revision, sequence, nowMs, hash }: MachineState): void {
    const model = this.#history.at(appliedIndex);
    const isTampered = this.#corruptions.has(id);
    // What a wrong row leads to changes something, or does not, and is kept under a name, or is not.
    const counted = isTampered ? { ...model, nowMs } : { revision, sequence, nowMs };
    check(isSame(counted, model), invariant, () => {
      return `${id} has counted ${JSON.stringify(counted)} at ${appliedIndex}, not ${JSON.stringify(model)}`;
    });
    if (isTampered) return;
    const known = this.#hashes.get(appliedIndex);
    if (known === undefined) this.#hashes.set(appliedIndex, hash);
    check(known === undefined || known === hash, invariant, () => {
      return `${id} has hash ${hash} at ${appliedIndex}, where another has ${known}`;
    });
  }

  /** A replica has what entries have changed. */
  hasChanged(id: string, after: number, upTo: number, storage: Storage): void {
    if (this.#corruptions.has(id)) return;
    const { keys, leases } = this.#history.changedIn(after, upTo);
    this.#hasRows(id, keys, upTo, storage);
    this.#hasLeases(id, leases, upTo, storage);
  }

  /** A replica has all that there was after an entry, and nothing else. (Windows are larger than any run.) */
  holds(id: string, index: number, storage: Storage): void {
    this.#hasRows(id, this.#history.keysEver(), index, storage);
    this.#hasLeases(id, [...this.#history.leasesEver], index, storage);
    const { length: count } = this.#history.keys(index);
    const more = storage.table.count({ from: "", to: null }, count + 1);
    check(more === count, invariant, () => `${id} has ${more} keys at ${index}, not ${count}`);
    this.#hasOutcomes(id, index, storage);
    this.#hasRecords(id, [...storage.requestRecords()], this.#history.at(index).sequence);
  }

  #hasRows(id: string, keys: readonly string[], index: number, { table }: Storage): void {
    for (const key of keys) {
      const row = this.#history.row(key, index);
      check(isSame(table.get(key), row), invariant, () => {
        return `${id} has another ${key} at ${index} than that of ${row?.modRevision}: ${JSON.stringify(table.get(key))}`;
      });
    }
  }

  #hasLeases(id: string, ids: readonly string[], index: number, { leases }: Storage): void {
    for (const lease of ids) {
      const terms = this.#history.lease(lease, index);
      check(isSame(leases.get(lease), terms), invariant, () => {
        return `${id} has lease ${lease} at ${index} as ${JSON.stringify(leases.get(lease))}, not ${JSON.stringify(terms)}`;
      });
    }
  }

  /** What names stand for that did so by then. */
  #hasOutcomes(id: string, index: number, { outcomes }: Storage): void {
    const { sequence } = this.#history.at(index);
    for (const [name, kept] of this.#model.names) {
      const found = outcomes.find(name);
      const isRight =
        kept.sequence > sequence
          ? found === null || found.fingerprint !== kept.fingerprint
          : found?.fingerprint === kept.fingerprint && isSame(found.result, kept.result);
      check(isRight, "dedupe tables", () => `${id} has another outcome of the name ${name}`);
    }
  }

  #hasRecords(id: string, records: readonly RequestRecord[], sequence: number): void {
    const isWhole = records.length === sequence && (records.at(-1)?.sequence ?? 0) === sequence;
    check(isWhole, "dedupe tables", () => {
      return `${id} has ${records.length} records, and ${sequence} requests took effect`;
    });
    for (const { requestId, result } of records) {
      const kept = this.#model.resultOf(requestId);
      check(kept !== undefined && isSame(result, recorded(kept)), "dedupe tables", () => {
        return `${id} has another outcome of ${requestId}: ${JSON.stringify(result)}`;
      });
    }
  }
}

/** What is kept for repetitions: of what a transaction has read, only which revision that was of. */
function recorded(result: DirectResult): Recorded {
  if (result.type !== "transaction") return result;
  const { succeeded, failed, revision, results } = result;
  const outcomes = results.map((each) => {
    switch (each.type) {
      case "get":
        return each.found?.modRevision ?? 0;
      case "put":
        return each.created;
      case "deleted":
        return each.deleted;
      case "incremented":
        return each.value;
      case "replaced":
        throw new Error("nothing is replaced when it is read for the first time");
    }
  });
  return { type: "transacted", succeeded, failed, revision, outcomes };
}
