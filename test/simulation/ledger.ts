import type { Command, CommandResult, PutCommand } from "../../src/kv/command.ts";
import type { MachineState } from "../../src/kv/state-machine.ts";
import type { RequestRecord } from "../../src/kv/request-window.ts";
import type { KvTable, Row } from "../../src/kv/table.ts";
import type { ClientRequest, ClientResult } from "../../src/protocol/client.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import type { Entry } from "../../src/raft/types.ts";
import { check } from "../invariants/check.ts";
import type { Corruptions } from "./corruptions.ts";
import type { Sightings } from "./sometimes.ts";

/** A request of a client that is under way. */
export interface Operation {
  readonly request: ClientRequest;
  /** The newest revision that anybody had been told of when it began. */
  readonly floor: number;
  /** When it began, as corruptions count. */
  readonly moment: number;
}

/** A value that a key had from one revision on; null when it had none. */
interface Version {
  readonly revision: number;
  readonly row: Row | null;
}

/**
 * Keeps what is committed, and holds against it what clients and replicas are told.
 *
 * It is a model of the store with an endless memory for request ids. Every effect has a revision of
 * its own, so the order of all effects is known, and whether a history is linearizable shows at each
 * answer: it must be true at some revision not older than what anybody knew when the request began.
 */
export class Ledger {
  readonly #seen: Sightings;
  readonly #window: number;
  readonly #corruptions: Corruptions;
  readonly #results = new Map<string, CommandResult>();
  readonly #keys = new Map<string, Version[]>();
  /** The revision and the number of requests after each entry, from index 0. */
  readonly #after: { readonly revision: number; readonly sequence: number }[] = [
    { revision: 0, sequence: 0 },
  ];
  /** What replicas said the state machine's hash is after an entry. */
  readonly #hashes = new Map<number, string>();
  /** Writes of which a client was told that they have surely not happened, and never will. */
  readonly #refused = new Set<string>();
  #revision = 0;
  /** The newest revision that anybody was told of. */
  #known = 0;
  answered = 0;

  /** @param window how many outcomes replicas remember. */
  constructor(seen: Sightings, window: number, corruptions: Corruptions) {
    this.#seen = seen;
    this.#corruptions = corruptions;
    this.#window = window;
  }

  /** Takes in what has been committed since the last call. */
  read(committed: readonly Entry[]): void {
    for (let index = this.#after.length; index <= committed.length; index++) {
      const { type, data } = committed[index - 1]!;
      if (type === "command")
        for (const command of fromBytes<Command[]>(data)) this.#apply(command);
      this.#after.push({ revision: this.#revision, sequence: this.#results.size });
    }
  }

  /** A replica has applied entries. All of them come to the same state, which is the model's. */
  applied(id: string, { appliedIndex, revision, sequence, hash }: MachineState): void {
    const model = this.#after[appliedIndex]!;
    const isRight = model.revision === revision && model.sequence === sequence;
    check(isRight, "state machine safety", () => {
      return `${id} has revision ${revision} and sequence ${sequence} at ${appliedIndex}, not ${model.revision} and ${model.sequence}`;
    });
    if (this.#corruptions.has(id)) return;
    const known = this.#hashes.get(appliedIndex);
    if (known === undefined) this.#hashes.set(appliedIndex, hash);
    check(known === undefined || known === hash, "state machine safety", () => {
      return `${id} has hash ${hash} at ${appliedIndex}, where another has ${known}`;
    });
  }

  /** A replica that has applied everything has the model's keys, and records of its requests. */
  holds(id: string, table: KvTable, records: readonly RequestRecord[]): void {
    this.shows(id, table, this.#revision);
    this.remembers(id, records, this.#results.size);
  }

  /** A replica has the keys of a revision. */
  shows(id: string, table: KvTable, at: number): void {
    for (const [key, versions] of this.#keys) {
      const { row } = versions.findLast(({ revision }) => revision <= at)!;
      check(isSameRow(table.get(key), row), "state machine safety", () => {
        return `${id} has another ${key} at revision ${at} than that of ${row?.modRevision}`;
      });
    }
  }

  /** A replica has records of requests, up to the newest. (Windows are larger than any run.) */
  remembers(id: string, records: readonly RequestRecord[], sequence: number): void {
    const isWhole = records.length === sequence && (records.at(-1)?.sequence ?? 0) === sequence;
    check(isWhole, "dedupe tables", () => {
      return `${id} has ${records.length} records, and ${sequence} requests took effect`;
    });
    for (const { requestId, result } of records) {
      const isRight = JSON.stringify(result) === JSON.stringify(this.#results.get(requestId));
      check(isRight, "dedupe tables", () => `${id} has another outcome of ${requestId}`);
    }
  }

  begin(request: ClientRequest): Operation {
    return { request, floor: this.#known, moment: this.#corruptions.moment };
  }

  /** A client was told what happened, or what it asked for, by a replica. */
  tell({ request, floor, moment }: Operation, result: ClientResult, replica: string): void {
    // A row that has been tampered with is read as it is, until something is found to be wrong.
    if (request.type === "get" && this.#corruptions.excuses(replica, request.key, moment)) return;
    const [from, to] = this.#whereTrue(request, result);
    const at = Math.max(from, floor);
    check(at <= to, "linearizability", () => {
      return `${describe(request)} was answered ${describeAnswer(result)}, true from revision ${from} to ${to}, but ${floor} was known before it began`;
    });
    this.#known = Math.max(this.#known, at);
    this.answered++;
  }

  /** A client was told that nothing happened, nor will. */
  refuse({ request }: Operation): void {
    if (request.type === "get") return;
    const happened = this.#results.has(request.requestId);
    check(!happened, "refused means not applied", () => describe(request));
    this.#refused.add(request.requestId);
  }

  #apply(command: Command): void {
    const { requestId, key } = command;
    if (this.#results.has(requestId)) {
      this.#seen.saw("request repeated and recognised");
      return;
    }
    check(!this.#refused.has(requestId), "refused means not applied", () => describe(command));
    // Its first attempt may have taken effect, for all that replicas can remember.
    if (this.#results.size - command.floor > this.#window) {
      this.#seen.saw("request that came too late");
      return;
    }
    const versions = this.#versions(key);
    const old = versions.at(-1)!.row;
    if (command.type === "put") {
      const revision = ++this.#revision;
      this.#results.set(requestId, { type: "put", created: old === null, revision });
      versions.push({ revision, row: rowAfter(old, command, revision) });
    } else {
      if (old !== null) versions.push({ revision: ++this.#revision, row: null });
      const { revision } = { revision: this.#revision };
      this.#results.set(requestId, { type: "deleted", deleted: old !== null, revision });
    }
  }

  /** The revisions at which an answer was true. */
  #whereTrue(request: ClientRequest, result: ClientResult): [from: number, to: number] {
    if (request.type !== "get") {
      const expected = this.#results.get(request.requestId);
      check(JSON.stringify(expected) === JSON.stringify(result), "acknowledged write", () => {
        return `${describe(request)} was answered ${describeAnswer(result)}; what is committed says ${JSON.stringify(expected)}`;
      });
      const { revision } = expected as { revision: number };
      return [revision, revision];
    }
    const versions = this.#versions(request.key);
    if (result.type === "absent") {
      const then = versions.findLast(({ revision }) => revision <= result.revision)!;
      check(then.row === null && result.revision <= this.#revision, "true reads", () => {
        return `${describe(request)} found nothing at ${result.revision}, where there was something`;
      });
      return [result.revision, result.revision];
    }
    check(result.type === "value", "true reads", () => `${describe(request)}: ${result.type}`);
    const found = result as ClientResult & { type: "value" };
    const at = versions.findLastIndex(({ revision }) => revision === found.modRevision);
    const row = versions[at]?.row ?? null;
    const isTrue = row !== null && isSameRow({ ...found, value: found.value ?? row.value }, row);
    const isWhole = found.size === row?.value.byteLength;
    const isAsked = (found.value === null) === request.metadataOnly;
    check(isWhole && isAsked, "true reads", () => `${describe(request)} has size ${found.size}`);
    check(isTrue, "true reads", () => {
      return `${describe(request)} was answered ${describeAnswer(found)}, which was never written`;
    });
    return [found.modRevision, (versions[at + 1]?.revision ?? Number.POSITIVE_INFINITY) - 1];
  }

  #versions(key: string): Version[] {
    let versions = this.#keys.get(key);
    if (versions === undefined) {
      versions = [{ revision: 0, row: null }];
      this.#keys.set(key, versions);
    }
    return versions;
  }
}

function rowAfter(old: Row | null, command: PutCommand, modRevision: number): Row {
  const { value, contentType } = command;
  const createRevision = old?.createRevision ?? modRevision;
  return { value, contentType, createRevision, modRevision, version: (old?.version ?? 0) + 1 };
}

function isSameRow(a: Row | null, b: Row | null): boolean {
  if (a === null || b === null) return a === b;
  const isSameValue =
    a.value.byteLength === b.value.byteLength && a.value.every((byte, i) => byte === b.value[i]);
  const fields = ["contentType", "createRevision", "modRevision", "version"] as const;
  return isSameValue && fields.every((field) => a[field] === b[field]);
}

/** One request in a few words. */
export const describe = (request: ClientRequest): string =>
  request.type === "get"
    ? `get ${request.key}`
    : `${request.type} ${request.key} ${request.requestId}`;

/** One answer in a few words. */
export function describeAnswer(result: ClientResult): string {
  switch (result.type) {
    case "value":
      return `revision ${result.modRevision}`;
    case "absent":
      return `nothing at revision ${result.revision}`;
    case "put":
      return `${result.created ? "created" : "put"} at revision ${result.revision}`;
    case "deleted":
      return `${result.deleted ? "deleted" : "nothing to delete"} at revision ${result.revision}`;
    case "notLeader":
      return `not leader, that is ${result.leader ?? "unknown"}`;
    case "dropped":
    case "unknown":
    case "expired":
      return result.type;
  }
}
