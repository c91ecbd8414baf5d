import type { Random } from "../../src/raft/random.ts";
import type { TortureCluster } from "./cluster.ts";
import type { Fault } from "./faults.ts";

/** How a nemesis goes about it. */
export interface Plan {
  readonly faults: readonly Fault[];
  /** Faults that may be under way at a time. */
  readonly atOnce: number;
  /** How long a fault lasts, and how long it is until the next, in ms. */
  readonly lastMs: readonly [min: number, max: number];
  readonly restMs: readonly [min: number, max: number];
}

/** Strikes at a cluster again and again, and counts what it did. */
export class Nemesis {
  readonly #cluster: TortureCluster;
  readonly #random: Random;
  readonly #plan: Plan;
  readonly #log: (line: string) => void;
  readonly counts = new Map<string, number>();

  constructor(cluster: TortureCluster, random: Random, plan: Plan, log: (line: string) => void) {
    this.#cluster = cluster;
    this.#random = random;
    this.#plan = plan;
    this.#log = log;
  }

  /** Goes on until it is told to stop. Resolves when no fault is left. */
  async run(isOver: () => boolean): Promise<void> {
    if (this.#plan.faults.length === 0) return;
    await Promise.all(Array.from({ length: this.#plan.atOnce }, () => this.#strike(isOver)));
  }

  async #strike(isOver: () => boolean): Promise<void> {
    const { faults, lastMs, restMs } = this.#plan;
    while (!isOver()) {
      await new Promise((resolve) => setTimeout(resolve, this.#random.between(...restMs)));
      if (isOver()) return;
      const fault = faults[this.#random.between(0, faults.length - 1)]!;
      this.counts.set(fault.name, (this.counts.get(fault.name) ?? 0) + 1);
      await fault.strike({
        cluster: this.#cluster,
        random: this.#random,
        victim: await this.#victim(),
        ms: this.#random.between(...lastMs),
        log: this.#log,
      });
    }
  }

  async #victim(): Promise<string> {
    const { ids } = this.#cluster;
    const anyone = ids[this.#random.between(0, ids.length - 1)]!;
    if (this.#random.between(0, 2) === 0) return anyone;
    const leader = await this.#cluster.leader();
    return leader === null ? anyone : this.#cluster.homeOf(leader.id);
  }
}
