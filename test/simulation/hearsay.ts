import type { Idempotency } from "../../src/kv/command.ts";
import type { OperationResult } from "../../src/kv/result.ts";
import type { Draft, WriteDraft } from "../../src/edge/forward.ts";
import type { ClientResult } from "../../src/protocol/client.ts";

/** What somebody has heard of a key. */
export interface Heard {
  readonly createRevision: number;
  readonly modRevision: number;
  /** Null when only the rest was told. */
  readonly value: Uint8Array | null;
}

/** A request that had a name. */
export interface Named {
  readonly idempotency: Idempotency;
  readonly draft: WriteDraft;
}

type ListDraft = Draft & { readonly type: "list" };

/** More of each nobody keeps in mind. */
const remembered = 5;

/** What clients have heard and done, and tell each other, so that they want something of each other's. */
export class Hearsay {
  readonly #keys = new Map<string, Heard>();
  /** The newest that anybody has heard of. */
  revision = 0;
  readonly leases: string[] = [];
  readonly names: Named[] = [];
  /** What is left of lists. */
  readonly rests: ListDraft[] = [];

  of(key: string): Heard | undefined {
    return this.#keys.get(key);
  }

  /** Somebody has put a request under a name. */
  asked(draft: WriteDraft): void {
    const { idempotency } = draft;
    if (idempotency !== undefined) keep(this.names, { idempotency, draft });
  }

  /** Somebody was told something. */
  told(draft: Draft, result: ClientResult): void {
    if ("revision" in result) this.revision = Math.max(this.revision, result.revision);
    switch (result.type) {
      case "value":
        if (draft.type === "get") this.#keys.set(draft.key, result);
        return;
      case "put":
        if (draft.type === "put")
          this.#put(draft.key, draft.value, result.revision, result.created);
        return;
      case "listed":
        for (const item of result.items) {
          if (item.type === "key") this.#keys.set(item.key, item.found);
        }
        if (draft.type === "list" && result.rest !== null) {
          keep(this.rests, { ...draft, range: result.rest });
        }
        return;
      case "transaction":
        this.#transacted(draft, result.results, result.succeeded);
        return;
      case "locked":
        if (draft.type === "lock") this.#put(draft.key, draft.value, result.revision, true);
        this.#granted(result.lease);
        return;
      case "lease":
        this.#granted(result.lease);
        return;
      case "replayed":
        return this.told(draft, result.result);
      default:
    }
  }

  #transacted(draft: Draft, results: readonly OperationResult[], succeeded: boolean): void {
    if (draft.type !== "transaction" && draft.type !== "query") return;
    const operations = succeeded ? draft.then : draft.else;
    results.forEach((result, i) => {
      const operation = operations[i];
      if (result.type !== "get" || result.found === null || operation?.type !== "get") return;
      this.#keys.set(operation.key, result.found);
    });
  }

  #granted(lease: string): void {
    if (!this.leases.includes(lease)) keep(this.leases, lease);
  }

  #put(key: string, value: Uint8Array, modRevision: number, created: boolean): void {
    const createRevision = created ? modRevision : (this.of(key)?.createRevision ?? modRevision);
    this.#keys.set(key, { createRevision, modRevision, value });
  }
}

function keep<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > remembered) list.shift();
}
