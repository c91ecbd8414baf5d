import type { Mutant } from "./mutant.ts";

/**
 * Mistakes that somebody might make, most of them made by others before. The simulator must catch
 * each within a few seeds (`npm run sim:mutants`), and a torture run the first.
 */
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
  {
    name: "reads-by-lease",
    what: "a leader that has heard from a quorum of late answers reads at once, itself a zombie or not",
    file: "src/raft/leader.ts",
    find: `    this.#reads.add(id);
    this.#maybeBeginRound();
  }`,
    replace: `    const active = [...this.#followers.values()].filter((progress) => progress.active).length;
    if (active + 1 >= majority(this.#context.config.voters.length)) {
      this.#context.effects.readAt(id, this.#context.log.commitIndex);
      return;
    }
    this.#reads.add(id);
    this.#maybeBeginRound();
  }`,
  },
  {
    name: "reads-before-own-commit",
    what: "a new leader serves reads before it has committed anything",
    file: "src/raft/leader.ts",
    find: `    if (log.termAt(log.commitIndex) !== term) return;
    if (!this.#reads`,
    replace: `    void term;
    if (!this.#reads`,
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
    find: "?? this.#context.log.durableIndex;",
    replace: "?? this.#context.log.last.index;",
  },
  {
    name: "no-quorum-check",
    what: "a leader that hears from nobody goes on leading",
    file: "src/raft/leader.ts",
    find: "if (active + 1 < majority(config.voters.length)) {",
    replace: "if (active < 0) {",
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
    find: `    this.#stand("preCandidate");`,
    replace: "    this.becomeCandidate();",
  },
  {
    name: "fresh-leader-not-protected",
    what: "followers that hear their leader help to replace it",
    file: "src/raft/raft.ts",
    find: "if (isVote && this.#hasFreshLeader() && message.from !== this.leader) return;",
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
    name: "snapshot-over-a-newer-state",
    what: "a snapshot that comes late is put in the place of a newer state",
    file: "src/raft/follower.ts",
    find: "    if (snapshot.index <= log.commitIndex) {",
    replace: "    if (snapshot.index === log.commitIndex) {",
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
    name: "old-transfer-believed",
    what: "chunks of any transfer of the leader are taken for those of the one under way",
    file: "src/raft/incoming.ts",
    find: "const isKnown = term === this.#term && transfer === this.#transfer && chunk <= this.#next;",
    replace: "const isKnown = term === this.#term && chunk <= this.#next;",
  },
  {
    name: "chunk-never-sent-again",
    what: "the leader waits for ever for the answer to a chunk",
    file: "src/raft/transfer.ts",
    find: "    return this.#sentMs === null || nowMs - this.#sentMs >= afterMs;",
    replace: "    return nowMs < afterMs;",
  },
  {
    name: "snapshot-of-what-is-not-there",
    what: "a leader takes for stored whatever chunk an answer speaks of",
    file: "src/raft/leader.ts",
    find: "if (transfer === null || !transfer.awaits(message)) return;",
    replace: "if (transfer === null) return;",
  },
  {
    name: "overtaken-snapshot-awaited",
    what: "a leader goes on with a transfer whose end the follower has reached",
    file: "src/raft/leader.ts",
    find: "if (isThere || this.#hasEntry(offset(progress.matchIndex, 1))) progress.becomeReplicate();",
    replace:
      "if (isThere && this.#hasEntry(offset(progress.matchIndex, 1))) progress.becomeReplicate();",
  },
  {
    name: "compaction-of-what-is-not-applied",
    what: "the log lets go of committed entries that are not applied",
    file: "src/raft/raft.ts",
    find: "const to = minIndex(this.#appliedIndex, maxIndex(forced, minIndex(index, spare)));",
    replace: "const to = maxIndex(this.log.commitIndex, maxIndex(forced, minIndex(index, spare)));",
  },
  {
    name: "compaction-without-the-state",
    what: "entries go although the state that they led to is not stored",
    file: "src/replica/driver.ts",
    find: "if (compactTo !== null && storage.machineState.appliedIndex < compactTo.index) {",
    replace: "if (compactTo === null && install !== null) {",
  },
  {
    name: "old-state-under-a-snapshot",
    what: "a replica goes on from the state that it had before a snapshot",
    file: "src/replica/driver.ts",
    find: "if (install !== null) this.#machine.restore(storage.machineState);",
    replace: "void install;",
  },
  {
    name: "old-requests-under-a-snapshot",
    what: "a replica goes on from the request records that it had before a snapshot",
    file: "src/kv/state-machine.ts",
    find: "    this.#window.reload();",
    replace: "",
  },
  {
    name: "snapshot-without-requests",
    what: "a snapshot leaves out which requests have been carried out",
    file: "src/replica/chunked-export.ts",
    find: "return { data: packChunk({ state, turns, rows: rows.items }), isLast: rows.isLast };",
    replace:
      "return { data: packChunk({ state, turns: [], rows: rows.items }), isLast: rows.isLast };",
  },
  {
    name: "snapshot-cut-short",
    what: "a snapshot ends with its first chunk of rows",
    file: "src/replica/chunked-export.ts",
    find: "rows: rows.items }), isLast: rows.isLast };",
    replace: "rows: rows.items }), isLast: turns.length === 0 };",
  },
  {
    name: "durable-before-it-is",
    what: "the driver reports as durable what was written while it waited",
    file: "src/replica/driver.ts",
    find: `      reported = batch;
      this.#step({ type: "persisted", batch });`,
    replace: `      void batch;
      reported = this.#writtenBatch;
      this.#step({ type: "persisted", batch: reported });`,
  },
  {
    name: "applied-apart-from-state",
    what: "what an entry did and that it was applied are stored in two turns",
    file: "src/replica/driver.ts",
    find: "this.#ports.storage.saveMachine(this.#machine.state, records);",
    replace: `{
      const { state } = this.#machine;
      queueMicrotask(() => this.#ports.storage.saveMachine(state, records));
    }`,
  },
  {
    name: "requests-forgotten-at-restart",
    what: "a replica that restarts forgets which requests it has carried out",
    file: "src/kv/request-window.ts",
    find: "for (const record of this.#load()) insert(this.#records, record);",
    replace: "",
  },
  {
    name: "alarm-not-set-again",
    what: "an alarm that has rung counts as set",
    file: "src/replica/wake.ts",
    find: `    this.#armedMs = null;
    if (atMs === null) return;`,
    replace: "    if (atMs !== undefined) return;",
  },
  {
    name: "results-out-of-place",
    what: "the results of a batch are given in another order than its requests",
    file: "src/replica/client-api.ts",
    find: "group.forEach(({ place }, i) => (results[place] = all[i]!));",
    replace: "group.forEach((_, i) => results.push(all[i]!));\n    results.splice(0, all.length);",
  },
  {
    name: "retry-under-another-id",
    what: "the edge repeats a request as if it were another",
    file: "src/edge/forward.ts",
    find: "return { ...this.#draft, requestId: this.#requestId, floor: this.#floor };",
    replace: "return { ...this.#draft, requestId: crypto.randomUUID(), floor: this.#floor };",
  },
  {
    name: "lost-attempt-forgotten",
    what: "the edge says that nothing happened after an attempt of which it heard nothing",
    file: "src/edge/forward.ts",
    find: `if (type === "lost" || type === "unknown") this.#isAmbiguous ||= this.#draft.type !== "get";`,
    replace: "void type;",
  },
];
