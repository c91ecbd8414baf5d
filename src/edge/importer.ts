import type { NewValue, Operation } from "../kv/command.ts";
import { allKeys } from "../kv/key-range.ts";
import { maxRangeKeys } from "../kv/command.ts";
import { maxTransactionOperations, maxValueBytes } from "../protocol/limits.ts";
import { type DefiniteResult, Forwarding, type WriteDraft } from "./forward.ts";
import { bringIn } from "./large-value.ts";
import { Problem } from "./problem.ts";
import { refusalOf } from "./refusals.ts";
import type { ReplicaGroup } from "./replica-group.ts";
import { settle } from "./settle.ts";

/** Values that one transaction brings, in bytes. */
const maxBytes = 512 * 1024;

/** Brings many keys into a namespace, in transactions of many at a time. */
export class Importer {
  readonly #group: ReplicaGroup;
  readonly #timeoutMs: number;
  #operations: Operation[] = [];
  #bytes = 0;
  /** Keys that are there for sure. */
  imported = 0;
  /** Whether what was there has been deleted, or some of it. */
  hasEmptied = false;
  revision = 0;

  constructor(group: ReplicaGroup, timeoutMs: number) {
    this.#group = group;
    this.#timeoutMs = timeoutMs;
  }

  /** Deletes all there is, and has revisions go on where none has been. */
  async empty(): Promise<void> {
    this.hasEmptied = true;
    for (;;) {
      const result = await this.#ask({ type: "deleteRange", range: allKeys, limit: maxRangeKeys });
      if (result.type !== "rangeDeleted") throw new Error(`answered with ${result.type}`);
      if (!result.isMore) break;
    }
    await this.#ask({ type: "restore" });
  }

  async put(key: string, wanted: NewValue): Promise<void> {
    const { byteLength } = wanted.value;
    if (byteLength > maxValueBytes) return this.#putLarge(key, wanted);
    const isFull = this.#operations.length === maxTransactionOperations;
    if (isFull || this.#bytes + byteLength > maxBytes) await this.flush();
    this.#operations.push({ type: "put", key, ...wanted });
    this.#bytes += byteLength;
  }

  async flush(): Promise<void> {
    const then = this.#operations;
    if (then.length === 0) return;
    this.#operations = [];
    this.#bytes = 0;
    await this.#ask({ type: "transaction", if: [], then, else: [] });
    this.imported += then.length;
  }

  async #putLarge(key: string, wanted: NewValue): Promise<void> {
    await this.flush();
    const large = await bringIn(wanted.value, this.#group);
    await this.#ask({ type: "put", key, ...wanted, value: new Uint8Array(), large });
    this.imported++;
  }

  async #ask(draft: WriteDraft): Promise<DefiniteResult> {
    const forwarded = await new Forwarding(this.#group, draft, this.#timeoutMs).toLeader();
    if (forwarded.type === "redirected") throw new Error("nobody is sent on from here");
    const { result } = settle(forwarded);
    if (result.type === "refused") throw refusalOf(result, {});
    if ("revision" in result) this.revision = result.revision;
    return result;
  }
}

/** Says of what went wrong how far it had come: what is in stays in, and what is gone is gone. */
export function after(error: unknown, { imported, hasEmptied }: Importer): unknown {
  if (!(error instanceof Problem)) return error;
  const lost = hasEmptied ? "what was there had been deleted, " : "";
  const detail = `${error.message}; ${lost}${imported} keys had been imported, and stay`;
  const isChanged = imported > 0 || hasEmptied;
  const outcome = isChanged && error.outcome === "not_applied" ? "applied" : error.outcome;
  const extra = { ...error.extra, imported };
  return new Problem(error.code, detail, { headers: error.headers, outcome, extra });
}
