import type { DeleteCommand, PutCommand } from "../../src/kv/command.ts";
import type { DirectResult } from "../../src/kv/result.ts";
import type { ClientResult, GetRequest } from "../../src/protocol/client.ts";

type Write = PutCommand | DeleteCommand;
export type Request = GetRequest | Write;

/** What a client saw of one request: from the first attempt to the answer that counted. */
export interface Operation {
  readonly request: Request;
  readonly invokedMs: number;
  /** Null when the client never learnt what became of it. */
  answeredMs: number | null;
  result: ClientResult | null;
}

/** What comes of a write, once it has taken effect. */
type Changed = Extract<DirectResult, { readonly type: "put" | "deleted" }>;

/** A key's value at each revision that changed it; null for a delete. */
type Versions = { readonly revision: number; readonly value: string | null }[];

/**
 * Replays a committed log on a model with an endless memory for request ids, and holds against it
 * what clients were told. Since every effect has a revision of its own, the order of all effects is
 * known, and checking linearizability needs no search.
 *
 * @param log the commands of all committed entries, in order.
 */
export function checkHistory(log: readonly Write[], operations: readonly Operation[]): void {
  const results = new Map<string, Changed>();
  const keys = new Map<string, Versions>();
  const versionsOf = (key: string): Versions => {
    if (!keys.has(key)) keys.set(key, [{ revision: 0, value: null }]);
    return keys.get(key)!;
  };
  let revision = 0;
  for (const command of log) {
    if (results.has(command.requestId)) continue;
    const versions = versionsOf(command.key);
    const exists = versions.at(-1)!.value !== null;
    if (command.type === "put") {
      revision++;
      results.set(command.requestId, { type: "put", created: !exists, revision });
      versions.push({ revision, value: text(command.value) });
    } else {
      if (exists) versions.push({ revision: ++revision, value: null });
      results.set(command.requestId, { type: "deleted", deleted: exists, revision });
    }
  }

  const ended = operations
    .filter(({ result }) => result !== null)
    .sort((a, b) => a.invokedMs - b.invokedMs);
  /** The earliest place in the order of effects that each operation can have. */
  const placed: { readonly answeredMs: number; readonly at: number }[] = [];
  for (const { request, result, invokedMs, answeredMs } of ended) {
    const [from, to] = whereSeen(request, result!);
    const after = placed.filter((other) => other.answeredMs < invokedMs).map(({ at }) => at);
    const at = Math.max(from, ...after);
    if (at > to) {
      throw new Error(
        `${describe(request)} from ${invokedMs} to ${answeredMs} ms was answered ${JSON.stringify(result)}, ` +
          `which was so up to revision ${to}, but revision ${at} had been seen before it began`,
      );
    }
    placed.push({ answeredMs: answeredMs!, at });
  }

  /** The revisions at which the answer was true. */
  function whereSeen(request: Request, result: ClientResult): [from: number, to: number] {
    if (request.type !== "get") {
      const expected = results.get(request.requestId);
      if (JSON.stringify(expected) !== JSON.stringify(result)) {
        throw new Error(
          `${describe(request)} was answered ${JSON.stringify(result)}, but the log says ${JSON.stringify(expected)}`,
        );
      }
      return [expected!.revision, expected!.revision];
    }
    const versions = versionsOf(request.key);
    if (result.type === "absent") {
      const there = versions.findLast((version) => version.revision <= result.revision)!;
      if (there.value !== null)
        throw new Error(`${describe(request)} found nothing at ${result.revision}`);
      return [result.revision, result.revision];
    }
    if (result.type !== "value")
      throw new Error(`${describe(request)} was answered ${result.type}`);
    const at = versions.findIndex((version) => version.revision === result.modRevision);
    if (at === -1 || versions[at]!.value !== text(result.value!)) {
      throw new Error(
        `${describe(request)} found what was never written: ${JSON.stringify(result)}`,
      );
    }
    return [result.modRevision, (versions[at + 1]?.revision ?? Number.POSITIVE_INFINITY) - 1];
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const describe = (request: Request): string =>
  request.type === "get"
    ? `get ${request.key}`
    : `${request.type} ${request.key} #${request.requestId}`;
