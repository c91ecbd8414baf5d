import type { ClientRequest, ClientResult } from "../../src/protocol/client.ts";
import type { DriverWorld } from "./driver-world.ts";
import type { Operation } from "./history.ts";
import { utf8 } from "./machine-bench.ts";

/**
 * A client behind an edge: it asks one replica after the other, with one request id, until one
 * answers.
 */
export class WorldClient {
  readonly operations: Operation[] = [];
  readonly #world: DriverWorld;
  readonly #name: string;
  #floor = 0;
  #count = 0;
  #isFinishing = false;
  #isIdle = false;
  /** Writes that were answered at a later attempt than the first. */
  retriedAnswers = 0;
  #hint: string | null = null;

  constructor(world: DriverWorld, name: string) {
    this.#world = world;
    this.#name = name;
  }

  get isDone(): boolean {
    return this.#isFinishing && this.#isIdle;
  }

  begin(): void {
    const requests = Array.from({ length: this.#world.random.between(1, 3) }, () => this.#draw());
    const operations = requests.map((request): Operation => ({
      request,
      invokedMs: this.#world.agenda.nowMs,
      answeredMs: null,
      result: null,
    }));
    this.operations.push(...operations);
    this.#attempt(operations, 0);
  }

  /** From now on it goes on only until it knows about what it has asked for. */
  finish(): void {
    this.#isFinishing = true;
  }

  #attempt(operations: readonly Operation[], attempt: number): void {
    const { random, agenda } = this.#world;
    const open = operations.filter(({ result }) => result === null);
    const isHopeless = attempt > 12 && !this.#isFinishing;
    if (open.length === 0 || isHopeless) {
      this.#isIdle = this.#isFinishing;
      if (!this.#isFinishing) agenda.after(random.between(0, 10), () => this.begin());
      return;
    }
    // Some edges remember another leader, or none.
    const isHinted = this.#hint !== null && random.between(0, 3) > 0;
    const host = isHinted ? this.#world.host(this.#hint!) : this.#world.anyHost;
    this.#hint = null;
    let isOver = false;
    const next = (delayMs: number): void => {
      if (isOver) return;
      isOver = true;
      agenda.after(delayMs, () => this.#attempt(operations, attempt + 1));
    };
    this.#world.ask(
      host,
      open.map(({ request }) => request),
      (results, sequence) => {
        // An answer that comes after the client has asked elsewhere is as true as any.
        results.forEach((result, i) => this.#take(open[i]!, result, attempt));
        this.#floor = Math.max(this.#floor, sequence);
        next(1);
      },
    );
    agenda.after(random.between(20, 250), () => {
      if (!isOver) this.#world.anyHost.poke();
      next(0);
    });
  }

  #take(operation: Operation, result: ClientResult, attempt: number): void {
    if (result.type === "notLeader") this.#hint = result.leader;
    const isFinal = !["notLeader", "dropped", "unknown"].includes(result.type);
    if (!isFinal || operation.result !== null) return;
    if (attempt > 0 && operation.request.type !== "get") this.retriedAnswers++;
    operation.result = result;
    operation.answeredMs = this.#world.agenda.nowMs;
  }

  #draw(): ClientRequest {
    const { random } = this.#world;
    const key = `k${random.between(0, 2)}`;
    const requestId = `${this.#name}/${this.#count++}`;
    const common = { key, requestId, floor: this.#floor };
    switch (random.between(0, 4)) {
      case 0:
      case 1:
        return { type: "get", key, metadataOnly: false };
      case 2:
        return { type: "delete", ...common };
      default:
        return { type: "put", ...common, value: utf8(requestId), contentType: null };
    }
  }
}
