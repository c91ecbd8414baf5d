import { describe, expect, test } from "vitest";
import { asTerm } from "../../src/raft/types.ts";
import { candidate, preCandidate } from "../support/roles.ts";
import { LoneReplica } from "../support/lone-replica.ts";

describe("a pre-candidate", () => {
  test("[E6] asks for the term after its own, and writes nothing", () => {
    const n1 = new LoneReplica("n1", { term: 4, vote: "n2", log: [1, 3] });
    expect(n1.campaign()).toEqual([
      "send n1->n2 preVoteRequest t5 last 3/2",
      "send n1->n3 preVoteRequest t5 last 3/2",
    ]);
    expect(n1.raft).toMatchObject({ role: "preCandidate", term: 4, vote: "n2", leader: null });
  });

  test("[E6] a majority of grants makes a candidate, the own one included", () => {
    const n1 = preCandidate({ voters: ["n1", "n2", "n3", "n4", "n5"] });
    n1.receive("n2->n1 preVoteResponse t1 granted");
    n1.receive("n2->n1 preVoteResponse t1 granted");
    expect(n1.raft.role).toBe("preCandidate");
    n1.receive("n5->n1 preVoteResponse t1 granted");
    expect(n1.raft).toMatchObject({ role: "candidate", term: 1, vote: "n1" });
  });

  test("[E12] refusals by a majority make a follower, with a new timeout", () => {
    const n1 = preCandidate();
    n1.clock.nowMs = 30;
    n1.receive("n2->n1 preVoteResponse t0 refused");
    expect(n1.raft.role).toBe("preCandidate");
    n1.receive("n3->n1 preVoteResponse t0 refused");
    expect(n1.raft).toMatchObject({ role: "follower", term: 0 });
    expect(n1.raft.wakeAtMs).toBeGreaterThanOrEqual(130);
  });

  test("[E19] a poke makes it ask those again whom a request did not reach, once", () => {
    const n1 = preCandidate();
    expect(n1.poke()).toEqual([]);
    n1.unreachable("n3");
    expect(n1.poke()).toEqual(["send n1->n3 preVoteRequest t1 last 0/0"]);
    expect(n1.poke()).toEqual([]);
  });

  test("[E19] a poke makes a candidate ask again in the same term", () => {
    const n1 = candidate();
    n1.unreachable("n2");
    expect(n1.poke()).toEqual(["then send n1->n2 requestVoteRequest t1 last 0/0"]);
  });

  test("[M9] who has left tells it whom else to ask, and that is no refusal", () => {
    const n1 = preCandidate();
    const others = ["n1", "n3", "n4"].map((id) => ({ id, region: "local" }));
    const header = { from: "n2", to: "n1", term: asTerm(0) };
    const hint = { ...header, type: "preVoteResponse", granted: false, others } as const;
    expect(n1.receive(hint)).toEqual(["send n1->n4 preVoteRequest t1 last 0/0"]);
    expect(n1.receive(hint)).toEqual([]);
    n1.receive("n4->n1 preVoteResponse t1 granted");
    n1.receive("n3->n1 preVoteResponse t0 refused");
    expect(n1.raft.role).toBe("preCandidate");
    const left = { members: others.slice(1), nextId: 5 };
    n1.receive({ ...header, from: "n4", type: "preVoteResponse", granted: false, left });
    expect(n1.raft.hasLeft).toBe(true);
  });

  test("[E3] a refusal from a newer term moves it there", () => {
    const n1 = preCandidate({ term: 1 });
    expect(n1.receive("n2->n1 preVoteResponse t3 refused")).toEqual([
      "persist #1 term 3 vote none",
    ]);
    expect(n1.raft).toMatchObject({ role: "follower", term: 3 });
  });

  test.each(["n2->n1 preVoteResponse t1 granted", "n2->n1 preVoteResponse t3 granted"])(
    "[E6] a grant for another term than the one it asks for does not count: %s",
    (grant) => {
      const n1 = preCandidate({ term: 1 });
      expect(n1.receive(grant)).toEqual([]);
      expect(n1.raft).toMatchObject({ role: "preCandidate", term: 1 });
    },
  );

  test("[E3] a grant of a pre-vote moves nobody's term", () => {
    const n1 = new LoneReplica("n1", { term: 1 });
    expect(n1.receive("n2->n1 preVoteResponse t9 granted")).toEqual([]);
    expect(n1.raft).toMatchObject({ role: "follower", term: 1 });
  });

  test("[E6] votes are not pre-votes", () => {
    const n1 = preCandidate({ term: 1 });
    expect(n1.receive("n2->n1 requestVoteResponse t1 granted")).toEqual([]);
    expect(n1.raft.role).toBe("preCandidate");
  });

  test("[E9] may still give its vote of the present term away", () => {
    const n1 = preCandidate({ term: 1 });
    expect(n1.receive("n2->n1 requestVoteRequest t1 last 0/0")).toEqual([
      "persist #1 term 1 vote n2",
      "then send n1->n2 requestVoteResponse t1 granted",
    ]);
  });

  test("[E17] asks again when told to, even if it stands already", () => {
    const n1 = preCandidate({ term: 1 });
    expect(n1.campaign()).toHaveLength(2);
    const standing = candidate({ term: 1 });
    standing.campaign();
    expect(standing.raft).toMatchObject({ role: "preCandidate", term: 2, vote: "n1" });
  });
});

describe("a candidate", () => {
  test("[E11] [D2] votes for itself in the next term, and asks when that is durable", () => {
    const n1 = preCandidate({ term: 4, log: [1, 3] });
    n1.fastDisk = false;
    expect(n1.receive("n3->n1 preVoteResponse t5 granted")).toEqual([
      "persist #1 term 5 vote n1",
      "then send n1->n2 requestVoteRequest t5 last 3/2",
      "then send n1->n3 requestVoteRequest t5 last 3/2",
    ]);
    expect(n1.sent.filter(({ type }) => type === "requestVoteRequest")).toEqual([]);
    n1.sync();
    expect(n1.sent.filter(({ type }) => type === "requestVoteRequest")).toHaveLength(2);
  });

  test("[D3] its own vote counts only when it is durable", () => {
    const n1 = preCandidate();
    n1.fastDisk = false;
    n1.receive("n2->n1 preVoteResponse t1 granted");
    // No one can have been asked yet; but if one vote were there, the own one would still be
    // missing.
    n1.receive("n2->n1 requestVoteResponse t1 granted");
    expect(n1.raft.role).toBe("candidate");
    n1.sync();
    expect(n1.raft.role).toBe("leader");
  });

  test("[D3] an earlier write says nothing about its vote", () => {
    const n1 = new LoneReplica("n1", { term: 1 });
    n1.fastDisk = false;
    n1.receive("n2->n1 appendEntriesRequest t1 prev 0/0 entries 1/1 commit 0");
    n1.campaign();
    n1.receive("n2->n1 preVoteResponse t2 granted");
    n1.receive("n2->n1 requestVoteResponse t2 granted");
    n1.sync(1);
    expect(n1.raft.role).toBe("candidate");
    n1.sync(2);
    expect(n1.raft.role).toBe("leader");
  });

  test("[D3] a vote for an election that is over does not count in the next one", () => {
    const n1 = preCandidate();
    n1.fastDisk = false;
    n1.receive("n2->n1 preVoteResponse t1 granted");
    n1.campaign();
    n1.receive("n2->n1 preVoteResponse t2 granted");
    n1.receive("n2->n1 requestVoteResponse t2 granted");
    n1.sync(1);
    expect(n1.raft).toMatchObject({ role: "candidate", term: 2 });
    n1.sync(2);
    expect(n1.raft.role).toBe("leader");
  });

  test("[E12] votes count once for each voter, and the first answer of each", () => {
    const n1 = candidate({ voters: ["n1", "n2", "n3", "n4", "n5"] });
    n1.receive("n2->n1 requestVoteResponse t1 granted");
    n1.receive("n2->n1 requestVoteResponse t1 granted");
    n1.receive("n3->n1 requestVoteResponse t1 refused");
    n1.receive("n3->n1 requestVoteResponse t1 granted");
    expect(n1.raft.role).toBe("candidate");
    n1.receive("n4->n1 requestVoteResponse t1 granted");
    expect(n1.raft.role).toBe("leader");
  });

  test("[E16] [E4] votes of strangers and of past terms do not count", () => {
    const n1 = candidate({ term: 4 });
    expect(n1.receive("n9->n1 requestVoteResponse t5 granted")).toEqual([]);
    expect(n1.receive("n2->n1 requestVoteResponse t4 granted")).toEqual([]);
    expect(n1.receive("n2->n3 requestVoteResponse t5 granted")).toEqual([]);
    expect(n1.receive("n1->n1 requestVoteResponse t5 granted")).toEqual([]);
    expect(n1.raft.role).toBe("candidate");
  });

  test("[E13] follows a leader of its term without another vote", () => {
    const n1 = candidate();
    expect(n1.receive("n3->n1 appendEntriesRequest t1 prev 0/0 entries 1/1 commit 0")).toEqual([
      "persist #2 append 1/1",
      "then send n1->n3 appendEntriesResponse t1 match 1",
    ]);
    expect(n1.raft).toMatchObject({ role: "follower", term: 1, vote: "n1", leader: "n3" });
  });

  test("[E9] gives its vote to nobody else, and may help with a pre-vote for the next term", () => {
    const n1 = candidate();
    expect(n1.receive("n3->n1 requestVoteRequest t1 last 9/9")).toEqual([
      "then send n1->n3 requestVoteResponse t1 refused",
    ]);
    expect(n1.receive("n3->n1 preVoteRequest t2 last 9/9")).toEqual([
      "then send n1->n3 preVoteResponse t2 granted",
    ]);
  });

  test("[P2] sends nobody on: it knows of no leader", () => {
    const n1 = candidate();
    expect(n1.propose([1])).toEqual(["failed #1 not_leader"]);
    expect(n1.read(2)).toEqual(["failed #2 not_leader"]);
  });

  test("[E16] being told that others are out of reach changes nothing", () => {
    expect(candidate().unreachable("n2")).toEqual([]);
    expect(preCandidate().unreachable("n2")).toEqual([]);
  });
});
