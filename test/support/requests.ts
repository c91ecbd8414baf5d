import type { RequestId } from "../../src/raft/io.ts";
import type { NodeId } from "../../src/raft/types.ts";
import { check } from "../invariants/check.ts";
import type { Invariants } from "../invariants/invariants.ts";
import type { StepRecord, TestReplica } from "./test-replica.ts";

interface Open {
  readonly type: "proposal" | "read";
  readonly node: NodeId;
}

/** Watches that every proposal and every read ends, once, and as the truth is. */
export class Requests {
  readonly #invariants: Invariants;
  readonly #open = new Map<RequestId, Open>();
  /** Proposals that were said to have had no effect. */
  readonly #void = new Set<RequestId>();
  readonly #committed = new Set<RequestId>();
  /** How many of all committed entries are in that set. */
  #checked = 0;
  #lastId = 0;

  constructor(invariants: Invariants) {
    this.#invariants = invariants;
  }

  get open(): readonly RequestId[] {
    return [...this.#open.keys()];
  }

  make(type: Open["type"], { id }: TestReplica): RequestId {
    this.#lastId++;
    this.#open.set(this.#lastId, { type, node: id });
    return this.#lastId;
  }

  stepped({ replica, output }: StepRecord): void {
    for (const { id, index } of output.done) {
      this.#end(id, "proposal", replica);
      const entry = output.apply.find((each) => each.index === index);
      const isIt = entry !== undefined && idIn(entry.data) === id;
      check(isIt, "done", () => `#${id} ended as done at ${index}, which is not its entry`);
    }
    for (const { id } of output.reads) this.#end(id, "read", replica);
    for (const { id, reason } of output.failed) {
      this.#end(id, null, replica);
      if (reason !== "unknown") this.#void.add(id);
      this.#isHonest(id);
    }
  }

  /** The host has died: nobody waits for its requests any more. */
  crashed({ id }: TestReplica): void {
    for (const [request, { node }] of this.#open) if (node === id) this.#open.delete(request);
  }

  /** A request commits at most once, and never after or before it is said to have had no effect. */
  checkCommitted(): void {
    const { committed } = this.#invariants.commits;
    for (const { data } of committed.slice(this.#checked)) {
      const id = idIn(data);
      if (id === 0) continue;
      check(!this.#committed.has(id), "at most once", () => `#${id} committed again`);
      this.#committed.add(id);
      this.#isHonest(id);
    }
    this.#checked = committed.length;
  }

  #isHonest(id: RequestId): void {
    const isHonest = !(this.#void.has(id) && this.#committed.has(id));
    check(isHonest, "failed means failed", () => `#${id} failed and committed`);
  }

  #end(id: RequestId, type: Open["type"] | null, replica: TestReplica): void {
    const open = this.#open.get(id);
    const isRight =
      open !== undefined && open.node === replica.id && (type ?? open.type) === open.type;
    check(isRight, "ends once", () => `#${id} ended again, or not where or as what it began`);
    this.#open.delete(id);
  }
}

/** Data that names its proposal, so that an entry can be told from any other. */
export function dataOf(id: RequestId, padding: number): Uint8Array {
  const data = new Uint8Array(4 + padding);
  new DataView(data.buffer).setUint32(0, id);
  return data;
}

/** 0 for an entry without data, which no proposal made. */
const idIn = (data: Uint8Array): RequestId =>
  data.byteLength === 0 ? 0 : new DataView(data.buffer, data.byteOffset).getUint32(0);
