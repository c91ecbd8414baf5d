import type { Mutant } from "./mutant.ts";

/** Mistakes in what commands and reads mean: conditions, transactions, expiry, leases, names, lists. */
export const kvMutants: readonly Mutant[] = [
  {
    name: "condition-forgotten-on-retry",
    what: "the edge leaves the condition out when it sends a write again",
    file: "src/edge/forward.ts",
    find: "return { ...this.#draft, requestId: this.#requestId, floor: this.#floor };",
    replace: `const condition = this.#isAmbiguous ? {} : undefined;
    return {
      ...this.#draft,
      ...(condition !== undefined && "condition" in this.#draft ? { condition: { type: "exists" } } : {}),
      requestId: this.#requestId,
      floor: this.#floor,
    } as ClientRequest;`,
  },
  {
    name: "condition-before-the-log",
    what: "a leader looks at the condition when a write comes, and not when it is applied",
    file: "src/replica/driver.ts",
    find: "      propose: (commands) => this.#propose(commands),",
    replace: `      propose: (commands) =>
        this.#propose(
          commands.map((command) => {
            if (command.type !== "put" || command.condition?.type !== "revision") return command;
            const row = storage.table.get(command.key);
            if (row?.modRevision !== command.condition.revision) return command;
            return { ...command, condition: { type: "exists" } as const };
          }),
        ),`,
  },
  {
    name: "created-means-modified",
    what: "a fencing token does not outlive the next put",
    file: "src/kv/condition.ts",
    find: "return row?.createRevision === condition.revision;",
    replace: "return row?.modRevision === condition.revision;",
  },
  {
    name: "read-hides-what-is-due",
    what: "a read takes its own clock's word that a value is gone, and nobody else hears of it",
    file: "src/replica/reads.ts",
    find: "      const due = keys.filter((key) => this.#isDue(key));",
    replace: `      const due = keys.filter((key) => this.#isDue(key));
      const { revision } = this.#parts.machine.state;
      if (due.length > 0 && request.type === "get") return { type: "absent", revision };`,
  },
  {
    name: "read-shows-what-is-due",
    what: "a read does not wait until what is due has gone",
    file: "src/replica/reads.ts",
    find: "if (dueInMs !== null && dueInMs <= 0) {",
    replace: "if (dueInMs !== null && dueInMs <= -1e9) {",
  },
  {
    name: "time-goes-back",
    what: "a tick of a leader whose clock is behind sets the group's time back",
    file: "src/kv/state-machine.ts",
    find: "const nowMs = Math.max(this.#state.nowMs, command.nowMs);",
    replace: "const { nowMs } = command;",
  },
  {
    name: "time-stands-still",
    what: "the time of a leader whose clock is behind stands still until that has caught up",
    file: "src/replica/group-clock.ts",
    find: "Math.max(this.#clock.wallMs(), groupMs + this.#clock.nowMs() - atMs)",
    replace: "Math.max(this.#clock.wallMs(), groupMs + 0 * atMs)",
  },
  {
    name: "time-ahead",
    what: "a leader says that it is later than it is",
    file: "src/replica/sweeper.ts",
    find: "tickNow(keys: readonly string[] = []): TickCommand {\n    const nowMs = this.#ports.clock.nowMs();",
    replace:
      "tickNow(keys: readonly string[] = []): TickCommand {\n    const nowMs = this.#ports.clock.nowMs() + 20;",
  },
  {
    name: "sweep-forgets-leases",
    what: "only values with a time of their own go, not those of a lease",
    file: "src/kv/leases.ts",
    find: "for (const lease of room > 0 ? this.#leases.due(nowMs, sweepLimit) : []) {",
    replace: "for (const lease of room > sweepLimit ? this.#leases.due(nowMs, sweepLimit) : []) {",
  },
  {
    name: "lease-ends-without-its-keys",
    what: "a lease that is over goes, and its keys stay",
    file: "src/kv/leases.ts",
    find: "const going = keys.slice(0, limit);",
    replace: "const going = keys.slice(limit);",
  },
  {
    name: "kept-alive-too-late",
    what: "a lease that has ended can be kept alive, and is there again",
    file: "src/kv/leases.ts",
    find: "const terms = this.#leases.get(lease);\n    // One that is due",
    replace:
      "const terms = this.#leases.get(lease) ?? { ttlMs: 1000, expiresMs: nowMs + 1 };\n    // One that is due",
  },
  {
    name: "put-under-an-ended-lease",
    what: "a value can go with a lease that is no more",
    file: "src/kv/leases.ts",
    find: `if (!this.#isAlive(expiry.lease, nowMs)) return refused("no_lease");`,
    replace: "",
  },
  {
    name: "lease-id-again",
    what: "a new lease can have the id of one that has ended",
    file: "src/kv/state-machine.ts",
    find: "return this.#leases.grant(String(this.#state.sequence + 1), command.ttlMs, nowMs);",
    replace: "return this.#leases.grant(String(this.#state.revision + 1), command.ttlMs, nowMs);",
  },
  {
    name: "lock-for-two",
    what: "a lock is given to whoever asks",
    file: "src/kv/state-machine.ts",
    find: 'if (row !== null) return { type: "mismatch", current: row.modRevision, revision: 0 };',
    replace:
      'if (row !== null && row.lease === null) return { type: "mismatch", current: row.modRevision, revision: 0 };',
  },
  {
    name: "due-in-the-background",
    what: "what is due goes only when somebody asks for something",
    file: "src/replica/driver.ts",
    find: `if (this.#raft.role === "leader") void this.#sweeper.sweep();`,
    replace: "",
  },
  {
    name: "due-only-while-awake",
    what: "a leader that sleeps does not wake when something is due",
    file: "src/replica/sweeper.ts",
    find: `if (role === "leader") return this.#ports.mayTick() ? nowMs + dueInMs : null;`,
    replace: `if (role === "leader") return this.#ports.mayTick() && !isAsleep ? nowMs + dueInMs : null;`,
  },
  {
    name: "due-only-with-a-leader",
    what: "followers that sleep leave what is due to their leader, and do not see that it is lost",
    file: "src/replica/sweeper.ts",
    find: "return isAsleep ? nowMs + dueInMs + 2 * config.electionMaxMs : null;",
    replace: "void config;\n    return null;",
  },
  {
    name: "name-for-anything",
    what: "a name answers for whatever is asked for under it",
    file: "src/kv/state-machine.ts",
    find: `if (kept.fingerprint !== idempotency!.fingerprint) return { type: "reused" };`,
    replace: "",
  },
  {
    name: "name-forgotten",
    what: "a request under a name that stands for an outcome is carried out again",
    file: "src/kv/state-machine.ts",
    find: "if (kept === null) return this.#carryOut(command);",
    replace: "if (kept === null || kept.ordinal > 2) return this.#carryOut(command);",
  },
  {
    name: "name-of-a-held-lock",
    what: "whoever asks again for a lock hears for a day that it was taken",
    file: "src/kv/state-machine.ts",
    find: "!isHeld && !isToBeTriedAgain",
    replace: "!(isHeld && isToBeTriedAgain)",
  },
  {
    name: "names-not-in-snapshots",
    what: "a snapshot leaves out what names stand for",
    file: "src/replica/chunked-export.ts",
    find: "return { part: { outcomes }, then:",
    replace: "return { part: {}, then:",
  },
  {
    name: "leases-not-in-snapshots",
    what: "a snapshot leaves out leases",
    file: "src/replica/chunked-export.ts",
    find: "return { part: { leases }, then:",
    replace: "return { part: {}, then:",
  },
  {
    name: "expiry-not-in-snapshots",
    what: "a snapshot leaves out when values go",
    file: "src/replica/snapshot-chunk.ts",
    find: "  toBytes({ format: snapshotFormat, ...chunk });",
    replace: `  toBytes({
    format: snapshotFormat,
    ...chunk,
    rows: chunk.rows.map(([key, row]) => [key, { ...row, expiresMs: null }]),
  });`,
  },
  {
    name: "refused-half-way",
    what: "what a transaction did before an operation was refused stays",
    file: "src/kv/state-machine.ts",
    find: `const staging = executed.type === "refused" ? this.#stage() : tried;`,
    replace: "const staging = tried;",
  },
  {
    name: "revision-for-each-change",
    what: "each change of a transaction counts as a revision",
    file: "src/kv/state-machine.ts",
    find: "return this.#state.revision + (changes.length > 0 ? 1 : 0);",
    replace: "return this.#state.revision + changes.length;",
  },
  {
    name: "version-for-each-put",
    what: "each put of one transaction to a key counts as a version",
    file: "src/kv/staging.ts",
    find: "version: isAgain ? version : version + 1",
    replace: "version: isAgain ? version + 1 : version + 1",
  },
  {
    name: "transaction-does-not-see-itself",
    what: "an operation sees the table as it was before the transaction",
    file: "src/kv/staging.ts",
    find: "return change === undefined ? this.#table.get(key) : change.after;",
    replace:
      "return change === undefined || change.after === null ? this.#table.get(key) : change.after;",
  },
  {
    name: "other-branch-never",
    what: "a transaction carries out the first list whether its conditions hold or not",
    file: "src/kv/transaction.ts",
    find: "(succeeded ? branch.then : branch.else).entries()",
    replace: "(succeeded || branch.else.length === 0 ? branch.then : branch.else).entries()",
  },
  {
    name: "range-one-key-too-far",
    what: "of a range one key more is deleted than the limit says",
    file: "src/kv/state-machine.ts",
    find: "const going = keys.slice(0, command.limit);",
    replace: "const going = keys;",
  },
  {
    name: "expiry-outlives-its-value",
    what: "a put without an expiry leaves the key the one that it had",
    file: "src/kv/staging.ts",
    find: "this.#set(key, { ...this.#next(row), value, large, contentType, metadata, ...expiry });",
    replace: `const { expiresMs = null } = row ?? {};
    const kept = expiry.lease === null && expiry.expiresMs === null ? { expiresMs } : {};
    this.#set(key, { ...this.#next(row), value, large, contentType, metadata, ...expiry, ...kept });`,
  },
  {
    name: "later-value-for-an-earlier-read",
    what: "a repeated transaction tells what a key has now",
    file: "src/kv/record.ts",
    find: "if (row?.modRevision !== outcome) return",
    replace: "if (row === null) return",
  },
  {
    name: "list-skips-at-the-cursor",
    what: "the rest of a list begins behind all keys that begin like its last one",
    file: "src/replica/look-up.ts",
    find: "range = beyond(range!, order, key, next(key));",
    replace: "range = beyond(range!, order, key, afterPrefix(next(key).slice(0, -1)));",
  },
  {
    name: "list-repeats-at-the-cursor",
    what: "the rest of a descending list begins with its last key",
    file: "src/replica/look-up.ts",
    find: `if (order === "descending") return { from, to: first };`,
    replace: `if (order === "descending") return { from, to: next(first) };`,
  },
  {
    name: "folded-once-a-page",
    what: "keys that go on after a delimiter are told as one, and as many again",
    file: "src/replica/look-up.ts",
    find: "range = beyond(range!, order, prefix, afterPrefix(prefix));",
    replace: "range = beyond(range!, order, key, next(key));",
  },
  {
    name: "new-requests-to-old-code",
    what: "a leader proposes what an older member cannot read",
    file: "src/replica/writes.ts",
    find: "if ((!isPlain(command) || this.#mustAdvance) && isMixed()) return",
    replace: "if (this.#mustAdvance && isMixed()) return",
  },
  {
    name: "follower-reads-without-asking",
    what: "a replica that does not lead takes its state for new enough",
    file: "src/replica/reads.ts",
    find: "const index = await this.#followers.confirm(sweepFor(request));",
    replace: "const index = this.#parts.raft.appliedIndex;",
  },
  {
    name: "follower-reads-before-it-has-applied",
    what: "a replica asks the leader, and does not wait until it has what that has",
    file: "src/replica/follower-reads.ts",
    find: "if (!isThere()) return null;",
    replace: "if (raft.audit.hasDiverged) return null;",
  },
  {
    name: "follower-joins-a-question-on-its-way",
    what: "the answer to a question counts for whoever came after it was sent",
    file: "src/replica/follower-reads.ts",
    find: "if (newest !== null && !newest.hasBegun && newest.keys.size < maxKeys) return newest;",
    replace: "if (newest !== null && newest.keys.size < 3) return newest;",
  },
  {
    name: "fresh-since-the-answer",
    what: "a state counts as new since the leader answered, and not since it was asked",
    file: "src/replica/follower-reads.ts",
    find: "freshness.note(sentMs);",
    replace: "void sentMs;\n    freshness.note(this.#parts.clock.nowMs() + 20);",
  },
  {
    name: "fresh-for-longer",
    what: "a read that may be so old is shown what is twice as old",
    file: "src/replica/reads.ts",
    find: "return stalenessMs !== null && stalenessMs <= level.maxStalenessMs;",
    replace: "return stalenessMs !== null && stalenessMs <= 2 * level.maxStalenessMs + 20;",
  },
  {
    name: "session-forgotten",
    what: "a read shows less than its session has seen",
    file: "src/replica/reads.ts",
    find: "return epoch === raft.log.configuration.epoch && revision <= machine.state.revision;",
    replace:
      "return epoch === raft.log.configuration.epoch && revision - 5 <= machine.state.revision;",
  },
];
