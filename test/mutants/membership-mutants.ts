import type { Mutant } from "./mutant.ts";

/** Mistakes in how the members of a group change. */
export const membershipMutants: readonly Mutant[] = [
  {
    name: "skip-the-joint-configuration",
    what: "voters change at once, as if any two majorities had somebody in common",
    file: "src/raft/membership.ts",
    find: `    voters: [...voters.filter((voter) => voter.id !== replaces), { id, region }],
    outgoing: voters,`,
    replace: `    voters: [...voters.filter((voter) => voter.id !== replaces), { id, region }],`,
  },
  {
    name: "remove-without-joint-configuration",
    what: "voters go at once, as if any two majorities had somebody in common",
    file: "src/raft/membership.ts",
    find: "return { ...configuration, voters: left, outgoing: voters };",
    replace: "return { ...configuration, voters: left };",
  },
  {
    name: "only-new-voters-decide",
    what: "while voters change, a majority of the new ones is enough",
    file: "src/raft/membership.ts",
    find: "outgoing.length === 0 ? [voters] : [voters, outgoing];",
    replace: "outgoing.length === 0 ? [voters] : [voters];",
  },
  {
    name: "only-old-voters-decide",
    what: "while voters change, a majority of the old ones is enough",
    file: "src/raft/membership.ts",
    find: "outgoing.length === 0 ? [voters] : [voters, outgoing];",
    replace: "outgoing.length === 0 ? [voters] : [outgoing];",
  },
  {
    name: "count-a-learner",
    what: "learners count for what is committed",
    file: "src/raft/leader.ts",
    find: "const index = committedIndex(log.configuration, (voter) =>",
    replace: `const { configuration } = log;
    const all = [...configuration.voters, ...configuration.learners];
    const index = committedIndex({ ...configuration, voters: all }, (voter) =>`,
  },
  {
    name: "learner-stands",
    what: "a learner stands for election",
    file: "src/raft/raft.ts",
    find: "return isOne && !this.hasLeft &&",
    replace: "return (isOne || isMember(configuration, id)) && !this.hasLeft &&",
  },
  {
    name: "configure-before-the-last-is-committed",
    what: "a configuration is appended while the one before is not committed",
    file: "src/raft/reconfiguration.ts",
    find: "return log.configurationIndex <= log.commitIndex && log.termAt(log.commitIndex) === term;",
    replace: "return log.termAt(log.commitIndex) === term;",
  },
  {
    name: "call-before-committed",
    what: "a new member is called before the entry that names it is committed",
    file: "src/raft/reconfiguration.ts",
    find: "[...committed, ...votersOf(log.configuration)]",
    replace: "[...committed, ...membersOf(log.configuration)]",
  },
  {
    name: "stale-configuration-after-snapshot",
    what: "a snapshot leaves the configuration as it was before",
    file: "src/raft/log.ts",
    find: "    this.#configurations = [{ index, configuration }];\n    this.#dropTail",
    replace: "    void configuration;\n    this.#dropTail",
  },
  {
    name: "configuration-outlives-a-cut",
    what: "a configuration counts on although its entry was cut off the log",
    file: "src/raft/log.ts",
    find: "this.#configurations = this.#configurations.filter(({ index }) => index < from);",
    replace: "",
  },
  {
    name: "compaction-forgets-the-configuration",
    what: "a log that is cut keeps its oldest configuration, not that which holds where it begins",
    file: "src/raft/log.ts",
    find: "this.#configurations = this.#configurations.slice(holding);",
    replace: `this.#configurations = [
      this.#configurations[0]!,
      ...this.#configurations.slice(holding + 1),
    ];`,
  },
  {
    name: "reuse-an-id",
    what: "the id of a member that has left is given to a new one",
    file: "src/raft/membership.ts",
    find: "nextId: nextId + 1 };",
    replace:
      "nextId: Math.max(...voters.map((voter) => Number(voter.id))) + learners.length + 2 };",
  },
  {
    name: "has-left-before-committed",
    what: "a replica takes itself for gone as soon as its log says so",
    file: "src/raft/raft.ts",
    find: "return hasLeft(this.log.configurationAt(this.log.commitIndex), node);",
    replace: "return hasLeft(this.log.configuration, node);",
  },
  {
    name: "who-has-left-is-not-told",
    what: "a replica that has not heard of its end asks for pre-votes for ever",
    file: "src/raft/raft.ts",
    find: "if (isVote && this.#knowsToHaveLeft(message.from)) return this.#answerLeft(message);",
    replace: "",
  },
  {
    name: "change-ends-with-its-leader",
    what: "a new leader does not go on with a change that another has begun",
    file: "src/raft/reconfiguration.ts",
    find: "    if (!this.#isSettled) return null;\n    if (isJoint(configuration)) {",
    replace:
      "    if (!this.#isSettled || this.#catchUps.size === 0) return null;\n    if (isJoint(configuration)) {",
  },
];
