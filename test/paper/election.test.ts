/** Sections 5.1 and 5.2 of the Raft paper, a test for each sentence that can be checked. */
import { describe, expect, test } from "vitest";
import { Cluster } from "../support/cluster.ts";
import { candidate, follower, leader, othersOf, preCandidate } from "../support/roles.ts";
import { LoneReplica } from "../support/lone-replica.ts";

const heartbeatMs = 10;
const electionMinMs = 100;
const electionMaxMs = 200;

describe("5.1: terms", () => {
  const newer = "n2->n1 appendEntriesRequest t3 prev 0/0 commit 0";

  test("[E3] 5.1: a follower whose term is out of date takes over the newer one", () => {
    const n1 = follower({ term: 1 });
    expect(n1.receive(newer)).toContain("persist #1 term 3 vote none");
    expect(n1.raft).toMatchObject({ role: "follower", term: 3, leader: "n2" });
  });

  test("[E3] 5.1: a candidate whose term is out of date becomes a follower at once", () => {
    const n1 = candidate({ term: 1 });
    n1.receive(newer);
    expect(n1.raft).toMatchObject({ role: "follower", term: 3, leader: "n2" });
  });

  test("[E3] 5.1: a leader whose term is out of date becomes a follower at once", () => {
    const n1 = leader({ term: 1 });
    n1.receive(newer);
    expect(n1.raft).toMatchObject({ role: "follower", term: 3, leader: "n2" });
  });

  test("[E4] 5.1: a request with a stale term is refused", () => {
    const n1 = follower({ term: 2 });
    const stale = "n3->n1 appendEntriesRequest t1 prev 0/0 entries 1/1 commit 1";
    expect(n1.receive(stale)).toEqual(["then send n1->n3 appendEntriesResponse t2 stale"]);
    expect(n1.raft).toMatchObject({ term: 2, leader: "n2" });
    expect(n1.raft.log.last.index).toBe(0);
  });
});

describe("5.2: leader election", () => {
  test("[E2] 5.2: replicas begin as followers", () => {
    const n1 = new LoneReplica("n1");
    expect(n1.raft).toMatchObject({ role: "follower", term: 0, vote: null, leader: null });
  });

  test("[L12] 5.2: a leader sends heartbeats to all, for as long as it leads", () => {
    const n1 = leader();
    for (let beat = 1; beat <= 3; beat++) {
      expect(n1.wait(heartbeatMs)).toEqual([
        "send n1->n2 appendEntriesRequest t1 prev 0/0 commit 0",
        "send n1->n3 appendEntriesRequest t1 prev 0/0 commit 0",
      ]);
    }
  });

  test("[E5] [E11] 5.2: a follower that hears nothing votes for itself in a new term", () => {
    const n1 = follower({ term: 1 });
    expect(n1.wait(electionMaxMs)).toEqual([
      "send n1->n2 preVoteRequest t2 last 0/0",
      "send n1->n3 preVoteRequest t2 last 0/0",
    ]);
    expect(n1.receive("n2->n1 preVoteResponse t2 granted")).toEqual([
      "persist #1 term 2 vote n1",
      "then send n1->n2 requestVoteRequest t2 last 0/0",
      "then send n1->n3 requestVoteRequest t2 last 0/0",
    ]);
    expect(n1.raft).toMatchObject({ role: "candidate", term: 2, vote: "n1" });
  });

  test("[E12] 5.2: a candidate whose time runs out starts a new election", () => {
    const n1 = candidate({ term: 1 });
    expect(n1.wait(electionMaxMs)).toContain("send n1->n2 preVoteRequest t3 last 0/0");
    n1.receive("n2->n1 preVoteResponse t3 granted");
    expect(n1.raft).toMatchObject({ role: "candidate", term: 3, vote: "n1" });
  });

  test.each([
    [1, "", "leader"],
    [3, "++", "leader"],
    [3, "+-", "leader"],
    [5, "++++", "leader"],
    [5, "+++-", "leader"],
    [5, "++--", "leader"],
    [3, "--", "follower"],
    [5, "----", "follower"],
    [5, "+---", "follower"],
    [3, "", "candidate"],
    [5, "+", "candidate"],
    [5, "--", "candidate"],
    [5, "+-", "candidate"],
  ])("[E12] 5.2: of %i replicas, the answers %j make a %s in one round", (size, answers, role) => {
    const voters = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    const n1 = candidate({ voters });
    for (const [i, answer] of answers.split("").entries()) {
      const outcome = answer === "+" ? "granted" : "refused";
      n1.receive(`n${i + 2}->n1 requestVoteResponse t1 ${outcome}`);
    }
    expect(n1.raft).toMatchObject({ role, term: 1 });
  });

  test.each([
    [undefined, "n2", "granted"],
    [undefined, "n3", "granted"],
    ["n2", "n2", "granted"],
    ["n3", "n3", "granted"],
    ["n2", "n3", "refused"],
    ["n3", "n2", "refused"],
  ])(
    "[E9] 5.2: a replica votes once a term, first come: having voted for %s, %s is %s",
    (vote, from, answer) => {
      const n1 = new LoneReplica("n1", { term: 1, ...(vote === undefined ? {} : { vote }) });
      const lines = n1.receive(`${from}->n1 requestVoteRequest t1 last 0/0`);
      expect(lines.at(-1)).toBe(`then send n1->${from} requestVoteResponse t1 ${answer}`);
    },
  );

  test.each([1, 2])(
    "[E13] 5.2: a candidate of term 1 that hears from a leader of term %i follows it",
    (term) => {
      const n1 = candidate();
      n1.receive(`n2->n1 appendEntriesRequest t${term} prev 0/0 commit 0`);
      expect(n1.raft).toMatchObject({ role: "follower", term, leader: "n2" });
    },
  );

  test("[E5] 5.2: election timeouts of followers are random, over the whole interval", () => {
    expect(timeouts((seed) => follower({ seed }))).toEqual(wholeInterval);
  });

  test("[E5] 5.2: election timeouts of candidates are random, over the whole interval", () => {
    expect(timeouts((seed) => candidate({ seed }))).toEqual(wholeInterval);
  });

  test("[E5] 5.2: most of the time only one follower times out first", () => {
    expect(shareOfTies((seed) => follower({ seed }))).toBeLessThan(0.3);
  });

  test("[E5] 5.2: candidates that split the vote seldom do so again", () => {
    expect(shareOfTies((seed) => candidate({ seed }))).toBeLessThan(0.3);
    const seeds = Array.from({ length: 50 }, (_, seed) => seed);
    const rounds = seeds.map((seed) => untilElected(seed));
    expect(Math.max(...rounds)).toBeLessThan(8);
  });
});

const wholeInterval = Array.from(
  { length: electionMaxMs - electionMinMs + 1 },
  (_, i) => electionMinMs + i,
);

/** The timeouts that occur among many seeds. */
function timeouts(boot: (seed: number) => LoneReplica): number[] {
  const seeds = Array.from({ length: 2000 }, (_, seed) => seed);
  return [...new Set(seeds.map((seed) => boot(seed).raft.wakeAtMs!))].sort((a, b) => a - b);
}

/** How often, of five replicas, two have timeouts so close that their elections would cross. */
function shareOfTies(boot: (seed: number) => LoneReplica): number {
  const groups = Array.from({ length: 400 }, (_, group) => {
    const waits = [1, 2, 3, 4, 5].map((member) => boot(10 * group + member).raft.wakeAtMs!);
    const [first, second] = waits.sort((a, b) => a - b);
    return second! - first! < 5;
  });
  return groups.filter(Boolean).length / groups.length;
}

/** How many terms a group of five needs that begins with a split vote. */
function untilElected(seed: number): number {
  const ids = ["n1", "n2", "n3", "n4", "n5"];
  const cluster = new Cluster(ids);
  for (const id of ids) cluster.start(id, {}).boot(seed * 10 + cluster.replicas.size);
  for (const id of ids) cluster.replica(id).campaign();
  cluster.stabilize();
  expect(cluster.leaders).toEqual([]);
  for (let ms = 0; ms < 5000 && cluster.leaders.length === 0; ms++) cluster.advance(1, true);
  expect(cluster.leaders).toHaveLength(1);
  return cluster.leaders[0]!.raft.term;
}

test("[E6] a pre-candidate stands in no term yet", () => {
  const n1 = preCandidate({ term: 4 });
  expect(n1.raft).toMatchObject({ role: "preCandidate", term: 4, vote: null });
  expect(n1.sent.map(({ to }) => to)).toEqual(othersOf(n1));
});
