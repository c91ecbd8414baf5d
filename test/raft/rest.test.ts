import { describe, expect, test } from "vitest";
import type { LoneReplica } from "../support/lone-replica.ts";
import { acceptAll, follower, leader, othersOf, sentTo, settledLeader } from "../support/roles.ts";
import type { Start } from "../support/start.ts";

const restMs = 50;
const mark = (to: string, round = 1): string =>
  `send n1->${to} appendEntriesRequest t1 prev 1/1 commit 1 round ${round} sleep`;
const heartbeat = (to: string, round: number): string =>
  `send n1->${to} appendEntriesRequest t1 prev 1/1 commit 1 round ${round}`;

/** A leader that has been asking its followers to sleep, since just now. */
function asking(start: Start = {}): LoneReplica {
  const n1 = settledLeader({ restMs, ...start });
  pass(n1, restMs);
  return n1;
}

/** Lets time pass, with these followers answering each heartbeat. Returns what was sent last. */
function pass(n1: LoneReplica, ms: number, nodes: readonly string[] = othersOf(n1)): string[] {
  let last: string[] = [];
  for (let passed = 0; passed < ms; passed += 10) {
    last = n1.wait(10);
    acceptAll(n1, 1, nodes);
  }
  return last;
}

const sleeps = (n1: LoneReplica, from: string, round = 1): string[] =>
  n1.receive(`${from}->n1 appendEntriesResponse t1 match 1 round ${round} asleep`);

function asleep(start: Start = {}): LoneReplica {
  const n1 = asking(start);
  for (const from of othersOf(n1)) sleeps(n1, from);
  expect(n1.raft.isAsleep).toBe(true);
  return n1;
}

describe("a leader of which nobody wants anything", () => {
  test("[Q1] asks its followers to sleep, after restMs", () => {
    const n1 = settledLeader({ restMs });
    expect(pass(n1, restMs - 10)).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/1 commit 1",
      "send n1->n3 appendEntriesRequest t1 prev 1/1 commit 1",
    ]);
    expect(n1.wait(10)).toEqual([mark("n2"), mark("n3")]);
    expect(n1.wait(10)).toEqual([mark("n2"), mark("n3")]);
  });

  test("[Q1] does not, where restMs is 0, or where it is alone", () => {
    expect(pass(settledLeader({ restMs: 0 }), 900).join()).not.toContain("sleep");
    const n1 = settledLeader({ restMs, voters: ["n1"] });
    expect(n1.wait(900)).toEqual([]);
    expect(n1.raft).toMatchObject({ isAsleep: false, wakeAtMs: null });
  });

  test.each<[string, (n1: LoneReplica) => unknown]>([
    ["a read", (n1) => [n1.read(1), n1.receive("n2->n1 appendEntriesResponse t1 match 1 round 1")]],
    ["a poke", (n1) => n1.poke()],
    ["a transfer", (n1) => n1.transfer("n9")],
    ["a request for a pre-vote", (n1) => n1.receive("n2->n1 preVoteRequest t2 last 1/1")],
  ])("[Q1] does so only restMs after %s", (_, want) => {
    const n1 = settledLeader({ restMs });
    pass(n1, restMs - 10);
    want(n1);
    expect(pass(n1, restMs - 10).join()).not.toContain("sleep");
    expect(pass(n1, 10).join()).toContain("sleep");
  });

  test("[Q1] does not as long as something is not applied", () => {
    const n1 = settledLeader({ restMs });
    n1.fastMachine = false;
    n1.propose([1]);
    acceptAll(n1, 2);
    expect(n1.raft).toMatchObject({ appliedIndex: 1, log: { commitIndex: 2 } });
    for (let ms = 0; ms < 200; ms += 10) {
      expect(n1.wait(10).join()).not.toContain("sleep");
      acceptAll(n1, 2);
    }
    n1.finishApplying();
    expect(n1.wait(10).join()).toContain("sleep");
  });

  test("[Q1] does not as long as a follower lacks something", () => {
    const n1 = settledLeader({ restMs });
    n1.propose([1]);
    acceptAll(n1, 2, ["n2"]);
    for (let ms = 0; ms < 200; ms += 10) {
      expect(n1.wait(10).join()).not.toContain("sleep");
      acceptAll(n1, 2, ["n2"]);
      acceptAll(n1, 1, ["n3"]);
    }
    acceptAll(n1, 2);
    expect(n1.wait(10).join()).toContain("sleep");
  });

  test("[Q1] does not as long as a read is open", () => {
    const n1 = settledLeader({ restMs });
    n1.read(1);
    expect(pass(n1, 200).join()).not.toContain("sleep");
  });

  test("[Q1] does not as long as a member waits for its vote", () => {
    const n1 = settledLeader({ restMs });
    n1.step({ type: "change", id: 1, change: { type: "add", region: "here", replaces: null } });
    acceptAll(n1, 2);
    expect(n1.raft.log).toMatchObject({ commitIndex: 2, configuration: { learners: [{}] } });
    for (let ms = 0; ms < 200; ms += 10) {
      expect(n1.wait(10).join()).not.toContain("sleep");
      acceptAll(n1, 2);
    }
  });

  test("[Q2] waits for a follower that is silent, for patienceMs, and asks it no more", () => {
    const n1 = settledLeader({ restMs });
    pass(n1, restMs, ["n2"]);
    sleeps(n1, "n2");
    expect(n1.raft.isAsleep).toBe(false);
    // Then nobody is asked, until it has been silent for so long.
    expect(pass(n1, 940, ["n2"]).join()).not.toContain("sleep");
    expect(n1.wait(10)).toEqual([mark("n2", 3), heartbeat("n3", 3)]);
    sleeps(n1, "n2", 3);
    expect(n1.raft.isAsleep).toBe(true);
    // What those say that sleep may come late and doubled; one that was given up is there after all.
    n1.receive("n2->n1 appendEntriesResponse t1 match 1 round 1");
    expect(n1.raft.isAsleep).toBe(true);
    n1.receive("n3->n1 appendEntriesResponse t1 match 1 round 1");
    expect(n1.raft.isAsleep).toBe(false);
  });

  test("[Q2] does not sleep without a quorum, whoever is silent", () => {
    const n1 = settledLeader({
      restMs,
      voters: ["n1", "n2", "n3", "n4", "n5"],
      electionMinMs: 100,
      electionMaxMs: 101,
      patienceMs: 101,
    });
    for (let ms = 0; ms < 150 && n1.raft.role === "leader"; ms += 10) {
      n1.wait(10);
      sleeps(n1, "n2", 3);
      expect(n1.raft.isAsleep).toBe(false);
    }
  });

  test("[Q1] does not as long as somebody's state is wrong, and is to be repaired", () => {
    const n1 = settledLeader({ restMs });
    for (let ms = 0; ms < 300; ms += 10) {
      expect(n1.wait(10).join()).not.toContain("sleep");
      acceptAll(n1, 1, ["n2"]);
      n1.receive("n3->n1 appendEntriesResponse t1 match 1 diverged 1");
    }
  });

  test("[A6] wakes those that sleep when it finds that its own state is wrong", () => {
    const n1 = leader({ restMs });
    n1.digestEvery = 1;
    n1.stateHash = "bad";
    acceptAll(n1, 1);
    pass(n1, restMs);
    const good = "digest 1=1:good asleep";
    expect(n1.receive(`n2->n1 appendEntriesResponse t1 match 1 round 1 ${good}`)).toEqual([]);
    const lines = n1.receive(`n3->n1 appendEntriesResponse t1 match 1 round 1 ${good}`);
    expect(n1.raft.role).toBe("follower");
    expect(lines.map((line) => line.replace(/ verdict.*/, ""))).toEqual(
      expect.arrayContaining([heartbeat("n2", 2), heartbeat("n3", 2)]),
    );
  });

  test("[Q2] what one that is silent has said of its state keeps nobody awake", () => {
    const n1 = leader({ restMs });
    n1.digestEvery = 1;
    acceptAll(n1, 1);
    n1.receive("n2->n1 appendEntriesResponse t1 match 1 digest 1=1:good");
    n1.receive("n3->n1 appendEntriesResponse t1 match 1 digest 1=1:bad");
    // It is gone before it hears that it is wrong.
    expect(pass(n1, 980, ["n2"]).join()).not.toContain("sleep");
    for (let ms = 0; ms < 100 && !n1.raft.isAsleep; ms += 10) {
      n1.wait(10);
      n1.receive("n2->n1 appendEntriesResponse t1 match 1 round 1 digest 1=1:good asleep");
    }
    expect(n1.raft.isAsleep).toBe(true);
  });

  test("[Q4] sleeps when all have said that they do: no heartbeats, no quorum check", () => {
    const n1 = asking();
    expect(sleeps(n1, "n2")).toEqual([]);
    expect(n1.raft.isAsleep).toBe(false);
    expect(sleeps(n1, "n3")).toEqual([]);
    expect(n1.raft).toMatchObject({ isAsleep: true, wakeAtMs: null });
    expect(n1.wait(1_000_000)).toEqual([]);
    expect(n1.wait(1_000_000)).toEqual([]);
    expect(n1.raft).toMatchObject({ role: "leader", isAsleep: true });
  });

  test("[Q4] an answer that was on its way before the mark neither counts nor wakes", () => {
    const n1 = asleep();
    expect(acceptAll(n1, 1)).toEqual([]);
    expect(n1.raft.isAsleep).toBe(true);
  });

  test("[Q4] one that says nothing of sleep, as those that do not know the mark, keeps all awake", () => {
    const n1 = asking();
    for (let ms = 0; ms < 90; ms += 10) {
      n1.wait(10);
      sleeps(n1, "n2");
      n1.receive("n3->n1 appendEntriesResponse t1 match 1 round 1");
    }
    expect(n1.raft.isAsleep).toBe(false);
    // From here on the others have their timers again, and are asked after another restMs.
    expect(n1.wait(10)).toEqual([heartbeat("n2", 2), heartbeat("n3", 2)]);
    expect(sentTo("n2", pass(n1, restMs - 10)).join()).not.toContain("sleep");
    expect(n1.wait(10)).toEqual([mark("n2", 3), mark("n3", 3)]);
  });
});

describe("a leader that sleeps", () => {
  test("[Q5] wakes for a proposal, which goes to all at once", () => {
    const n1 = asleep();
    expect(n1.propose([7])).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/1 entries 1/2 commit 1 round 2",
      "send n1->n3 appendEntriesRequest t1 prev 1/1 entries 1/2 commit 1 round 2",
      "persist #3 append 1/2",
    ]);
    expect(acceptAll(n1, 2, ["n2"])).toEqual(["apply 1/2", "done #7 at 2"]);
    expect(n1.raft.wakeAtMs).toBe(n1.clock.nowMs + 10);
  });

  test("[Q5] [R1] wakes for a read, which a quorum must confirm", () => {
    const n1 = asleep();
    expect(n1.read(7)).toEqual([heartbeat("n2", 3), heartbeat("n3", 3)]);
    expect(n1.receive("n3->n1 appendEntriesResponse t1 match 1 round 3")).toEqual(["read #7 at 1"]);
  });

  test.each<[string, (n1: LoneReplica) => string[]]>([
    ["a poke", (n1) => n1.poke()],
    ["a transfer", (n1) => n1.transfer("n9")],
    ["a pre-vote", (n1) => n1.receive("n2->n1 preVoteRequest t2 last 1/1")],
    ["a vote", (n1) => n1.receive("n2->n1 requestVoteRequest t2 last 1/1")],
    [
      "a follower that is awake",
      (n1) => n1.receive("n2->n1 appendEntriesResponse t1 match 1 round 1"),
    ],
  ])("[Q5] wakes for %s, with heartbeats at once", (_, want) => {
    const n1 = asleep();
    n1.clock.nowMs += 3;
    expect(want(n1)).toEqual([heartbeat("n2", 2), heartbeat("n3", 2)]);
    expect(n1.raft).toMatchObject({ role: "leader", term: 1, isAsleep: false });
  });

  test("[Q5] wakes for one that stands in a term that has passed, and so lags", () => {
    const n1 = asleep();
    expect(n1.receive("n2->n1 preVoteRequest t0 last 0/0")).toEqual([
      heartbeat("n2", 2),
      heartbeat("n3", 2),
      "then send n1->n2 preVoteResponse t1 refused",
    ]);
  });

  test("[M9] [Q1] does not wake for one that has left, and tells it so", () => {
    const n1 = asleep({ voters: ["n1", "2", "4"] });
    expect(n1.receive("3->n1 preVoteRequest t2 last 1/1")).toEqual([
      "then send n1->3 preVoteResponse t1 refused, has left",
    ]);
    expect(n1.raft.isAsleep).toBe(true);
  });

  test("[Q5] does not wake for a word that something was lost", () => {
    const n1 = asleep();
    expect(n1.unreachable("n2")).toEqual([]);
    expect(n1.raft.isAsleep).toBe(true);
  });

  test("[Q5] [E14] gives a quorum electionMinMs to answer, however long it slept", () => {
    const n1 = asleep();
    n1.wait(1_000_000);
    n1.poke();
    n1.wait(90);
    expect(n1.raft.role).toBe("leader");
    n1.wait(10);
    expect(n1.raft.role).toBe("follower");
    const other = asleep();
    other.wait(1_000_000);
    other.poke();
    acceptAll(other, 1, ["n2"]);
    other.wait(100);
    expect(other.raft.role).toBe("leader");
  });

  test("[Q5] falls asleep again only restMs later", () => {
    const n1 = asleep();
    n1.wait(1_000_000);
    n1.poke();
    expect(pass(n1, restMs - 10).join()).not.toContain("sleep");
    expect(n1.wait(10)).toEqual([mark("n2", 3), mark("n3", 3)]);
  });

  test("[Q5] [S1] keeps the log for those that slept, as if it had heard them", () => {
    const n1 = asleep();
    n1.wait(1_000_000);
    n1.propose([1]);
    acceptAll(n1, 2, ["n2"]);
    expect(n1.raft.appliedIndex).toBe(2);
    expect(n1.compact(n1.raft.appliedIndex).join()).toContain("compact to 1/1");
  });
});

describe("a leader of a high rank", () => {
  const ranks = new Map([["n3", 0]]);
  const told = "send n1->n3 timeoutNowRequest t1 last 1/1";

  test("[Q9] hands over before it asks anybody to sleep, or sleeps if nothing comes of it", () => {
    const n1 = settledLeader({ restMs, ranks });
    const lines: string[] = [];
    for (let ms = 0; ms < 1200; ms += 10) {
      lines.push(...n1.wait(10));
      acceptAll(n1, 1);
    }
    expect(lines.filter((line) => line === told)).toHaveLength(1);
    // What did not come of it in electionMinMs will not now; so it sleeps.
    expect(lines.indexOf(told)).toBeLessThan(lines.indexOf(mark("n2")));
    expect(lines).toContain(mark("n2"));
  });

  test("[Q9] waits for nobody who is not well", () => {
    const n1 = settledLeader({ restMs, ranks });
    pass(n1, restMs - 10);
    n1.unreachable("n3");
    n1.propose([1]);
    acceptAll(n1, 2, ["n2"]);
    let lines: string[] = [];
    for (let ms = 0; ms < 1050; ms += 10) {
      lines = n1.wait(10);
      acceptAll(n1, 2, ["n2"]);
    }
    expect(sentTo("n2", lines).join()).toContain("sleep");
  });

  test("[Q9] does not look in its sleep, nor as soon as it wakes", () => {
    const n1 = settledLeader({ restMs, ranks });
    pass(n1, 1100);
    expect(n1.wait(10)).toEqual([mark("n2"), mark("n3")]);
    for (const from of ["n2", "n3"]) sleeps(n1, from);
    expect(n1.raft.isAsleep).toBe(true);
    expect(n1.wait(1_000_000)).toEqual([]);
    expect(n1.propose([1])).not.toContain(told);
    expect(n1.raft.successor).toBeNull();
  });
});

describe("a follower that is asked to sleep", () => {
  const start: Start = { log: [1], applied: 1 };
  const marked = (round = 1, prev = "1/1", commit = 1): string =>
    `n2->n1 appendEntriesRequest t1 prev ${prev} commit ${commit} round ${round} sleep`;

  function sleeper(): LoneReplica {
    const n1 = follower(start);
    n1.receive(marked());
    expect(n1.raft).toMatchObject({ isAsleep: true, wakeAtMs: null });
    return n1;
  }

  test("[Q3] does so and says so, and has no timer any more", () => {
    const n1 = follower(start);
    expect(n1.receive(marked())).toEqual([
      "then send n1->n2 appendEntriesResponse t1 match 1 round 1 asleep",
    ]);
    expect(n1.raft.wakeAtMs).toBeNull();
    expect(n1.wait(1_000_000)).toEqual([]);
    expect(n1.raft.role).toBe("follower");
  });

  test("[Q3] does not while it holds what is not known to be committed", () => {
    const n1 = follower({ log: [1, 1], applied: 1 });
    expect(n1.receive(marked())).toEqual([
      "then send n1->n2 appendEntriesResponse t1 match 1 round 1",
    ]);
    expect(n1.raft.isAsleep).toBe(false);
  });

  test("[Q3] does not while something is not applied, and does when asked again", () => {
    const n1 = follower({ log: [1, 1], applied: 1 });
    n1.fastMachine = false;
    n1.receive(marked(1, "1/2", 2));
    expect(n1.raft).toMatchObject({ isAsleep: false, log: { commitIndex: 2 } });
    n1.finishApplying();
    expect(n1.receive(marked(1, "1/2", 2))).toContain(
      "then send n1->n2 appendEntriesResponse t1 match 2 round 1 asleep",
    );
  });

  test("[Q3] does not if it lacks something", () => {
    const n1 = follower(start);
    n1.receive(marked(1, "1/2", 2));
    expect(n1.raft.isAsleep).toBe(false);
  });

  test.each<[string, (n1: LoneReplica) => unknown]>([
    ["a heartbeat", (n1) => n1.receive("n2->n1 appendEntriesRequest t1 prev 1/1 commit 1 round 2")],
    [
      "an entry",
      (n1) => n1.receive("n2->n1 appendEntriesRequest t1 prev 1/1 entries 1/2 commit 1 round 2"),
    ],
    ["a chunk", (n1) => n1.receive("n2->n1 installSnapshotRequest t1 to 1/9 shipment 1 chunk 0")],
    ["a poke", (n1) => n1.poke()],
    ["a read", (n1) => n1.read(1)],
    ["a proposal", (n1) => n1.propose([1])],
    ["a pre-vote", (n1) => n1.receive("n3->n1 preVoteRequest t2 last 1/1")],
  ])("[Q6] wakes by %s, with a whole election timeout", (_, want) => {
    const n1 = sleeper();
    n1.wait(1_000_000);
    want(n1);
    expect(n1.raft.isAsleep).toBe(false);
    const dueMs = n1.raft.wakeAtMs! - n1.clock.nowMs;
    expect(dueMs).toBeGreaterThanOrEqual(100);
    expect(dueMs).toBeLessThanOrEqual(200);
    // Nobody's asking again makes it wait longer.
    n1.wait(dueMs - 1);
    n1.poke();
    n1.wait(1);
    expect(n1.raft.role).toBe("preCandidate");
  });

  test("[Q6] tells its leader when it was others that woke it", () => {
    const awake = "then send n1->n2 appendEntriesResponse t1 match 1 round 1";
    expect(sleeper().poke()).toEqual([awake]);
    expect(sleeper().read(1)).toEqual([awake, "failed #1 not_leader leader n2"]);
    const n1 = sleeper();
    expect(n1.poke()).toEqual([awake]);
    expect(n1.poke()).toEqual([]);
  });

  test("[Q7] a late heartbeat does not wake it", () => {
    const n1 = sleeper();
    expect(n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 commit 0")).toEqual([
      "then send n1->n2 appendEntriesResponse t1 match 1 asleep",
    ]);
    expect(n1.raft.wakeAtMs).toBeNull();
  });

  test("[Q7] a late mark does not let it sleep", () => {
    const n1 = sleeper();
    n1.receive("n2->n1 appendEntriesRequest t1 prev 1/1 commit 1 round 2");
    expect(n1.receive(marked(1))).toEqual([
      "then send n1->n2 appendEntriesResponse t1 match 1 round 1",
    ]);
    expect(n1.raft.isAsleep).toBe(false);
  });

  test("[Q8] [E8] answers nobody who stands for electionMinMs, and then anybody", () => {
    const n1 = sleeper();
    n1.wait(99);
    expect(n1.receive("n3->n1 preVoteRequest t2 last 1/1").join()).not.toContain("preVote");
    const late = sleeper();
    late.wait(100);
    expect(late.receive("n3->n1 preVoteRequest t2 last 1/1")).toContain(
      "then send n1->n3 preVoteResponse t2 granted",
    );
  });

  test("[Q8] [E18] lets the leader lead again that has slept, and died in its sleep", () => {
    const n1 = sleeper();
    n1.wait(1_000_000);
    expect(n1.receive("n2->n1 preVoteRequest t2 last 1/1")).toContain(
      "then send n1->n2 preVoteResponse t2 granted",
    );
  });
});
