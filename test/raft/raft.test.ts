import { describe, expect, test } from "vitest";
import { InvariantViolation } from "../../src/raft/assert.ts";
import { Raft } from "../../src/raft/raft.ts";
import { asIndex } from "../../src/raft/types.ts";
import { Cluster } from "../support/cluster.ts";
import { MemoryStorage } from "../support/memory-log.ts";
import {
  acceptAll,
  candidate,
  follower,
  leader,
  preCandidate,
  settledLeader,
} from "../support/roles.ts";
import { testConfig } from "../support/test-config.ts";
import { LoneReplica } from "../support/lone-replica.ts";
import { type Start, storageOf } from "../support/start.ts";

const roles: [string, (start: Start) => LoneReplica][] = [
  ["follower", follower],
  ["preCandidate", preCandidate],
  ["candidate", candidate],
  ["leader", leader],
];

describe.each(roles)("a %s", (role, make) => {
  /** In term 5, whatever the role. */
  const inTerm5 = (): LoneReplica => {
    const before = role === "candidate" || role === "leader" ? 4 : 5;
    return make({ term: before, log: [1] });
  };

  test.each([
    ["appendEntriesRequest", "prev 0/0 entries 4/1 commit 1", "appendEntriesResponse t5 stale"],
    ["appendEntriesRequest", "prev 0/0 commit 0 round 3", "appendEntriesResponse t5 stale round 3"],
    ["requestVoteRequest", "last 9/9", "requestVoteResponse t5 refused"],
    ["preVoteRequest", "last 9/9", "preVoteResponse t5 refused"],
  ])("[E4] answers a stale %s (%s) with its term", (type, rest, answer) => {
    const n1 = inTerm5();
    expect(n1.receive(`n3->n1 ${type} t4 ${rest}`)).toEqual([`then send n1->n3 ${answer}`]);
    expect(n1.raft).toMatchObject({ role, term: 5 });
  });

  test.each([
    "appendEntriesResponse t4 match 1",
    "appendEntriesResponse t4 conflict at 1 hint 0/0",
    "appendEntriesResponse t4 stale",
    "requestVoteResponse t4 granted",
    "requestVoteResponse t4 refused",
    "preVoteResponse t4 granted",
    "preVoteResponse t4 refused",
  ])("[E4] ignores a stale answer: %s", (answer) => {
    const n1 = inTerm5();
    expect(n1.receive(`n2->n1 ${answer}`)).toEqual([]);
    expect(n1.raft).toMatchObject({ role, term: 5 });
  });

  test.each([
    "appendEntriesResponse t7 stale",
    "appendEntriesResponse t7 match 1",
    "requestVoteResponse t7 refused",
    "preVoteResponse t7 refused",
  ])("[E3] follows into a newer term that it hears of from an answer: %s", (answer) => {
    const n1 = inTerm5();
    expect(n1.receive(`n2->n1 ${answer}`)[0]).toMatch(/^persist #\d+ term 7 vote none$/);
    expect(n1.raft).toMatchObject({ role: "follower", term: 7, vote: null, leader: null });
  });

  test("[E3] does not follow a pre-vote request, nor the grant of one, into its term", () => {
    const n1 = inTerm5();
    n1.receive("n3->n1 preVoteRequest t9 last 0/0");
    n1.receive("n3->n1 preVoteResponse t9 granted");
    expect(n1.raft).toMatchObject({ role, term: 5 });
  });

  test.each([
    "n2->n3 appendEntriesRequest t9 prev 0/0 commit 1",
    "n2->n9 requestVoteRequest t9 last 9/9",
    "n1->n1 requestVoteRequest t9 last 9/9",
    "n1->n1 appendEntriesRequest t9 prev 0/0 commit 0",
  ])("[E16] has nothing to do with %s", (text) => {
    const n1 = inTerm5();
    expect(n1.receive(text)).toEqual([]);
    expect(n1.raft).toMatchObject({ role, term: 5 });
  });

  test("[P6] does nothing before its time, and nothing twice", () => {
    const n1 = inTerm5();
    expect(n1.time()).toEqual([]);
    expect(n1.wait(9)).toEqual([]);
    n1.wait(300);
    expect(n1.time()).toEqual([]);
    expect(n1.raft.wakeAtMs).toBeGreaterThan(n1.clock.nowMs);
  });

  test("[P6] does what is due with whatever comes in", () => {
    const byAlarm = inTerm5();
    const bySomethingElse = inTerm5();
    bySomethingElse.clock.nowMs = 300;
    expect(bySomethingElse.unreachable("n9")).toEqual(byAlarm.wait(300));
    expect(bySomethingElse.raft.wakeAtMs).toBe(byAlarm.raft.wakeAtMs);
  });

  test("[P6] [P9] stops when time runs back", () => {
    const n1 = inTerm5();
    n1.wait(5);
    n1.clock.nowMs = 4;
    expect(() => n1.time()).toThrow(InvariantViolation);
  });

  test("[P9] stops when it hears of entries applied that it never handed out", () => {
    const n1 = inTerm5();
    const applied = { type: "applied", index: asIndex(1), digests: [] } as const;
    expect(() => n1.step(applied)).toThrow(InvariantViolation);
  });

  test("[E17] campaigns when told to, unless it leads", () => {
    const n1 = inTerm5();
    n1.campaign();
    expect(n1.raft.role).toBe(role === "leader" ? "leader" : "preCandidate");
  });
});

describe("a boot", () => {
  test("[E2] [D6] brings back term, vote, log and what was applied, and nothing else", () => {
    const n1 = settledLeader({ term: 4, log: [1, 2] });
    n1.propose([1]);
    n1.makeDurable();
    n1.crash();
    n1.boot();
    expect(n1.raft).toMatchObject({ role: "follower", term: 5, vote: "n1", leader: null });
    expect(n1.raft.log).toMatchObject({
      last: { term: 5, index: 4 },
      commitIndex: 3,
      durableIndex: 4,
    });
    expect(n1.raft.appliedIndex).toBe(3);
    expect(n1.receive("n2->n1 requestVoteRequest t5 last 9/9")).toEqual([
      "then send n1->n2 requestVoteResponse t5 refused",
    ]);
  });

  test("[E1] does not resume a leadership: old votes and acceptances are of no use", () => {
    const n1 = settledLeader();
    n1.crash();
    n1.boot();
    n1.receive("n2->n1 requestVoteResponse t1 granted");
    n1.receive("n3->n1 requestVoteResponse t1 granted");
    acceptAll(n1, 1);
    expect(n1.raft).toMatchObject({ role: "follower", term: 1 });
    n1.campaign();
    n1.receive("n2->n1 preVoteResponse t2 granted");
    expect(n1.raft.term).toBe(2);
  });

  test("[D6] after a crash knows nothing of a vote that never left", () => {
    const n1 = new LoneReplica("n1", { term: 1 });
    n1.fastDisk = false;
    n1.receive("n2->n1 requestVoteRequest t2 last 0/0");
    expect(n1.sent).toEqual([]);
    n1.crash();
    n1.boot();
    expect(n1.raft).toMatchObject({ term: 1, vote: null });
    expect(n1.receive("n3->n1 requestVoteRequest t2 last 0/0").at(-1)).toBe(
      "then send n1->n3 requestVoteResponse t2 granted",
    );
  });

  test("[D6] applies again what was committed, but not known to be applied", () => {
    const n1 = new LoneReplica("n1", { term: 1, log: [1, 1, 1], applied: 1 });
    expect(n1.raft.log.commitIndex).toBe(1);
    expect(n1.receive("n2->n1 appendEntriesRequest t1 prev 1/3 commit 3")).toContain(
      "apply 1/2..1/3",
    );
  });

  test("[P8] refuses a configuration that cannot work", () => {
    const config = testConfig("n1", { heartbeatMs: 0 });
    expect(() => new Raft(config, new MemoryStorage().persisted, 0)).toThrow(
      "heartbeatMs must be at least 1",
    );
  });
});

describe("what may leave, and when", () => {
  const typesIn = (n1: LoneReplica): string[] => n1.sent.map(({ type }) => type);

  test("[D2] a vote and a refusal leave when term and vote are durable", () => {
    const n1 = new LoneReplica("n1", { term: 1, log: [1] });
    n1.fastDisk = false;
    n1.receive("n2->n1 requestVoteRequest t2 last 0/0");
    n1.receive("n3->n1 requestVoteRequest t2 last 1/1");
    expect(typesIn(n1)).toEqual([]);
    n1.sync(1);
    expect(n1.sent).toMatchObject([{ to: "n2", granted: false }]);
    n1.sync(2);
    expect(n1.sent).toMatchObject([{ to: "n2" }, { to: "n3", granted: true }]);
  });

  test("[D2] an answer that itself wrote nothing waits for what was written before", () => {
    const n1 = follower();
    n1.sent.length = 0;
    n1.fastDisk = false;
    n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 entries 1/1 commit 0");
    n1.receive("n2->n1 appendEntriesRequest t1 prev 1/1 commit 0");
    n1.receive("n3->n1 appendEntriesRequest t0 prev 0/0 commit 0");
    expect(typesIn(n1)).toEqual([]);
    n1.sync();
    expect(n1.sent).toMatchObject([
      { result: { matchIndex: 1 } },
      { result: { matchIndex: 1 } },
      { result: { type: "stale" } },
    ]);
  });

  test("[D2] a leader's messages and requests for pre-votes wait for nothing", () => {
    const n1 = settledLeader();
    n1.fastDisk = false;
    n1.sent.length = 0;
    n1.propose([1]);
    n1.read(2);
    n1.wait(10);
    expect(typesIn(n1)).toEqual(new Array(n1.sent.length).fill("appendEntriesRequest"));
    expect(n1.sent.length).toBeGreaterThanOrEqual(6);
    const standing = new LoneReplica("n1");
    standing.fastDisk = false;
    standing.campaign();
    expect(typesIn(standing)).toEqual(["preVoteRequest", "preVoteRequest"]);
  });
});

describe("what is reported durable", () => {
  test("[D5] of a write that a later one cuts, what lies before counts", () => {
    const n1 = new LoneReplica("n1", { term: 1 });
    n1.fastDisk = false;
    n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 entries 1/1..1/5 commit 0");
    n1.receive("n3->n1 appendEntriesRequest t2 prev 1/3 entries 2/4 commit 0");
    n1.sync(1);
    expect(n1.raft.log.durableIndex).toBe(3);
    n1.sync(2);
    expect(n1.raft.log.durableIndex).toBe(4);
  });

  test("[D5] the deepest of several cuts decides", () => {
    const n1 = new LoneReplica("n1", { term: 1 });
    n1.fastDisk = false;
    n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 entries 1/1..1/5 commit 0");
    n1.receive("n3->n1 appendEntriesRequest t2 prev 1/1 entries 2/2..2/5 commit 0");
    n1.receive("n2->n1 appendEntriesRequest t3 prev 2/4 entries 3/5 commit 0");
    n1.sync(1);
    expect(n1.raft.log.durableIndex).toBe(1);
    n1.sync(2);
    expect(n1.raft.log.durableIndex).toBe(4);
    n1.sync(3);
    expect(n1.raft.log.durableIndex).toBe(5);
  });

  test("[D5] one report may cover several writes, and the same one may come again", () => {
    const n1 = follower();
    n1.fastDisk = false;
    n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 entries 1/1 commit 0");
    n1.receive("n2->n1 appendEntriesRequest t1 prev 1/1 entries 1/2 commit 0");
    n1.receive("n2->n1 appendEntriesRequest t1 prev 1/2 entries 1/3 commit 0");
    n1.sync();
    expect(n1.raft.log.durableIndex).toBe(3);
    n1.step({ type: "persisted", batch: 1 });
    n1.step({ type: "persisted", batch: 3 });
    expect(n1.raft.log.durableIndex).toBe(3);
  });
});

describe("committed entries", () => {
  const carry = (applied: number, settings: Start): LoneReplica => {
    const n1 = new LoneReplica("n1", { term: 1, log: [1, 1, 1, 1, 1], applied, ...settings });
    n1.fastMachine = false;
    return n1;
  };
  const commitAll = "n2->n1 appendEntriesRequest t1 prev 1/5 commit 5";

  // Each entry holds three bytes, its name.
  test.each([
    [1, ["1/1", "1/2", "1/3", "1/4", "1/5"]],
    [5, ["1/1", "1/2", "1/3", "1/4", "1/5"]],
    [6, ["1/1..1/2", "1/3..1/4", "1/5"]],
    [15, ["1/1..1/5"]],
    [99, ["1/1..1/5"]],
  ])("[C6] are handed out at most %i bytes at a time, as %j", (maxApplyBytes, ranges) => {
    const n1 = carry(0, { maxApplyBytes });
    const lines = n1.receive(commitAll);
    while (n1.isApplying) lines.push(...n1.finishApplying());
    expect(lines.filter((line) => line.startsWith("apply")).map((line) => line.slice(6))).toEqual(
      ranges,
    );
  });

  test("[C6] wait until all that were handed out before are applied", () => {
    const n1 = carry(1, { maxApplyBytes: 6 });
    expect(n1.receive(commitAll)).toContain("apply 1/2..1/3");
    expect(n1.receive(commitAll).join()).not.toContain("apply");
    expect(n1.finishApplying(asIndex(2))).toEqual([]);
    expect(n1.raft.appliedIndex).toBe(2);
    expect(n1.finishApplying(asIndex(3))).toEqual(["apply 1/4..1/5"]);
  });

  test("[C6] may be applied before they are durable here", () => {
    const n1 = follower();
    n1.fastDisk = false;
    expect(n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 entries 1/1 commit 1")).toContain(
      "apply 1/1",
    );
    expect(n1.raft.log.durableIndex).toBe(0);
  });
});

describe("impossible states", () => {
  test("[P9] a second leader in a leader's own term stops it", () => {
    const n1 = leader();
    expect(() => n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 commit 0")).toThrow(
      "two leaders in term 1: n2 and this one",
    );
  });
});

describe("determinism", () => {
  test("[P7] the same seed, storage and inputs give the same outputs", () => {
    const story = (): string[] => {
      const lines: string[] = [];
      const cluster = new Cluster(["n1", "n2", "n3"], {}, ({ replica, output }) => {
        lines.push(`${cluster.nowMs} ${replica.id} ${JSON.stringify(output)}`);
      });
      cluster.advance(500, true);
      cluster.leaders[0]!.propose([1, 2]);
      cluster.advance(500, true);
      return lines;
    };
    expect(story()).toEqual(story());
  });

  test("[P7] [E5] another seed gives other timeouts", () => {
    const boot = (seed: number): number | null =>
      new Raft(testConfig("n1", { seed }), storageOf({}).persisted, 0).wakeAtMs;
    expect(new Set([1, 2, 3, 4, 5].map(boot)).size).toBeGreaterThan(1);
  });
});
