import type { Context } from "./context.ts";
import { Digests, type Verdict } from "./digests.ts";
import type { AppendEntriesResponse } from "./messages.ts";
import type { Repairs } from "./repairs.ts";
import type { NodeId } from "./types.ts";

/** How a leader compares the states of its group, its own among them, and has those repaired that are wrong. */
export class Inspection {
  readonly #context: Context;
  readonly #repairs: Repairs;
  readonly #tellAll: () => void;
  readonly #digests = new Digests();
  #verdict: Verdict | null = null;

  /** @param tellAll sends a message to each follower. */
  constructor(context: Context, repairs: Repairs, tellAll: () => void) {
    this.#context = context;
    this.#repairs = repairs;
    this.#tellAll = tellAll;
  }

  /** What is passed on with every message. */
  get verdict(): Verdict | null {
    return this.#verdict;
  }

  /** Whether one of some, who has said nothing of that, has another state than it should. */
  isDisputed(isOne: (node: NodeId) => boolean): boolean {
    return this.#verdict !== null && this.#digests.isDisputed(this.#verdict, isOne);
  }

  /** Looks whether enough is known by now to say whose state is right. */
  compare(): void {
    const { audit, config, log } = this.#context;
    for (const digest of audit.digests) this.#digests.add(config.id, digest);
    const verdicts = this.#digests.verdicts(log.configuration);
    this.#verdict = verdicts[0] ?? null;
    if (this.#verdict === null) return;
    // Nobody is right, so nobody may lead, and there will be no other chance to say so.
    if (this.#verdict.hash === null) this.#tellAll();
    this.#context.hear(this.#verdict);
    // The newest may be of an index that is not applied here, where an older one tells enough.
    for (const verdict of verdicts) if (verdict.hash !== null) this.#context.hear(verdict);
  }

  /** A follower says how its state is. */
  takes(response: AppendEntriesResponse): void {
    const { from, diverged = null } = response;
    const report = this.#digests.takes(from, response);
    if (report === "late") return;
    if (report === "news") this.compare();
    // It may have found that it must not lead any more.
    if (!this.#context.audit.hasDiverged) this.#repairs.reported(from, diverged);
  }
}
