import type { Mutant } from "./mutant.ts";

/** Mistakes in the core. */
export const coreMutants: readonly Mutant[] = [
  {
    name: "reads-without-read-index",
    what: "a leader answers reads at once, without asking whether it still leads",
    file: "src/raft/leader.ts",
    find: `    this.reads.add(id);
    this.#maybeBeginRound();
  }`,
    replace: `    this.#context.effects.readAt(id, this.#context.log.commitIndex);
  }`,
  },
  {
    name: "reads-by-lease",
    what: "a leader that has heard from a quorum of late answers reads at once, itself a zombie or not",
    file: "src/raft/leader.ts",
    find: `    this.reads.add(id);
    this.#maybeBeginRound();
  }`,
    replace: `    const active = [...this.#followers.values()].filter((progress) => progress.active).length;
    if (active + 1 > this.#context.log.configuration.voters.length / 2) {
      this.#context.effects.readAt(id, this.#context.log.commitIndex);
      return;
    }
    this.reads.add(id);
    this.#maybeBeginRound();
  }`,
  },
  {
    name: "reads-before-own-commit",
    what: "a new leader serves reads before it has committed anything",
    file: "src/raft/leader.ts",
    find: `    if (log.termAt(log.commitIndex) !== term) return;
    if (!this.reads`,
    replace: `    void term;
    if (!this.reads`,
  },
  {
    name: "read-joins-a-round",
    what: "a read is confirmed by a round that began before it",
    file: "src/raft/read-index.ts",
    find: "    this.#waiting.push(id);",
    replace: `    const open = this.#rounds.at(-1);
    if (open === undefined) this.#waiting.push(id);
    else (open.ids as RequestId[]).push(id);`,
  },
  {
    name: "stale-answer-confirms-a-round",
    what: "an answer to an earlier reign of the same leader confirms a round of this one",
    file: "src/raft/leader.ts",
    find: `    if (message.result.type === "stale") return;`,
    replace: "",
  },
  {
    name: "old-term-commits-by-counting",
    what: "a leader commits an entry of an older term once a majority has it (paper, figure 8)",
    file: "src/raft/leader.ts",
    find: "if (index <= log.commitIndex || log.termAt(index) !== term) return;",
    replace: "void term;\n    if (index <= log.commitIndex) return;",
  },
  {
    name: "leader-counts-what-is-not-durable",
    what: "a leader counts its own copy of an entry before its disk has it",
    file: "src/raft/leader.ts",
    find: "if (voter === config.id) return log.durableIndex;",
    replace: "if (voter === config.id) return log.last.index;",
  },
  {
    name: "no-quorum-check",
    what: "a leader that hears from nobody goes on leading",
    file: "src/raft/leader.ts",
    find: "if (!isQuorum(log.configuration, isHeard)) {",
    replace: "if (!isQuorum(log.configuration, () => isHeard !== null)) {",
  },
  {
    name: "deposed-leader-denies-writes",
    what: "a leader that steps down says of its open writes that nothing happened",
    file: "src/raft/leader.ts",
    find: `effects.fail({ id, reason: "unknown", leader: null });`,
    replace: `effects.fail({ id, reason: "not_leader", leader: null });`,
  },
  {
    name: "vote-before-durable",
    what: "a vote leaves before the disk has it",
    file: "src/raft/raft.ts",
    find: `this.effects.sendAfterPersist({ ...header, type: "requestVoteResponse", term, granted });`,
    replace: `this.effects.sendNow({ ...header, type: "requestVoteResponse", term, granted });`,
  },
  {
    name: "own-vote-before-durable",
    what: "a candidate counts its own vote before its disk has it",
    file: "src/raft/candidate.ts",
    find: `if (this.role === "preCandidate") this.#count(config.id, true);`,
    replace: "this.#count(config.id, true);",
  },
  {
    name: "two-votes-a-term",
    what: "a voter gives its vote to whoever asks",
    file: "src/raft/vote.ts",
    find: "const free = voter.vote === request.from || (voter.vote === null && voter.leader === null);",
    replace: "const free = true;",
  },
  {
    name: "vote-for-a-shorter-log",
    what: "a voter does not compare logs",
    file: "src/raft/vote.ts",
    find: "return (free || ahead) && isUpToDate(request.last, voter.last);",
    replace: "return free || ahead;",
  },
  {
    name: "newer-term-not-stored",
    what: "a newer term is remembered and not written",
    file: "src/raft/raft.ts",
    find: "if (term > this.#term) this.#setHardState(term, null);",
    replace: `if (term > this.#term) {
      this.#term = term;
      this.#vote = null;
    }`,
  },
  {
    name: "leadership-resumed-at-boot",
    what: "a replica that had voted for itself boots as the leader of that term",
    file: "src/raft/raft.ts",
    find: `    this.#role = new Follower(this, null);
  }`,
    replace: `    const led = persisted.hardState.vote === config.id;
    this.#role = led ? new Leader(this) : new Follower(this, null);
  }`,
  },
  {
    name: "everything-committed-at-boot",
    what: "a replica takes its whole log for committed when it boots",
    file: "src/raft/log.ts",
    find: "    this.#commitIndex = commitIndex;",
    replace: "    void commitIndex;\n    this.#commitIndex = reader.last.index;",
  },
  {
    name: "no-pre-vote",
    what: "a follower stands for election without asking first whether it could win",
    file: "src/raft/raft.ts",
    find: `    this.#stand("preCandidate", false);`,
    replace: "    this.becomeCandidate();",
  },
  {
    name: "fresh-leader-not-protected",
    what: "followers that hear their leader help to replace it",
    file: "src/raft/raft.ts",
    find: "if (isVote && this.#hasFreshLeader() && !this.#hasGivenUp(message)) return;",
    replace: "",
  },
  {
    name: "cut-write-counts-as-durable",
    what: "a finished write vouches for an entry that a later write has cut (etcd's append race)",
    file: "src/raft/raft.ts",
    find: "if (truncateFrom !== null && durable >= truncateFrom) durable = offset(truncateFrom, -1);",
    replace: "void truncateFrom;\n      void offset;",
  },
  {
    name: "cut-before-compare",
    what: "a follower cuts its log at whatever a message carries, also what it has already",
    file: "src/raft/log.ts",
    find: "const firstNew = entries.findIndex((entry) => !this.holds(entry));",
    replace: "const firstNew = entries.length === 0 ? -1 : 0;",
  },
  {
    name: "previous-entry-not-compared",
    what: "a follower takes entries after any entry of the right index",
    file: "src/raft/follower.ts",
    find: "if (prev.index > known && !log.holds(prev)) {",
    replace: "if (prev.index > log.last.index) {",
  },
  {
    name: "ack-of-the-whole-log",
    what: "a follower acknowledges all it has, not what the message proved (CCF, 6016)",
    file: "src/raft/follower.ts",
    find: "const matchIndex = maxIndex(lastSent, known);",
    replace: "void lastSent;\n    void maxIndex;\n    const matchIndex = log.last.index;",
  },
  {
    name: "commit-of-the-whole-log",
    what: "a follower commits up to the leader's commit what the message did not prove",
    file: "src/raft/follower.ts",
    find: "log.commitTo(minIndex(leaderCommit, matchIndex));",
    replace: "log.commitTo(minIndex(leaderCommit, log.last.index));",
  },
  {
    name: "ack-before-durable",
    what: "a follower's acknowledgement leaves before its disk has the entries",
    file: "src/raft/follower.ts",
    find: "    effects.sendAfterPersist({ ...answer",
    replace: "    effects.sendNow({ ...answer",
  },
  {
    name: "late-refusal-believed",
    what: "an old refusal makes the leader forget what a follower has acknowledged",
    file: "src/raft/progress.ts",
    find: `  becomeProbe(): void {`,
    replace: `  becomeProbe(): void {
    this.#matchIndex = asIndex(0);`,
  },
  {
    name: "log-kept-under-a-snapshot",
    what: "what the log holds beyond a snapshot stays, though it does not follow (openraft, 559)",
    file: "src/raft/log.ts",
    find: `    this.#dropTail(this.#tail.length);
    this.#base = id;
    this.#last = id;`,
    replace: `    this.#base = id;
    if (this.#last.index < id.index) this.#last = id;`,
  },
  {
    name: "chunks-out-of-order",
    what: "a chunk is taken for the next, whatever its place",
    file: "src/raft/incoming.ts",
    find: `    if (!isKnown) return { type: "restart" };
    if (chunk < this.#next) return { type: "stored" };`,
    replace: `    if (!isKnown && chunk === 0) return { type: "restart" };`,
  },
  {
    name: "compaction-of-what-is-not-applied",
    what: "the log lets go of committed entries that are not applied",
    file: "src/raft/raft.ts",
    find: "const to = minIndex(this.#appliedIndex, maxIndex(forced, minIndex(index, spare)));",
    replace: "const to = maxIndex(this.log.commitIndex, maxIndex(forced, minIndex(index, spare)));",
  },
  {
    name: "reads-lost-at-step-down",
    what: "a leader that steps down never ends its reads",
    file: "src/raft/leader.ts",
    find: `effects.fail({ id, reason: "not_leader", leader: null });`,
    replace: "void id;",
  },
  {
    name: "writes-lost-at-step-down",
    what: "a leader that steps down never ends its open writes",
    file: "src/raft/leader.ts",
    find: `effects.fail({ id, reason: "unknown", leader: null });`,
    replace: "void id;",
  },
  {
    name: "dropped-without-a-word",
    what: "a proposal that finds no room never ends",
    file: "src/raft/leader.ts",
    find: `effects.fail({ id: proposal.id, reason: "dropped", leader: config.id });`,
    replace: "",
  },
  {
    name: "rounds-forgotten-at-step-down",
    what: "a leader that steps down ends only the reads that had no round yet",
    file: "src/raft/read-index.ts",
    find: "const all = [...this.#rounds.flatMap(({ ids }) => ids), ...this.#waiting];",
    replace: "const all = [...this.#waiting];",
  },
  {
    name: "follower-never-refuses-reads",
    what: "a read at a follower never ends",
    file: "src/raft/follower.ts",
    find: `  read(id: RequestId): void {
    refuse(this.#context, [id], this.#leader);`,
    replace: `  read(id: RequestId): void {
    void id;`,
  },
  {
    name: "candidate-never-refuses-reads",
    what: "a read at a candidate never ends",
    file: "src/raft/candidate.ts",
    find: `  read(id: RequestId): void {
    refuse(this.#context, [id], null);`,
    replace: `  read(id: RequestId): void {
    void id;`,
  },
  {
    name: "no-round-after-a-round",
    what: "reads that waited for a place get none when one is free",
    file: "src/raft/leader.ts",
    find: "if (confirmed > 0) this.#maybeBeginRound();",
    replace: "void confirmed;",
  },
  {
    name: "no-round-after-the-first-commit",
    what: "reads that waited for the first commit of the term go on waiting",
    file: "src/raft/leader.ts",
    find: `log.commitTo(index);
    this.#maybeBeginRound();`,
    replace: "log.commitTo(index);",
  },
  {
    name: "leader-helps-to-replace-itself",
    what: "a leader answers whoever wants to stand against it",
    file: "src/raft/raft.ts",
    find: `return this.role === "leader";
  }`,
    replace: `return false;
  }`,
  },
  {
    name: "old-leader-in-a-new-term",
    what: "a follower takes the leader of the last term for that of a new one",
    file: "src/raft/raft.ts",
    find: "if (bindsTerm(message)) this.becomeFollower(message.term, null);",
    replace: "if (bindsTerm(message)) this.becomeFollower(message.term, this.leader);",
  },
  {
    name: "room-never-freed",
    what: "the bytes of proposals that a leader lost count as open for ever",
    file: "src/raft/proposals.ts",
    find: "return start === -1 ? [] : this.#take(start, this.#pending.length);",
    replace: "return start === -1 ? [] : this.#pending.splice(start);",
  },
  {
    name: "durable-counts-one-less",
    what: "a batch counts as durable only with the next one",
    file: "src/raft/raft.ts",
    find: "this.#unpersisted[0].batch <= batch) {",
    replace: "this.#unpersisted[0].batch < batch) {",
  },
];
