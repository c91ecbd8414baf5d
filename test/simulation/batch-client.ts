import {
  type ClientBatchResult,
  type ClientRequest,
  type ClientResult,
} from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import type { Random } from "../../src/raft/random.ts";
import { handle } from "./edge.ts";
import { type Operation, describe, describeAnswer } from "./ledger.ts";
import type { World } from "./world.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";

/** Attempts after which it gives up, unless it is to finish. */
const maxAttempts = 12;

/**
 * Speaks to replicas as an edge does that gathers requests: several in one call, and those that got
 * no final answer again under the same ids, at one replica after the other.
 */
export class BatchClient {
  readonly #world: World;
  readonly #name: string;
  readonly #random: Random;
  #floor = 0;
  #count = 0;
  #isFinishing = false;
  #isIdle = false;
  #hint: string | null = null;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
    this.#random = world.random(name);
  }

  get isDone(): boolean {
    return this.#isFinishing && this.#isIdle;
  }

  begin(): void {
    if (this.#isFinishing) {
      this.#isIdle = true;
      return;
    }
    const operations = Array.from({ length: this.#random.between(1, 3) }, () =>
      this.#world.ledger.begin(this.#draw()),
    );
    const all = operations.map(({ request }) => describe(request)).join(", ");
    this.#world.trace.note(() => `${this.#name} asks for ${all}`);
    this.#attempt(operations, 0);
  }

  /** From now on it goes on only until it knows about what it has asked for. */
  finish(): void {
    this.#isFinishing = true;
  }

  #attempt(open: readonly Operation[], attempt: number): void {
    const { agenda, ids } = this.#world;
    const isHopeless = attempt > maxAttempts && !this.#isFinishing;
    if (open.length === 0 || isHopeless) {
      agenda.after(this.#world.pauseOf(this.#random.between(0, 10)), () => this.begin());
      return;
    }
    const isHinted = this.#hint !== null && this.#random.between(0, 3) > 0;
    const id = isHinted ? this.#hint! : ids[this.#random.between(0, ids.length - 1)]!;
    this.#hint = null;
    let isOver = false;
    const goOn = (still: readonly Operation[]): void => {
      if (isOver) return;
      isOver = true;
      agenda.after(1, () => this.#attempt(still, attempt + 1));
    };
    const body = toBytes({ requests: open.map(({ request }) => request) });
    this.#world.ask(this.#name, id, {
      take: (life, back) => handle(life, replicaPath.client, body, back),
      answered: (bytes) => {
        // What comes after it has asked elsewhere is as true, but it does not listen any more.
        if (isOver) return;
        const { results, sequence, servedBy } = fromBytes<ClientBatchResult>(bytes);
        this.#floor = Math.max(this.#floor, sequence);
        const { replica } = servedBy;
        goOn(open.filter((operation, i) => !this.#isFinal(operation, results[i]!, replica)));
      },
      failed: () => goOn(open),
    });
    agenda.after(this.#random.between(20, 250), () => {
      if (!isOver) this.#poke(ids);
      goOn(open);
    });
  }

  #poke(ids: readonly string[]): void {
    const id = ids[this.#random.between(0, ids.length - 1)]!;
    this.#world.ask(this.#name, id, {
      take: (life, back) => life.poke(back),
      answered: () => {},
      failed: () => {},
    });
  }

  #isFinal(operation: Operation, result: ClientResult, replica: string): boolean {
    if (result.type === "notLeader") this.#hint = result.leader;
    if (["notLeader", "dropped", "unknown"].includes(result.type)) return false;
    // It took effect before, or never will; nobody can tell.
    if (result.type === "expired") return true;
    this.#world.trace.note(() => {
      return `${this.#name} hears ${describe(operation.request)}: ${describeAnswer(result)}`;
    });
    this.#world.judge(() => this.#world.ledger.tell(operation, result, replica));
    return true;
  }

  #draw(): ClientRequest {
    const key = `k0.${this.#random.between(0, 2)}`;
    const requestId = `${this.#name}/${this.#count++}`;
    const common = { key, requestId, floor: this.#floor };
    switch (this.#random.between(0, 4)) {
      case 0:
      case 1:
        return { type: "get", key, metadataOnly: this.#random.between(0, 3) === 0 };
      case 2:
        return { type: "delete", ...common };
      default: {
        const value = new TextEncoder().encode(requestId);
        return { type: "put", ...common, value, contentType: null };
      }
    }
  }
}
