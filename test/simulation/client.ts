import { type Draft, type Forwarded, isWrite } from "../../src/edge/forward.ts";
import type { Expiry } from "../../src/kv/command.ts";
import type { Level, ListResult } from "../../src/protocol/client.ts";
import type { Random } from "../../src/raft/random.ts";
import { asTerm } from "../../src/raft/types.ts";
import { check } from "../invariants/check.ts";
import type { SimulatedEdge } from "./edge.ts";
import { type Drafts, draftsOf, leveled } from "./drafts.ts";
import type { Operation } from "./ledger.ts";
import { type Counting, counters } from "./tally.ts";
import { describe, describeAnswer } from "./wording.ts";
import type { World } from "./world.ts";

/** A client of the HTTP API: one request after the other, each at some edge. */
export class SimulatedClient {
  readonly name: string;
  readonly #world: World;
  readonly #edges: readonly SimulatedEdge[];
  readonly #random: Random;
  readonly #drafts: Drafts;
  #isFinishing = false;
  #isIdle = true;

  constructor(world: World, name: string, edges: readonly SimulatedEdge[]) {
    this.#world = world;
    this.name = name;
    this.#edges = edges;
    this.#random = world.random(name);
    this.#drafts = draftsOf(world, name, this.#random);
  }

  /** Whether it is done with its last request. */
  get isDone(): boolean {
    return this.#isFinishing && this.#isIdle;
  }

  begin(): void {
    this.#isIdle = false;
    this.#world.agenda.after(this.#random.between(0, 50), () => this.#next());
  }

  /** From now on it only ends what it has begun. */
  finish(): void {
    this.#isFinishing = true;
  }

  /**
   * A read, a write and a read, each of which must succeed at once. The first is there since an edge
   * that knows nothing may send its first write to a dead founder, and then not know what became of it.
   */
  async verify(): Promise<void> {
    const key = "last";
    await this.insist({ type: "get", key, metadataOnly: false });
    await this.put(key);
    await this.insist({ type: "get", key, metadataOnly: false });
  }

  /** Puts a value, which must succeed at once. */
  async put(key: string, more: { readonly expiry?: Expiry } = {}): Promise<void> {
    const value = this.#drafts.value();
    await this.insist({ type: "put", key, value, contentType: null, ...more });
  }

  /** Asks for something that must succeed at once. */
  async insist(draft: Draft): Promise<Forwarded & { readonly type: "answered" }> {
    const forwarded = await this.#send(draft, this.#edges[0]!, 5000, null);
    if (forwarded?.type === "answered") return forwarded;
    throw new Error(`${this.name}'s last ${draft.type} ended as ${forwarded?.type ?? "lost"}`);
  }

  /** Writes to a key, whatever becomes of it, and leaves a counter as it is. */
  async touch(key: string): Promise<void> {
    const isCounter = (counters as readonly string[]).includes(key);
    const value = this.#drafts.value();
    const draft: Draft = isCounter
      ? { type: "transaction", if: [], then: [{ type: "increment", key, by: 0 }], else: [] }
      : { type: "put", key, value, contentType: null };
    await this.#send(draft, this.#edges[0]!, 5000, null);
  }

  #next(): void {
    if (this.#isFinishing) {
      this.#isIdle = true;
      return;
    }
    void this.#operate().then(() => {
      // Some clients are in a hurry, and all rest now and then.
      const restMs = this.#random.between(0, this.#random.between(0, 9) === 0 ? 400 : 20);
      this.#world.agenda.after(this.#world.pauseOf(restMs), () => this.#next());
    });
  }

  async #operate(): Promise<void> {
    const edge = this.#among(this.#edges);
    const timeoutMs = this.#among([200, 1000, 5000]);
    if (this.#random.between(0, 19) === 0) return this.#countUp(edge, timeoutMs);
    const draft = this.#drafts.next();
    const level = isWrite(draft) ? null : this.#drafts.level();
    const replica = this.#random.between(0, 5) === 0 ? this.#among(this.#world.ids) : null;
    const forwarded = await this.#send(draft, edge, timeoutMs, replica, level);
    // A redirect is followed once, as a new request.
    if (forwarded?.type === "redirected") {
      this.#world.seen.saw("follower redirects");
      await this.#send(draft, edge, timeoutMs, forwarded.leader);
    }
  }

  /** Adds 1 to a counter by compare-and-swap, which others may be faster at. */
  async #countUp(edge: SimulatedEdge, timeoutMs: number): Promise<void> {
    const key = this.#among(counters);
    for (let tries = 0; tries < 3; tries++) {
      const got = await this.#send(
        { type: "get", key, metadataOnly: false },
        edge,
        timeoutMs,
        null,
      );
      const found = got?.type === "answered" ? got.result : null;
      if (found?.type !== "value" && found?.type !== "absent") return;
      const text = found.type === "absent" ? "0" : new TextDecoder().decode(found.value!);
      // A row may have been tampered with.
      if (!/^\d+$/.test(text)) return;
      const condition =
        found.type === "absent"
          ? ({ type: "absent" } as const)
          : ({ type: "revision", revision: found.modRevision } as const);
      const value = new TextEncoder().encode(String(Number(text) + 1));
      const draft = { type: "put", key, value, contentType: null, condition } as const;
      const put = await this.#send(draft, edge, timeoutMs, null);
      if (put?.type !== "answered" || put.result.type !== "mismatch") return;
      this.#world.seen.saw("compare-and-swap in vain");
    }
  }

  /** Sends a request and holds the answer against what is committed. Null when the answer is lost. */
  #send(
    draft: Draft,
    edge: SimulatedEdge,
    timeoutMs: number,
    replica: string | null,
    level: Level | null = null,
  ): Promise<Forwarded | null> {
    const world = this.#world;
    const { answer, requestId, isolate } = edge.send(draft, timeoutMs, replica, level);
    const writes = isWrite(draft);
    const request = writes ? { ...draft, requestId, floor: 0 } : leveled(draft, level);
    const operation = world.ledger.begin(request);
    const counting = world.tally.begin(draft);
    if (writes) {
      world.openWrites++;
      world.hearsay.asked(draft);
    }
    const where = replica === null ? "" : ` of replica ${replica}`;
    world.trace.note(() => `${this.name} asks ${edge.name} for ${describe(request)}${where}`);
    return new Promise((resolve) => {
      const end = (forwarded: Forwarded | null): void => {
        if (isOver) return;
        isOver = true;
        patience.isCalledOff = true;
        if (writes) world.openWrites--;
        world.trace.note(() => `${this.name} hears ${hears(forwarded)}`);
        if (forwarded !== null) {
          world.judge(() => this.#judge(draft, operation, counting, forwarded));
        }
        resolve(forwarded);
      };
      let isOver = false;
      let isLost = false;
      // The edge keeps to its deadline, but for one that dies; a client waits a little longer.
      const patience = world.agenda.after(timeoutMs + 300, () => {
        const isKept = isLost || edge.isGone(isolate);
        world.judge(() =>
          check(isKept, "deadline", () => `${edge.name} keeps ${describe(request)}`),
        );
        end(null);
      });
      void answer.then((forwarded) => {
        if (this.#random.between(0, 999) >= world.weather.lostReplies) return end(forwarded);
        isLost = true;
        world.seen.saw("reply to client lost");
      });
    });
  }

  #judge(
    draft: Draft,
    operation: Operation,
    counting: Counting | null,
    forwarded: Forwarded,
  ): void {
    const { ledger, seen, hearsay } = this.#world;
    switch (forwarded.type) {
      case "answered": {
        const { result, servedBy } = forwarded;
        if (draft.type === "get") seen.saw("read answered");
        if ("shown" in result && servedBy.role !== "leader")
          seen.saw("read at a level by a follower");
        if (result.type === "listed") this.#count(result);
        hearsay.told(draft, result);
        if (ledger.tell(operation, result, servedBy.replica)) counting?.told(result);
        return;
      }
      case "redirected": {
        const { leader, servedBy } = forwarded;
        const leads = this.#world.invariants.elections.leaderOf(asTerm(servedBy.term));
        check(leads === leader, "redirect", () => `to ${leader}, where ${leads} leads`);
        counting?.refused();
        ledger.refuse(operation);
        return;
      }
      case "refused":
        seen.saw("edge refuses for sure");
        if (forwarded.reason === "in_flight") seen.saw("name in flight");
        if (forwarded.reason === "too_old") seen.saw("new request to older code");
        counting?.refused();
        ledger.refuse(operation);
        return;
      case "unknown":
        seen.saw("edge gives up in doubt");
        return;
    }
  }

  #count({ items, rest }: ListResult): void {
    const { seen } = this.#world;
    if (items.some(({ type }) => type === "prefix")) seen.saw("list with folded keys");
    if (rest !== null) seen.saw("list that goes on");
  }

  #among<T>(values: readonly T[]): T {
    return values[this.#random.between(0, values.length - 1)]!;
  }
}

function hears(forwarded: Forwarded | null): string {
  switch (forwarded?.type) {
    case undefined:
      return "nothing";
    case "answered":
      return describeAnswer(forwarded.result);
    case "redirected":
      return `that ${forwarded.leader} leads`;
    case "refused":
      return `that nothing happened: ${forwarded.reason}`;
    case "unknown":
      return "that nobody knows";
  }
}
