import { type Draft, isWrite } from "../../src/edge/forward.ts";
import type { ClientBatch, ClientBatchResult, ClientResult } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import type { Random } from "../../src/raft/random.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";
import { type Drafts, draftsOf, leveled } from "./drafts.ts";
import { handle } from "./edge.ts";
import type { Operation } from "./ledger.ts";
import type { Counting } from "./tally.ts";
import { describe, describeAnswer } from "./wording.ts";
import type { World } from "./world.ts";

/** Attempts after which it gives up, unless it is to finish. */
const maxAttempts = 12;

/** What it has asked for. */
interface Wish {
  readonly draft: Draft;
  readonly operation: Operation;
  readonly counting: Counting | null;
  /** Whether an attempt may have taken effect, or may do so yet. */
  isInDoubt: boolean;
}

/**
 * Speaks to replicas as an edge does that gathers requests: several in one call, and those that got
 * no final answer again under the same ids, at one replica after the other.
 */
export class BatchClient {
  readonly #world: World;
  readonly #name: string;
  readonly #random: Random;
  readonly #drafts: Drafts;
  #floor = 0;
  #count = 0;
  #isFinishing = false;
  #isIdle = false;
  #hint: string | null = null;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
    this.#random = world.random(name);
    this.#drafts = draftsOf(world, name, this.#random);
  }

  get isDone(): boolean {
    return this.#isFinishing && this.#isIdle;
  }

  begin(): void {
    if (this.#isFinishing) {
      this.#isIdle = true;
      return;
    }
    const wishes = Array.from({ length: this.#random.between(1, 3) }, () => this.#draw());
    this.#world.trace.note(() => {
      const all = wishes.map(({ operation }) => describe(operation.request));
      return `${this.#name} asks for ${all.join(", ")}`;
    });
    this.#attempt(wishes, 0);
  }

  /** From now on it goes on only until it knows about what it has asked for. */
  finish(): void {
    this.#isFinishing = true;
  }

  #attempt(open: readonly Wish[], attempt: number): void {
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
    const goOn = (still: readonly Wish[]): void => {
      if (isOver) return;
      isOver = true;
      agenda.after(1, () => this.#attempt(still, attempt + 1));
    };
    const doubt = (): void => {
      if (isOver) return;
      for (const wish of open) wish.isInDoubt = true;
      goOn(open);
    };
    const requests = open.map(({ operation }) => operation.request);
    const batch: ClientBatch = { version: 2, requests };
    const body = toBytes(batch);
    this.#world.ask(this.#name, id, {
      take: (life, back, beganMs) => handle(life, replicaPath.client, body, back, beganMs),
      answered: (bytes) => {
        // What comes after it has asked elsewhere is as true, but it does not listen any more.
        if (isOver) return;
        const { results, sequence, servedBy } = fromBytes<ClientBatchResult>(bytes);
        this.#floor = Math.max(this.#floor, sequence);
        const { replica } = servedBy;
        goOn(open.filter((wish, i) => !this.#isFinal(wish, results[i]!, replica)));
      },
      failed: doubt,
    });
    agenda.after(this.#random.between(20, 250), () => {
      if (!isOver) this.#poke(ids);
      doubt();
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

  #isFinal(wish: Wish, result: ClientResult, replica: string): boolean {
    const { draft, operation, counting } = wish;
    const { seen, trace, ledger, hearsay } = this.#world;
    switch (result.type) {
      case "notLeader":
        this.#hint = result.leader;
        return false;
      case "dropped":
        return false;
      case "unknown":
        wish.isInDoubt = true;
        return false;
      case "expired":
        // It took effect before, or never will; nobody can tell.
        return true;
      case "inFlight":
      case "tooOld":
        seen.saw(result.type === "inFlight" ? "name in flight" : "new request to older code");
        if (wish.isInDoubt) return false;
        trace.note(() => `${this.#name} hears ${describe(operation.request)}: ${result.type}`);
        counting?.refused();
        this.#world.judge(() => ledger.refuse(operation));
        return true;
      default:
        trace.note(() => {
          return `${this.#name} hears ${describe(operation.request)}: ${describeAnswer(result)}`;
        });
        hearsay.told(draft, result);
        this.#world.judge(() => ledger.tell(operation, result, replica) && counting?.told(result));
        return true;
    }
  }

  #draw(): Wish {
    const { ledger, tally, hearsay } = this.#world;
    const draft = this.#drafts.next();
    const identity = { requestId: `${this.#name}/${this.#count++}`, floor: this.#floor };
    if (isWrite(draft)) hearsay.asked(draft);
    const request = isWrite(draft)
      ? { ...draft, ...identity }
      : leveled(draft, this.#drafts.level());
    const operation = ledger.begin(request);
    return { draft, operation, counting: tally.begin(draft), isInDoubt: false };
  }
}
