import type { Mutant } from "./mutant.ts";

/** Mistakes about groups that sleep (docs/raft-rules.md, Q). */
export const sleepMutants: readonly Mutant[] = [
  {
    name: "sleeping-leader-not-woken",
    what: "a leader that sleeps takes a request and sleeps on",
    file: "src/raft/leader.ts",
    find: "if (this.#rest.stir()) this.#quorumDeadlineMs = nowMs + config.electionMinMs;",
    replace: "void nowMs;\n    void config;",
  },
  {
    name: "sleeping-follower-not-woken",
    what: "a follower that sleeps sleeps on when somebody finds no leader",
    file: "src/raft/follower.ts",
    find: `    if (!this.#isAsleep) return;
    this.restartElectionTimer();`,
    replace: `    if (!this.#isAsleep || this.#round >= 0) return;
    this.restartElectionTimer();`,
  },
  {
    name: "sleeper-deaf-to-its-leader",
    what: "a follower that sleeps sleeps on whatever its leader sends",
    file: "src/raft/follower.ts",
    find: "if (!this.#isAsleep || !this.#isLate(message)) {",
    replace: "if (!this.#isAsleep) {",
  },
  {
    name: "sleep-before-commit-is-known",
    what: "a follower sleeps before it knows what is committed (tikv, 12166 and 19219)",
    file: "src/raft/follower.ts",
    find: "const isDone = log.commitIndex === log.last.index && appliedIndex === log.commitIndex;",
    replace: "const isDone = log.last.index >= appliedIndex;",
  },
  {
    name: "sleep-while-a-follower-lags",
    what: "a leader does not wait for a follower that was silent for a moment",
    file: "src/raft/rest.ts",
    find: "return this.#context.nowMs - heardMs < this.#context.config.patienceMs;",
    replace: "return this.#context.nowMs - heardMs < this.#context.config.electionMinMs;",
  },
  {
    name: "sleep-with-a-read-open",
    what: "a read does not wake the leader, which sleeps on with the read open",
    file: "src/raft/io.ts",
    find: `  type === "read" ||
`,
    replace: "",
  },
  {
    name: "dead-follower-awaited",
    what: "one dead follower keeps all awake (tikv, 19070)",
    file: "src/raft/rest.ts",
    find: "return this.#context.nowMs - heardMs < this.#context.config.patienceMs;",
    replace: "return heardMs <= this.#context.nowMs;",
  },
  {
    name: "quorum-check-in-sleep",
    what: "a leader that sleeps misses the answers of those that sleep (cockroach, 9561)",
    file: "src/raft/leader.ts",
    find: `    if (this.isAsleep) return;
    const { nowMs } = this.#context;`,
    replace: "    const { nowMs } = this.#context;",
  },
  {
    name: "quorum-check-counts-the-sleep",
    what: "a leader that wakes steps down, since nobody was heard while all slept",
    file: "src/raft/leader.ts",
    find: "if (this.#rest.stir()) this.#quorumDeadlineMs = nowMs + config.electionMinMs;",
    replace: "this.#rest.stir();\n    void nowMs;\n    void config;",
  },
  {
    name: "sleeping-follower-held-back",
    what: "a follower that sleeps answers nobody who stands, as if it heard its leader",
    file: "src/raft/raft.ts",
    find: "    if (isVote && !this.#knowsToHaveLeft(message.from)) this.#role.stir();",
    replace: `    if (isVote && this.role === "follower" && this.isAsleep) return;
    if (isVote && !this.#knowsToHaveLeft(message.from)) this.#role.stir();`,
  },
  {
    name: "sleeper-stands",
    what: "a follower that sleeps stands for election when anything happens to it",
    file: "src/raft/follower.ts",
    find: "const isDue = !this.#isAsleep && this.#context",
    replace: "const isDue = this.#context",
  },
  {
    name: "never-asleep",
    what: "a group never sleeps",
    file: "src/raft/rest.ts",
    find: "if (config.restMs === 0 || this.#followers.size === 0) return;",
    replace: "if (config.restMs >= 0) return;",
  },
  {
    name: "alarm-in-sleep",
    what: "an alarm that is not needed any more stays set",
    file: "src/replica/wake.ts",
    find: "if (!this.#maybeSet) return;",
    replace: "if (this.#maybeSet || !this.#maybeSet) return;",
  },
  {
    name: "alarm-left-by-another",
    what: "an alarm that an instance before has set stays set",
    file: "src/replica/wake.ts",
    find: "#maybeSet = true;\n\n  constructor",
    replace: "#maybeSet = false;\n\n  constructor",
  },
];
