import { describe, expect, test } from "vitest";
import { acceptAll, leader, progressOf, sentTo, settledLeader } from "../support/roles.ts";

describe("a new leader", () => {
  test("[C3] [E2] opens its term with an empty entry, and knows nothing of the others", () => {
    const n1 = leader({ term: 2, log: [1, 2] });
    const [noop] = n1.storage.written.log.slice(n1.raft.log.last.index, n1.raft.log.last.index, 0);
    expect(noop).toMatchObject({ type: "noop", term: 3, index: 3 });
    expect(noop!.data.byteLength).toBe(0);
    expect(progressOf(n1, "n2")).toBe("probe 0 3 0");
    expect(n1.raft.log.commitIndex).toBe(0);
  });

  test("[C3] counts nothing that it was told in an earlier term", () => {
    const n1 = settledLeader();
    n1.receive("n2->n1 appendEntriesRequest t2 prev 1/1 commit 1");
    n1.campaign();
    n1.receive("n2->n1 preVoteResponse t3 granted");
    n1.receive("n2->n1 requestVoteResponse t3 granted");
    expect(n1.raft.role).toBe("leader");
    expect(n1.receive("n3->n1 appendEntriesResponse t1 match 2")).toEqual([]);
    expect(progressOf(n1, "n3")).toBe("probe 0 2 0");
  });
});

describe("the window of a follower", () => {
  test.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 3],
  ])("[L9] of %i messages lets %i of three proposals go", (maxInflightMessages, sent) => {
    const n1 = settledLeader({ maxInflightMessages });
    const lines = [1, 2, 3].flatMap((id) => n1.propose([id]));
    expect(sentTo("n2", lines)).toHaveLength(sent);
    expect(progressOf(n1, "n2")).toBe(`replicate 1 ${sent + 2} ${sent}`);
  });

  test.each([
    [1, 1],
    [100, 1],
    [101, 2],
    [200, 2],
    [201, 3],
  ])("[L9] of %i bytes lets %i of three proposals of 100 bytes go", (maxInflightBytes, sent) => {
    const n1 = settledLeader({ maxInflightBytes, maxInflightMessages: 9 });
    const lines = [1, 2, 3].flatMap((id) => n1.propose([id], 100));
    expect(sentTo("n2", lines)).toHaveLength(sent);
  });

  test.each([
    [1, ["1/2", "1/3", "1/4"]],
    [99, ["1/2", "1/3", "1/4"]],
    [199, ["1/2", "1/3", "1/4"]],
    [200, ["1/2..1/3", "1/4"]],
    [300, ["1/2..1/4"]],
  ])(
    "[L9] messages of at most %i bytes carry three entries of 100 bytes as %j",
    (maxMessageBytes, runs) => {
      const n1 = settledLeader({ maxMessageBytes, maxInflightMessages: 9 });
      const lines = n1.propose([1, 2, 3], 100);
      expect(sentTo("n2", lines).map((line) => /entries (\S+)/.exec(line)![1])).toEqual(runs);
    },
  );

  test("[L9] opens by as much as is answered, and each follower has its own", () => {
    const n1 = settledLeader({ maxInflightMessages: 2 });
    for (const id of [1, 2, 3]) n1.propose([id]);
    expect(acceptAll(n1, 2, ["n2"]).filter((line) => line.startsWith("send"))).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/3 entries 1/4 commit 2",
    ]);
    expect(progressOf(n1, "n2")).toBe("replicate 2 5 2");
    expect(progressOf(n1, "n3")).toBe("replicate 1 4 2");
  });

  test("[L9] that is full sends nothing new, and heartbeats all the same", () => {
    const n1 = settledLeader({ maxInflightMessages: 1 });
    n1.propose([1]);
    expect(sentTo("n2", n1.propose([2]))).toEqual([]);
    expect(sentTo("n2", n1.wait(10))).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/2 commit 1",
    ]);
  });
});

describe("losses", () => {
  test("[L10] a message that was not delivered is sent again with the next occasion", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    expect(n1.unreachable("n2")).toEqual([]);
    expect(progressOf(n1, "n2")).toBe("probe 1 2 0");
    expect(sentTo("n2", n1.wait(10))).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/1 commit 1",
    ]);
    expect(acceptAll(n1, 1, ["n2"])).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/1 entries 1/2 commit 1",
    ]);
  });

  test("[L10] a lost answer costs a heartbeat, and nothing is sent twice", () => {
    const n1 = settledLeader({ maxInflightMessages: 1 });
    n1.propose([1]);
    n1.wait(10);
    expect(acceptAll(n1, 2, ["n2"])).toEqual(["apply 1/2", "done #1 at 2"]);
    expect(progressOf(n1, "n2")).toBe("replicate 2 3 0");
  });

  test("[R7] entries that were lost are found out about, however many reads there are", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    const lines: string[] = [];
    for (let round = 1; round <= 10; round++) {
      n1.clock.nowMs += 4;
      lines.push(...n1.read(100 + round));
      n1.receive(`n2->n1 appendEntriesResponse t1 match 1 round ${round}`);
    }
    expect(lines).toContain("send n1->n2 appendEntriesRequest t1 prev 1/2 commit 1 round 3");
  });

  test("[L8] a lost probe is asked again with the next heartbeat", () => {
    const n1 = leader();
    expect(n1.propose([1])).toEqual(["persist #3 append 1/2"]);
    expect(sentTo("n2", n1.wait(10))).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 0/0 commit 0",
    ]);
    expect(sentTo("n2", acceptAll(n1, 0, ["n2"]))).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 0/0 entries 1/1..1/2 commit 0",
    ]);
  });

  test("[E16] the word that a stranger is out of reach changes nothing", () => {
    expect(settledLeader().unreachable("n9")).toEqual([]);
  });
});

describe("answers that come late, twice or in the wrong order", () => {
  test("[L7] an older acceptance takes nothing back", () => {
    const n1 = settledLeader({ maxInflightMessages: 9 });
    for (const id of [1, 2, 3]) n1.propose([id]);
    acceptAll(n1, 4, ["n2"]);
    expect(acceptAll(n1, 2, ["n2"])).toEqual([]);
    expect(acceptAll(n1, 4, ["n2"])).toEqual([]);
    expect(progressOf(n1, "n2")).toBe("replicate 4 5 0");
    expect(n1.raft.log.commitIndex).toBe(4);
  });

  test("[L11] an older refusal changes nothing", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    acceptAll(n1, 2, ["n2"]);
    expect(n1.receive("n2->n1 appendEntriesResponse t1 conflict at 1 hint 0/0")).toEqual([]);
    expect(progressOf(n1, "n2")).toBe("replicate 2 3 0");
  });

  test("[L11] a refusal that comes twice is answered once", () => {
    const n1 = leader({ term: 1, log: [1, 1, 1] });
    const refusal = "n2->n1 appendEntriesResponse t2 conflict at 3 hint 1/1";
    expect(n1.receive(refusal)).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 1/1 entries 1/2..1/3 commit 0",
    ]);
    expect(n1.receive(refusal)).toEqual([]);
  });

  test("[R4] a stale answer, which may echo an older term, confirms nothing", () => {
    const n1 = settledLeader();
    n1.read(1);
    expect(n1.receive("n2->n1 appendEntriesResponse t1 stale round 1")).toEqual([]);
    expect(n1.receive("n2->n1 appendEntriesResponse t1 match 1 round 1")).toEqual(["read #1 at 1"]);
    n1.wait(100);
    n1.receive("n2->n1 appendEntriesResponse t1 stale");
    n1.wait(100);
    expect(n1.raft.role).toBe("follower");
  });

  test("[C1] a refusal commits nothing, whatever it hints at", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    n1.receive("n2->n1 appendEntriesResponse t1 conflict at 2 hint 1/2");
    n1.receive("n3->n1 appendEntriesResponse t1 conflict at 2 hint 1/2");
    expect(n1.raft.log.commitIndex).toBe(1);
  });

  test("[E16] answers of strangers, and votes for an election long won, change nothing", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    expect(n1.receive("n9->n1 appendEntriesResponse t1 match 2")).toEqual([]);
    expect(n1.receive("n2->n1 requestVoteResponse t1 refused")).toEqual([]);
    expect(n1.receive("n3->n1 requestVoteResponse t1 granted")).toEqual([]);
    expect(n1.receive("n3->n1 preVoteResponse t1 refused")).toEqual([]);
    expect(n1.raft).toMatchObject({ role: "leader", term: 1 });
  });
});

describe("heartbeats", () => {
  test("[L12] are left out while entries flow", () => {
    const n1 = settledLeader();
    n1.clock.nowMs = 6;
    n1.propose([1]);
    n1.clock.nowMs = 12;
    expect(n1.time()).toEqual([]);
    expect(n1.raft.wakeAtMs).toBe(16);
    expect(n1.wait(4)).toHaveLength(2);
  });

  test("[L12] go to all who are due within half of their interval", () => {
    const n1 = settledLeader({ maxInflightMessages: 1 });
    n1.propose([1]);
    n1.clock.nowMs = 5;
    acceptAll(n1, 2, ["n2"]);
    n1.propose([2]);
    n1.clock.nowMs = 10;
    expect(n1.time()).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/3 commit 2",
      "send n1->n3 appendEntriesRequest t1 prev 1/2 commit 2",
    ]);
    n1.clock.nowMs = 14;
    acceptAll(n1, 3, ["n2"]);
    n1.propose([3]);
    n1.clock.nowMs = 20;
    expect(sentTo("n3", n1.time())).toHaveLength(1);
    expect(n1.raft.wakeAtMs).toBe(30);
  });

  test("[L12] that are late are sent once, not as often as they were missed", () => {
    const n1 = settledLeader();
    expect(n1.wait(95)).toHaveLength(2);
    expect(n1.time()).toEqual([]);
    expect(n1.raft.wakeAtMs).toBe(105);
  });
});

describe("the check for a quorum", () => {
  test("[E14] counts each answer of a follower, refusals too", () => {
    const n1 = settledLeader();
    n1.wait(100);
    n1.receive("n3->n1 appendEntriesResponse t1 conflict at 9 hint 0/0");
    n1.wait(100);
    expect(n1.raft.role).toBe("leader");
  });

  test.each([
    [3, 0, "follower"],
    [3, 1, "leader"],
    [5, 1, "follower"],
    [5, 2, "leader"],
    [1, 0, "leader"],
  ])("[E14] with %i replicas and answers from %i it ends as %s", (size, answers, role) => {
    const voters = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    const n1 = settledLeader({ voters });
    n1.wait(100);
    acceptAll(n1, 1, voters.slice(1, 1 + answers));
    n1.wait(100);
    expect(n1.raft).toMatchObject({ role, term: 1 });
  });

  test("[E14] [P6] is made by whatever comes in first once it is due, and late only once", () => {
    const n1 = settledLeader();
    n1.wait(100);
    n1.clock.nowMs = 900;
    expect(n1.read(1)).toContain("failed #1 not_leader");
    expect(n1.raft.role).toBe("follower");
  });

  test("[E14] an answer that arrives together with it counts", () => {
    const n1 = settledLeader();
    n1.wait(100);
    n1.clock.nowMs = 200;
    acceptAll(n1, 1, ["n2"]);
    expect(n1.raft.role).toBe("leader");
  });
});

describe("durability of the leader's own log", () => {
  test("[D4] it counts when it is durable, and not before", () => {
    const n1 = settledLeader();
    n1.fastDisk = false;
    n1.propose([1]);
    n1.propose([2]);
    expect(n1.sync(3)).toEqual([]);
    // Others have nothing yet: its own copy alone commits nothing.
    expect(n1.raft.log.commitIndex).toBe(1);
    expect(acceptAll(n1, 3, ["n2"])).toEqual(["apply 1/2", "done #1 at 2"]);
    expect(n1.sync(4)).toEqual(["apply 1/3", "done #2 at 3"]);
  });

  test("[D4] of five, three others are enough", () => {
    const n1 = settledLeader({ voters: ["n1", "n2", "n3", "n4", "n5"] });
    n1.fastDisk = false;
    n1.propose([1]);
    acceptAll(n1, 2, ["n2", "n3"]);
    expect(n1.raft.log.commitIndex).toBe(1);
    acceptAll(n1, 2, ["n4"]);
    expect(n1.raft.log.commitIndex).toBe(2);
    expect(n1.raft.log.durableIndex).toBe(1);
  });
});
