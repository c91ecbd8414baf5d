import { describe, expect, test } from "vitest";
import { follower } from "../support/roles.ts";
import { LoneReplica } from "../support/lone-replica.ts";

const electionMinMs = 100;

describe("entries from a leader", () => {
  test.each([
    ["1/3", "none", 3, "match 3", 3],
    ["1/1", "1/2..1/3", 3, "match 3", 3],
    ["1/1", "1/2", 9, "match 2", 2],
    ["0/0", "none", 9, "match 1", 1],
    ["0/0", "1/1", 9, "match 1", 1],
    ["1/2", "none", 9, "match 2", 2],
    ["1/3", "none", 2, "match 3", 2],
    ["1/3", "none", 0, "match 3", 1],
    ["1/4", "1/5", 9, "conflict at 4 hint 1/3", 1],
    ["2/3", "2/4", 9, "conflict at 3 hint 1/3", 1],
  ])(
    "[C4] [L6] with 1/1..1/3, prev %s entries %s commit %i gets %s and commits %i",
    (prev, entries, commit, answer, committed) => {
      const n1 = new LoneReplica("n1", { term: 2, log: [1, 1, 1], applied: 1 });
      const carried = entries === "none" ? "" : `entries ${entries} `;
      const lines = n1.receive(
        `n2->n1 appendEntriesRequest t2 prev ${prev} ${carried}commit ${commit}`,
      );
      expect(lines).toContain(`then send n1->n2 appendEntriesResponse t2 ${answer}`);
      expect(n1.raft.log.commitIndex).toBe(committed);
      expect(n1.storage.written.log.last.index).toBe(3);
    },
  );

  test("[L6] what it holds beyond the request is not claimed: it may be a deposed leader's", () => {
    const n1 = new LoneReplica("n1", { term: 2, log: [1, 1, 1] });
    expect(n1.receive("n2->n1 appendEntriesRequest t3 prev 1/1 commit 3").at(-2)).toBe(
      "then send n1->n2 appendEntriesResponse t3 match 1",
    );
    expect(n1.raft.log.commitIndex).toBe(1);
  });

  test("[L3] [C5] entries that are committed are neither compared nor cut", () => {
    const n1 = new LoneReplica("n1", { term: 3, log: [1, 2, 3], applied: 2 });
    // No leader would send this; a bug elsewhere must not undo what is committed here.
    const lines = n1.receive(
      "n2->n1 appendEntriesRequest t3 prev 0/0 entries 1/1..1/2,3/3 commit 2",
    );
    expect(lines).toEqual(["then send n1->n2 appendEntriesResponse t3 match 3"]);
  });

  test("[L5] a request that comes twice, or after a later one, changes nothing", () => {
    const n1 = follower();
    const first = "n2->n1 appendEntriesRequest t1 prev 0/0 entries 1/1..1/2 commit 0";
    const second = "n2->n1 appendEntriesRequest t1 prev 1/2 entries 1/3 commit 2";
    n1.receive(first);
    n1.receive(second);
    expect(n1.receive(first)).toEqual(["then send n1->n2 appendEntriesResponse t1 match 2"]);
    expect(n1.receive(second)).toEqual(["then send n1->n2 appendEntriesResponse t1 match 3"]);
    expect(n1.raft.log).toMatchObject({ commitIndex: 2, durableIndex: 3 });
  });

  test("[C5] a lower commit index of a leader that is new takes nothing back", () => {
    const n1 = new LoneReplica("n1", { term: 2, log: [1, 1], applied: 2 });
    n1.receive("n2->n1 appendEntriesRequest t2 prev 1/2 commit 1");
    expect(n1.raft.log.commitIndex).toBe(2);
  });

  test.each([
    [[1, 1, 1], "4/9", "1/3"],
    [[1, 1, 1], "1/9", "1/3"],
    [[1, 2, 2, 3], "2/9", "2/3"],
    [[1, 2, 2, 3], "1/9", "1/1"],
    [[1, 3, 3, 3], "2/3", "1/1"],
    [[3, 3, 3], "2/3", "0/0"],
    [[1, 2, 4, 4], "3/3", "2/2"],
  ])(
    "[L4] with the log %j it refuses prev %s and says that the logs may meet at %s",
    (log, prev, hint) => {
      const n1 = new LoneReplica("n1", { term: 4, log });
      const at = prev.split("/")[1];
      expect(n1.receive(`n2->n1 appendEntriesRequest t5 prev ${prev} commit 0`)).toContain(
        `then send n1->n2 appendEntriesResponse t5 conflict at ${at} hint ${hint}`,
      );
    },
  );

  test("[R6] every answer echoes the round of its request", () => {
    const n1 = follower();
    expect(n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 commit 0 round 7")).toEqual([
      "then send n1->n2 appendEntriesResponse t1 match 0 round 7",
    ]);
    expect(n1.receive("n2->n1 appendEntriesRequest t1 prev 1/5 commit 0 round 8")).toEqual([
      "then send n1->n2 appendEntriesResponse t1 conflict at 5 hint 0/0 round 8",
    ]);
  });
});

describe("a log that begins after 1/5", () => {
  const start = { term: 2, base: "1/5", log: [1, 2] };

  test.each([
    ["0/0", "none", "match 5"],
    ["1/3", "1/4..1/5", "match 5"],
    ["1/4", "1/5..1/6", "match 6"],
    ["1/5", "1/6", "match 6"],
    ["1/4", "1/5,3/6", "match 6"],
    ["2/7", "3/8", "match 8"],
    ["2/6", "3/7", "conflict at 6 hint 1/6"],
    ["3/9", "none", "conflict at 9 hint 2/7"],
    ["1/7", "2/8", "conflict at 7 hint 1/6"],
  ])("[L13] prev %s entries %s gets %s", (prev, entries, answer) => {
    const n1 = new LoneReplica("n1", start);
    const carried = entries === "none" ? "" : `entries ${entries} `;
    expect(n1.receive(`n2->n1 appendEntriesRequest t3 prev ${prev} ${carried}commit 0`)).toContain(
      `then send n1->n2 appendEntriesResponse t3 ${answer}`,
    );
  });

  test("[L13] a conflict right after the base cuts everything after it", () => {
    const n1 = new LoneReplica("n1", start);
    expect(n1.receive("n2->n1 appendEntriesRequest t3 prev 1/5 entries 3/6 commit 6")).toEqual([
      "persist #1 term 3 vote none, cut 6, append 3/6",
      "then send n1->n2 appendEntriesResponse t3 match 6",
      "apply 3/6",
    ]);
  });

  test("[L13] [E10] votes are given by the last entry, and by the base where there is none", () => {
    const n1 = new LoneReplica("n1", { term: 1, base: "1/5" });
    expect(n1.receive("n2->n1 preVoteRequest t2 last 1/4")).toEqual([
      "then send n1->n2 preVoteResponse t1 refused",
    ]);
    expect(n1.receive("n2->n1 preVoteRequest t2 last 1/5")).toEqual([
      "then send n1->n2 preVoteResponse t2 granted",
    ]);
    expect(n1.campaign()[0]).toBe("send n1->n2 preVoteRequest t2 last 1/5");
  });
});

describe("the election timeout", () => {
  const timeoutOf = (n1: LoneReplica): number => n1.raft.wakeAtMs! - n1.clock.nowMs;

  test("[E5] begins anew with each word from the leader", () => {
    const n1 = follower();
    const timeout = timeoutOf(n1);
    for (let i = 0; i < 5; i++) {
      n1.clock.nowMs += timeout - 1;
      expect(n1.time()).toEqual([]);
      n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 commit 0");
      expect(timeoutOf(n1)).toBe(timeout);
    }
    expect(n1.wait(timeout - 1)).toEqual([]);
    expect(n1.wait(1)).toContain("send n1->n2 preVoteRequest t2 last 0/0");
  });

  test("[E5] is drawn anew with each role", () => {
    const drawn = new Set<number>();
    const n1 = follower();
    for (let i = 0; i < 20; i++) {
      n1.campaign();
      drawn.add(timeoutOf(n1));
      n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 commit 0");
      drawn.add(timeoutOf(n1));
    }
    expect(drawn.size).toBeGreaterThan(20);
  });

  test("[E15] begins anew when the vote is given, and not when it is refused", () => {
    const n1 = new LoneReplica("n1", { term: 2, log: [1, 2] });
    const deadline = n1.raft.wakeAtMs!;
    n1.clock.nowMs = 50;
    n1.receive("n2->n1 requestVoteRequest t2 last 1/1");
    expect(n1.raft.wakeAtMs).toBe(deadline);
    n1.receive("n2->n1 preVoteRequest t3 last 2/2");
    expect(n1.raft.wakeAtMs).toBe(deadline);
    n1.receive("n2->n1 requestVoteRequest t2 last 2/2");
    expect(n1.raft.wakeAtMs).toBe(deadline + 50);
  });

  test("[E5] [P6] a deadline only ever moves later while the role lasts", () => {
    const n1 = follower();
    let deadline = n1.raft.wakeAtMs!;
    for (let i = 0; i < 50; i++) {
      n1.clock.nowMs += 7;
      n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 commit 0");
      expect(n1.raft.wakeAtMs!).toBeGreaterThan(deadline);
      deadline = n1.raft.wakeAtMs!;
    }
  });
});

describe("stickiness", () => {
  test.each([
    [0, []],
    [electionMinMs - 1, []],
    [electionMinMs, ["then send n1->n3 preVoteResponse t2 granted"]],
  ])("[E8] %i ms after the leader was heard, a pre-vote request gets %j", (ms, answer) => {
    const n1 = follower({ electionMinMs, electionMaxMs: 10_000, patienceMs: 10_000 });
    n1.clock.nowMs += ms;
    expect(n1.receive("n3->n1 preVoteRequest t2 last 0/0")).toEqual(answer);
  });

  test("[E8] a request for a vote moves no term while the leader is fresh", () => {
    const n1 = follower();
    expect(n1.receive("n3->n1 requestVoteRequest t9 last 9/9")).toEqual([]);
    expect(n1.raft).toMatchObject({ term: 1, leader: "n2" });
  });

  test("[E8] but for those of the leader itself, which has restarted", () => {
    const n1 = follower();
    // One that was heard only just now may be one that restarts all the time.
    expect(n1.receive("n2->n1 preVoteRequest t2 last 0/0")).toEqual([]);
    n1.clock.nowMs += electionMinMs;
    n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 commit 0");
    expect(n1.receive("n2->n1 preVoteRequest t2 last 0/0")).toEqual([
      "then send n1->n2 preVoteResponse t2 granted",
    ]);
    expect(n1.receive("n3->n1 preVoteRequest t2 last 0/0")).toEqual([]);
    expect(n1.receive("n2->n1 requestVoteRequest t2 last 0/0")).toEqual([
      "persist #1 term 2 vote n2",
      "then send n1->n2 requestVoteResponse t2 granted",
    ]);
  });

  test("[E8] there is no fresh leader where none was heard in this life", () => {
    const n1 = new LoneReplica("n1", { term: 1, vote: "n2" });
    expect(n1.receive("n3->n1 requestVoteRequest t2 last 0/0")).toContain(
      "then send n1->n3 requestVoteResponse t2 granted",
    );
  });

  test("[E8] giving the vote to a candidate makes it no leader", () => {
    const n1 = new LoneReplica("n1", { term: 1 });
    n1.receive("n2->n1 requestVoteRequest t2 last 0/0");
    expect(n1.raft.leader).toBeNull();
    expect(n1.receive("n3->n1 preVoteRequest t3 last 0/0")).toEqual([
      "then send n1->n3 preVoteResponse t3 granted",
    ]);
  });
});
