import {
  type Operation,
  type Value,
  changedKey,
  writtenValue,
} from "../linearizability/operation.ts";
import type { Told } from "../support/event-source.ts";

/** What somebody who watched was told, from the first revision on. */
export interface Watched {
  readonly name: string;
  readonly events: readonly Told[];
  /** Everything up to this one has been told. */
  readonly revision: number;
}

/**
 * Holds what was told of changes, each of one key, against what clients saw, and against what others were
 * told. Every write that was acknowledged is there, once, at its revision; one of which nobody heard
 * perhaps, at most once; one that was refused never; and a read has found what is said to have been there.
 *
 * @returns what is wrong, the first of each kind.
 */
export function checkWatched(
  operations: readonly Operation[],
  watched: readonly Watched[],
): string[] {
  const complaints = [
    ...watched.map(checkOrder),
    ...watched.map((each) => checkAgreement(each, watched)),
    checkAcknowledged(operations, watched),
    checkCauses(operations, told(watched)),
    checkReads(operations, watched),
  ];
  return complaints.filter((complaint) => complaint !== null);
}

/** All that anybody was told, by revision; with values where anybody was told them. */
function told(watched: readonly Watched[]): ReadonlyMap<number, Told> {
  const all = new Map<number, Told>();
  for (const { events } of watched) {
    for (const event of events) {
      if (all.get(event.revision)?.omitted ?? true) all.set(event.revision, event);
    }
  }
  return all;
}

function checkOrder({ name, events }: Watched): string | null {
  const at = events.findIndex((event, i) => i > 0 && event.revision <= events[i - 1]!.revision);
  if (at === -1) return null;
  return `${name} is told ${describe(events[at]!)} after ${describe(events[at - 1]!)}`;
}

function checkAgreement(
  { name, events, revision }: Watched,
  others: readonly Watched[],
): string | null {
  const own = new Map(events.map((event) => [event.revision, event]));
  for (const other of others) {
    for (const event of other.events) {
      if (event.revision > revision) continue;
      const same = own.get(event.revision);
      if (same === undefined) return `${name} is not told ${describe(event)}, but ${other.name} is`;
      if (!areAlike(same, event)) {
        return `${name} is told ${describe(same)}, and ${other.name} ${describe(event)}`;
      }
    }
  }
  return null;
}

function areAlike(a: Told, b: Told): boolean {
  const [one, two] = [a, b].map(({ type, key, version }) => `${type} ${key} ${version}`);
  return one === two && (a.omitted || b.omitted || a.value === b.value);
}

/** How far anybody has been told. */
const endOf = (watched: readonly Watched[]): number =>
  Math.max(...watched.map(({ revision }) => revision));

function checkAcknowledged(
  operations: readonly Operation[],
  watched: readonly Watched[],
): string | null {
  const events = told(watched);
  const end = endOf(watched);
  for (const operation of operations) {
    const { rev, key } = operation;
    if (!changedKey(operation) || rev === undefined || rev > end) continue;
    const event = events.get(rev);
    const value = writtenValue(operation);
    if (event === undefined) return `nobody is told ${lineOf(operation)}`;
    if (event.key === key && isValue(event, value)) continue;
    return `${describe(event)} is told of ${lineOf(operation)}`;
  }
  return null;
}

/** Each event has one cause, and each cause one event. */
function checkCauses(
  operations: readonly Operation[],
  events: ReadonlyMap<number, Told>,
): string | null {
  const acknowledged = new Map<number, Operation>();
  const writers = new Map<string, Operation>();
  const deleters = new Set<string>();
  for (const operation of operations) {
    if (changedKey(operation) && operation.rev !== undefined) {
      acknowledged.set(operation.rev, operation);
    }
    const value = writtenValue(operation);
    if (value !== null) writers.set(`${operation.key} ${value}`, operation);
    const mayDelete = operation.op === "delete" && operation.status === "info";
    if (mayDelete) deleters.add(operation.key);
  }
  const seen = new Map<Operation, Told>();
  for (const event of events.values()) {
    if (acknowledged.has(event.revision) || event.omitted) continue;
    if (event.type !== "put") {
      if (deleters.has(event.key)) continue;
      return `nobody asked for ${describe(event)}`;
    }
    const writer = writers.get(`${event.key} ${event.value}`);
    if (writer === undefined) return `nobody asked for ${describe(event)}`;
    if (writer.status !== "info") return `${describe(event)} is told of ${lineOf(writer)}`;
    const before = seen.get(writer);
    if (before !== undefined) return `${describe(event)} is told after ${describe(before)}`;
    seen.set(writer, event);
  }
  return null;
}

function checkReads(operations: readonly Operation[], watched: readonly Watched[]): string | null {
  const events = told(watched);
  const end = endOf(watched);
  for (const operation of operations) {
    if (operation.op !== "get" || operation.status !== "ok") continue;
    const { output = null, rev, key } = operation;
    if (output === null || rev === undefined || rev > end) continue;
    const event = events.get(rev);
    if (event?.key === key && isValue(event, output)) continue;
    return `${event === undefined ? "nothing" : describe(event)} is told of ${lineOf(operation)}`;
  }
  return null;
}

function isValue({ type, value, omitted }: Told, expected: Value | null): boolean {
  if (expected === null) return type === "delete";
  return type === "put" && (omitted === true || value === expected);
}

const describe = ({ type, key, revision, value, omitted }: Told): string => {
  const what = type === "put" ? ` ${omitted ? "…" : value}` : "";
  return `${type} ${key}${what} at ${revision}`;
};

const lineOf = ({ client, op, key, status, rev, ...rest }: Operation): string => {
  const value = writtenValue({ client, op, key, status, ...rest } as Operation);
  const parts = [
    op,
    key,
    value ?? "",
    `of ${client},`,
    status,
    rev === undefined ? "" : `at ${rev}`,
  ];
  return parts.filter(Boolean).join(" ");
};
