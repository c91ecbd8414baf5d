import type { Draft, Forwarded } from "../../src/edge/forward.ts";
import type { Random } from "../../src/raft/random.ts";
import { asTerm } from "../../src/raft/types.ts";
import { check } from "../invariants/check.ts";
import type { SimulatedEdge } from "./edge.ts";
import { type Operation, describe, describeAnswer } from "./ledger.ts";
import type { World } from "./world.ts";

/** Operations on a key before a client leaves it. */
const perKey = 100;

/** A client of the HTTP API: one request after the other, each at some edge. */
export class SimulatedClient {
  readonly name: string;
  readonly #world: World;
  readonly #edges: readonly SimulatedEdge[];
  readonly #random: Random;
  #count = 0;
  #isFinishing = false;
  #isIdle = true;

  constructor(world: World, name: string, edges: readonly SimulatedEdge[]) {
    this.#world = world;
    this.name = name;
    this.#edges = edges;
    this.#random = world.random(name);
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
    const value = this.#value();
    const drafts: readonly Draft[] = [
      { type: "get", key, metadataOnly: false },
      { type: "put", key, value, contentType: null },
      { type: "get", key, metadataOnly: false },
    ];
    for (const draft of drafts) {
      const forwarded = await this.#send(draft, this.#edges[0]!, 5000, null);
      if (forwarded?.type !== "answered") {
        throw new Error(`${this.name}'s last ${draft.type} ended as ${forwarded?.type ?? "lost"}`);
      }
    }
  }

  /** Writes to a key, whatever becomes of it. */
  async touch(key: string): Promise<void> {
    const draft = { type: "put", key, value: this.#value(), contentType: null } as const;
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
    const draft = this.#draft();
    const edge = this.#among(this.#edges);
    const timeoutMs = this.#among([200, 1000, 5000]);
    const replica = this.#random.between(0, 5) === 0 ? this.#among(this.#world.ids) : null;
    const forwarded = await this.#send(draft, edge, timeoutMs, replica);
    // A redirect is followed once, as a new request.
    if (forwarded?.type === "redirected") {
      this.#world.seen.saw("follower redirects");
      await this.#send(draft, edge, timeoutMs, forwarded.leader);
    }
  }

  /** Sends a request and holds the answer against what is committed. Null when the answer is lost. */
  #send(
    draft: Draft,
    edge: SimulatedEdge,
    timeoutMs: number,
    replica: string | null,
  ): Promise<Forwarded | null> {
    const world = this.#world;
    const { answer, requestId, isolate } = edge.send(draft, timeoutMs, replica);
    const request = draft.type === "get" ? draft : { ...draft, requestId, floor: 0 };
    const operation = world.ledger.begin(request);
    const isWrite = draft.type !== "get";
    if (isWrite) world.openWrites++;
    const where = replica === null ? "" : ` of replica ${replica}`;
    world.trace.note(() => `${this.name} asks ${edge.name} for ${describe(request)}${where}`);
    return new Promise((resolve) => {
      const end = (forwarded: Forwarded | null): void => {
        if (isOver) return;
        isOver = true;
        patience.isCalledOff = true;
        if (isWrite) world.openWrites--;
        world.trace.note(() => `${this.name} hears ${hears(forwarded)}`);
        if (forwarded !== null) world.judge(() => this.#judge(operation, forwarded));
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

  #judge(operation: Operation, forwarded: Forwarded): void {
    const { ledger, seen } = this.#world;
    switch (forwarded.type) {
      case "answered":
        if (operation.request.type === "get") seen.saw("read answered");
        ledger.tell(operation, forwarded.result, forwarded.servedBy.replica);
        return;
      case "redirected": {
        const { leader, servedBy } = forwarded;
        const leads = this.#world.invariants.elections.leaderOf(asTerm(servedBy.term));
        check(leads === leader, "redirect", () => `to ${leader}, where ${leads} leads`);
        ledger.refuse(operation);
        return;
      }
      case "refused":
        seen.saw("edge refuses for sure");
        ledger.refuse(operation);
        return;
      case "unknown":
        seen.saw("edge gives up in doubt");
        return;
    }
  }

  #draft(): Draft {
    // A few keys that all share, and others after some time.
    const key = `k${Math.trunc(this.#count / perKey)}.${this.#random.between(0, 2)}`;
    switch (this.#random.between(0, 6)) {
      case 0:
      case 1:
      case 2:
        return { type: "get", key, metadataOnly: this.#random.between(0, 3) === 0 };
      case 3:
        return { type: "delete", key };
      default:
        return { type: "put", key, value: this.#value(), contentType: this.#contentType() };
    }
  }

  #contentType(): string | null {
    return this.#among([null, "", "text/plain"]);
  }

  /** Unlike any other, and sometimes long enough to fill a message. */
  #value(): Uint8Array {
    const length = this.#random.between(0, 7) === 0 ? this.#random.between(1, 300) : 0;
    return new TextEncoder().encode(`${this.name}/${++this.#count}${"+".repeat(length)}`);
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
