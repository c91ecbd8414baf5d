import type { Mutant } from "./mutant.ts";

/** The mistakes that the simulator and the torture run must catch. */
export const mutants: readonly Mutant[] = [
  {
    name: "reads-without-read-index",
    what: "a leader answers reads at once, without asking whether it still leads",
    file: "src/raft/leader.ts",
    find: `    this.#reads.add(id);
    this.#maybeBeginRound();
  }`,
    replace: `    this.#context.effects.readAt(id, this.#context.log.commitIndex);
  }`,
  },
];
