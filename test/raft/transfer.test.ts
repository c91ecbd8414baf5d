import { describe, expect, test } from "vitest";
import type { LoneReplica } from "../support/lone-replica.ts";
import {
  acceptAll,
  candidate,
  follower,
  preCandidate,
  sentTo,
  settledLeader,
} from "../support/roles.ts";

const told = "send n1->n2 timeoutNowRequest t1 last 1/1";

describe("a leader that is to hand over", () => {
  test("[T1] [T2] tells a follower that has everything to stand, at once and once", () => {
    const n1 = settledLeader();
    expect(n1.transfer("n2")).toEqual([told]);
    expect(acceptAll(n1, 1, ["n2", "n3"])).toEqual([]);
  });

  test("[T1] takes no proposals meanwhile, and says so", () => {
    const n1 = settledLeader();
    n1.transfer("n2");
    expect(n1.propose([1, 2])).toEqual([
      "failed #1 dropped leader n1",
      "failed #2 dropped leader n1",
    ]);
  });

  test("[T1] still answers reads", () => {
    const n1 = settledLeader();
    n1.transfer("n2");
    expect(n1.read(7)).toHaveLength(2);
    expect(n1.receive("n3->n1 appendEntriesResponse t1 match 1 round 1")).toEqual(["read #7 at 1"]);
  });

  test("[T2] lets a follower that lacks entries catch up first", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    expect(n1.transfer("n2")).toEqual([]);
    expect(acceptAll(n1, 2, ["n3"])).toEqual(["apply 1/2", "done #1 at 2"]);
    expect(acceptAll(n1, 2, ["n2"])).toEqual(["send n1->n2 timeoutNowRequest t1 last 1/2"]);
  });

  test("[T2] tells it again when it is heard after something was lost", () => {
    const n1 = settledLeader();
    n1.transfer("n2");
    n1.unreachable("n3");
    expect(sentTo("n2", acceptAll(n1, 1, ["n2"]))).toEqual([]);
    n1.unreachable("n2");
    expect(sentTo("n2", acceptAll(n1, 1, ["n2"]))).toEqual([told]);
  });

  test.each(["n1", "n9"])("[T1] does nothing about %s", (node) => {
    const n1 = settledLeader();
    expect(n1.transfer(node)).toEqual([]);
    expect(n1.propose([1])).not.toContain("failed #1 dropped leader n1");
  });

  test("[T1] does nothing about one of which it does not know what it has", () => {
    const n1 = settledLeader();
    n1.unreachable("n2");
    expect(n1.transfer("n2")).toEqual([]);
    expect(n1.propose([1])).not.toContain("failed #1 dropped leader n1");
  });

  test("[T4] gives up after electionMinMs", () => {
    const n1 = settledLeader();
    n1.transfer("n2");
    for (let ms = 0; ms < 90; ms += 10) {
      n1.wait(10);
      acceptAll(n1, 1, ["n3"]);
    }
    expect(n1.propose([1])).toContain("failed #1 dropped leader n1");
    n1.wait(10);
    expect(n1.propose([2])).not.toContain("failed #2 dropped leader n1");
  });

  test("[T4] gives up at the same time when it is asked again and again", () => {
    const n1 = settledLeader();
    n1.transfer("n2");
    for (let ms = 0; ms < 100; ms += 10) {
      expect(n1.transfer("n2")).toEqual([]);
      n1.wait(10);
      acceptAll(n1, 1, ["n3"]);
    }
    expect(n1.propose([1])).not.toContain("failed #1 dropped leader n1");
  });

  test("[T4] hands over to the one named last", () => {
    const n1 = settledLeader();
    n1.transfer("n2");
    expect(n1.transfer("n3")).toEqual(["send n1->n3 timeoutNowRequest t1 last 1/1"]);
  });

  test("[T1] who does not lead does nothing", () => {
    expect(follower().transfer("n2")).toEqual([]);
    expect(preCandidate().transfer("n2")).toEqual([]);
  });
});

describe("a follower that is told to stand", () => {
  const tell = (n1: LoneReplica, term = 1): string[] =>
    n1.receive(`n2->n1 timeoutNowRequest t${term}`);

  test("[T3] asks for votes in a new term, and says who wants it", () => {
    const n1 = follower();
    expect(tell(n1)).toEqual([
      "persist #1 term 2 vote n1",
      "then send n1->n2 requestVoteRequest t2 last 0/0 transfer",
      "then send n1->n3 requestVoteRequest t2 last 0/0 transfer",
    ]);
  });

  test("[T3] though it asks for pre-votes just then: a leader that is there has lost nothing to them", () => {
    const n1 = preCandidate({ term: 1 });
    expect(n1.receive("n2->n1 timeoutNowRequest t1 last 0/0")).toContain(
      "persist #1 term 2 vote n1",
    );
  });

  test("[T3] if its log ends where the leader's did", () => {
    const n1 = follower({ term: 2, log: [1, 2] });
    expect(n1.receive("n2->n1 timeoutNowRequest t2 last 2/2")).toContain(
      "persist #1 term 3 vote n1",
    );
  });

  test.each(["2/1", "1/2", "2/3", "0/0"])("[T3] but not long after, as %s tells", (last) => {
    const n1 = follower({ term: 2, log: [1, 2] });
    expect(n1.receive(`n2->n1 timeoutNowRequest t2 last ${last}`)).toEqual([]);
    expect(n1.raft).toMatchObject({ role: "follower", term: 2 });
  });

  test("[T3] but not in a term that has passed", () => {
    const n1 = follower({ term: 3 });
    expect(tell(n1)).toEqual([]);
    expect(n1.raft).toMatchObject({ role: "follower", term: 3 });
  });

  test("[T3] nor when it stands already", () => {
    const n1 = candidate({ term: 1 });
    expect(tell(n1)).toEqual([]);
    expect(n1.raft.role).toBe("candidate");
  });
});

describe("a request for a vote that a leader wants", () => {
  test("[T3] is granted also by one that has just heard the leader", () => {
    const n1 = follower();
    expect(n1.receive("n3->n1 requestVoteRequest t2 last 0/0 transfer")).toEqual([
      "persist #1 term 2 vote n3",
      "then send n1->n3 requestVoteResponse t2 granted",
    ]);
  });

  test("[T3] and by the leader", () => {
    const n1 = settledLeader();
    expect(n1.receive("n2->n1 requestVoteRequest t2 last 1/1 transfer")).toEqual([
      "persist #3 term 2 vote n2",
      "then send n1->n2 requestVoteResponse t2 granted",
    ]);
    expect(n1.raft.role).toBe("follower");
  });

  test("[T3] [E10] but not to a shorter log", () => {
    const n1 = settledLeader();
    expect(n1.receive("n2->n1 requestVoteRequest t2 last 0/0 transfer")).toEqual([
      "persist #3 term 2 vote none",
      "then send n1->n2 requestVoteResponse t2 refused",
    ]);
  });
});

describe("a leader of a high rank", () => {
  const ranks = new Map([
    ["n2", 1],
    ["n3", 0],
  ]);

  /** Lets time pass, with all followers answering but those left out. */
  function pass(n1: LoneReplica, ms: number, nodes: readonly string[]): string[] {
    const lines: string[] = [];
    for (let passed = 0; passed < ms; passed += 10) {
      lines.push(...n1.wait(10), ...acceptAll(n1, 1, nodes));
    }
    return lines.filter((line) => line.includes("timeoutNow"));
  }

  test("[T5] hands over to the lowest after patienceMs", () => {
    const n1 = settledLeader({ ranks });
    expect(pass(n1, 990, ["n2", "n3"])).toEqual([]);
    expect(pass(n1, 10, ["n2", "n3"])).toEqual(["send n1->n3 timeoutNowRequest t1 last 1/1"]);
    expect(pass(n1, 990, ["n2", "n3"])).toEqual([]);
    expect(pass(n1, 10, ["n2", "n3"])).toEqual(["send n1->n3 timeoutNowRequest t1 last 1/1"]);
  });

  test("[T5] but not while it is handing over to another", () => {
    const n1 = settledLeader({ ranks, patienceMs: 200, electionMinMs: 100 });
    pass(n1, 190, ["n2", "n3"]);
    n1.transfer("n2");
    expect(pass(n1, 50, ["n2", "n3"])).toEqual([]);
  });

  test("[T5] to the next if that one is not well", () => {
    const n1 = settledLeader({ ranks });
    n1.unreachable("n3");
    expect(pass(n1, 1000, ["n2"])).toEqual([told]);
  });

  test("[T5] to nobody of the same rank, or a higher one", () => {
    const n1 = settledLeader({ ranks: new Map([["n1", 0]]) });
    expect(pass(n1, 3000, ["n2", "n3"])).toEqual([]);
    const other = settledLeader();
    expect(pass(other, 3000, ["n2", "n3"])).toEqual([]);
  });
});
