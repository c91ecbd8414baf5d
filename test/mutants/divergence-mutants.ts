import type { Mutant } from "./mutant.ts";

/** Mistakes in comparing states and in repairing them. */
export const divergenceMutants: readonly Mutant[] = [
  {
    name: "states-never-compared",
    what: "a leader comes to no verdict",
    file: "src/raft/digests.ts",
    find: "const verdict = this.#verdictAt(index, configuration);",
    replace: "const verdict = index < 0 ? this.#verdictAt(index, configuration) : null;",
  },
  {
    name: "majority-of-those-who-spoke",
    what: "a verdict is what those have who have spoken so far, if they agree",
    file: "src/raft/digests.ts",
    find: "isQuorum(configuration, (voter) => isSame(digest, said.get(voter))),",
    replace: "isQuorum(configuration, (voter) => isSame(digest, said.get(voter) ?? digest)),",
  },
  {
    name: "two-are-a-majority",
    what: "a verdict is what any two voters have",
    file: "src/raft/digests.ts",
    find: "isQuorum(configuration, (voter) => isSame(digest, said.get(voter))),",
    replace: "digests.filter((each) => isSame(digest, each)).length >= 2 || voters.length < 2,",
  },
  {
    name: "minority-leads-on",
    what: "a leader that finds that its state is wrong goes on leading",
    file: "src/raft/raft.ts",
    find: `if (!this.audit.hears(verdict) || this.role === "follower") return;`,
    replace: `if (!this.audit.hears(verdict) || this.role !== "candidate") return;`,
  },
  {
    name: "diverged-replica-stands",
    what: "a replica whose state is wrong stands for election",
    file: "src/raft/raft.ts",
    find: "return isOne && !this.hasLeft && !this.audit.hasDiverged;",
    replace: "return isOne && !this.hasLeft;",
  },
  {
    name: "divergence-forgotten",
    what: "a replica forgets in a restart that its state is wrong",
    file: "src/raft/audit.ts",
    find: "    this.#record = record;\n    this.#effects = effects;",
    replace: "    this.#record = { ...record, divergedIndex: null };\n    this.#effects = effects;",
  },
  {
    name: "divergence-not-stored",
    what: "a replica does not store that its state is wrong",
    file: "src/raft/audit.ts",
    find: "this.#change({ divergedIndex: index, changes: this.#record.changes + 1 });",
    replace: "this.#record = { ...this.#record, divergedIndex: index };",
  },
  {
    name: "repair-drops-the-log",
    what: "a repair takes with it what comes after the snapshot in the log",
    file: "src/raft/raft.ts",
    find: "      this.effects.repair(snapshot);",
    replace: `      this.effects.repair(snapshot);
      this.effects.persistLog({ truncateFrom: offset(snapshot.index, 1), entries: [] });`,
  },
  {
    name: "repair-over-a-hole",
    what: "a repair is taken after whose end the log has lost entries",
    file: "src/raft/follower.ts",
    find: `if (snapshot.index < log.base.index) return { type: "restart" };`,
    replace: "",
  },
  {
    name: "repaired-but-marked",
    what: "a replica that is repaired goes on believing that it is wrong",
    file: "src/raft/raft.ts",
    find: "    }\n    this.audit.replaced();",
    replace: "    }",
  },
  {
    name: "old-state-under-a-repair",
    what: "a replica goes on from the counters and records that it had before a repair",
    file: "src/replica/driver.ts",
    find: "if (isReplaced) {",
    replace: "if (install !== null) {",
  },
  {
    name: "repair-of-what-is-applied",
    what: "a repaired replica does not apply again what comes after the snapshot",
    file: "src/raft/raft.ts",
    find: "    this.#appliedIndex = snapshot.index;\n    this.#applyingIndex = snapshot.index;",
    replace: `    this.#appliedIndex = maxIndex(this.#appliedIndex, snapshot.index);
    this.#applyingIndex = this.#appliedIndex;`,
  },
  {
    name: "digest-after-the-batch",
    what: "a replica says of an agreed index what its state is after all that it applied at once",
    file: "src/replica/driver.ts",
    find: "return { index: apply.at(-1)!.index, digests };",
    replace: `const { hash } = this.#machine.state;
    return { index: apply.at(-1)!.index, digests: digests.map((each) => ({ ...each, hash })) };`,
  },
  {
    name: "hash-blind-to-rows",
    what: "the hash does not look at what a command replaces",
    file: "src/kv/running-hash.ts",
    find: "if (replaced !== null) takeRow(hash, replaced);",
    replace: "void replaced;",
  },
];
