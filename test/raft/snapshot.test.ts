import { describe, expect, test } from "vitest";
import type { LoneReplica } from "../support/lone-replica.ts";
import { acceptAll, follower, leader, progressOf, sentTo } from "../support/roles.ts";

describe("a leader whose log begins after 1/100", () => {
  const start = { term: 1, base: "1/100", log: [1, 1] };
  const chunk = (n: number, shipment = 1, last = ""): string =>
    `send n1->n2 installSnapshotRequest t2 to 1/100 shipment ${shipment} chunk ${n}${last}`;
  const answer = (n1: LoneReplica, n: number, result: string, shipment = 1): string[] =>
    n1.receive(`n2->n1 installSnapshotResponse t2 shipment ${shipment} chunk ${n} ${result}`);
  const alive = (n1: LoneReplica, match = 90): string[] =>
    n1.receive(`n2->n1 appendEntriesResponse t2 match ${match}`);

  const rest = [
    "send n1->n2 appendEntriesRequest t2 prev 1/100 entries 1/101..1/102 commit 100",
    "send n1->n2 appendEntriesRequest t2 prev 1/102 entries 2/103 commit 100",
  ];

  /** Follower n2 has asked for entries from 91 on, and so is sent a snapshot. */
  function shipping(): LoneReplica {
    const n1 = leader(start);
    n1.receive("n2->n1 appendEntriesResponse t2 conflict at 102 hint 1/90");
    expect(n1.receive("n2->n1 appendEntriesResponse t2 conflict at 100 hint 1/90")).toEqual([
      chunk(0),
    ]);
    expect(progressOf(n1, "n2")).toBe("snapshot 0 1 0");
    return n1;
  }

  test("[S3] sends the next chunk when one is stored, and entries when the last is in place", () => {
    const n1 = shipping();
    expect(answer(n1, 0, "stored")).toEqual([chunk(1)]);
    expect(answer(n1, 1, "stored")).toEqual([chunk(2, 1, " last")]);
    expect(n1.storage.openExports).toBe(1);
    expect(answer(n1, 2, "match 100")).toEqual(rest);
    expect(progressOf(n1, "n2")).toBe("replicate 100 104 2");
    expect(n1.storage.openExports).toBe(0);
  });

  test("[S3] what is written meanwhile is not sent, and signs of life go on", () => {
    const n1 = shipping();
    expect(sentTo("n2", n1.propose([1]))).toEqual([]);
    expect(sentTo("n2", n1.wait(10))).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 0/0 commit 100",
    ]);
    expect(sentTo("n2", n1.read(2))).toEqual([]);
  });

  test("[S3] a chunk that was lost is sent again when the follower is heard, not before", () => {
    const n1 = shipping();
    // What is lost besides does not matter.
    n1.unreachable("n2");
    expect(alive(n1)).toEqual([]);
    expect(n1.unreachable("n2", true)).toEqual([]);
    expect(sentTo("n2", n1.wait(10))).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 0/0 commit 100",
    ]);
    expect(alive(n1)).toEqual([chunk(0)]);
    expect(alive(n1)).toEqual([]);
    expect(answer(n1, 0, "stored")).toEqual([chunk(1)]);
  });

  test("[S3] one of which nothing was heard for electionMaxMs too", () => {
    const n1 = shipping();
    acceptAll(n1, 103, ["n3"]);
    for (let ms = 0; ms < 190; ms += 10) {
      n1.wait(10);
      expect(sentTo("n2", alive(n1))).toEqual([]);
      acceptAll(n1, 103, ["n3"]);
    }
    n1.wait(10);
    expect(alive(n1)).toEqual([chunk(0)]);
  });

  test("[S4] a follower that does not know the beginning gets a new shipment", () => {
    const n1 = shipping();
    answer(n1, 0, "stored");
    expect(answer(n1, 1, "restart")).toEqual([chunk(0, 2)]);
    expect(n1.storage.openExports).toBe(1);
  });

  test.each([
    ["the chunk before", 0, 1],
    ["a chunk not sent yet", 2, 1],
    ["another shipment", 1, 2],
  ])("[S10] an answer to %s changes nothing", (_, n, shipment) => {
    const n1 = shipping();
    answer(n1, 0, "stored");
    for (const result of ["stored", "restart", "stale"]) {
      expect(answer(n1, n, result, shipment)).toEqual([]);
    }
    expect(answer(n1, 1, "stored")).toEqual([chunk(2, 1, " last")]);
  });

  test("[S8] an acceptance of anything ends it, when the log goes on from there", () => {
    const n1 = shipping();
    expect(alive(n1, 99)).toEqual([]);
    expect(alive(n1, 100)).toEqual(rest);
    expect(n1.storage.openExports).toBe(0);
  });

  test("[S8] one that is in place but has been overtaken is followed by another", () => {
    const n1 = shipping();
    acceptAll(n1, 103, ["n3"]);
    n1.propose([1, 2, 3]);
    acceptAll(n1, 106, ["n3"]);
    expect(n1.compact(n1.raft.appliedIndex)).toEqual([]);
    expect(n1.compact(n1.raft.appliedIndex, n1.raft.appliedIndex)).toEqual([
      "persist #4 compact to 2/106",
    ]);
    expect(answer(n1, 2, "match 100")).toEqual([
      "send n1->n2 installSnapshotRequest t2 to 2/106 shipment 2 chunk 0",
    ]);
  });

  test("[S9] it ends with the leadership", () => {
    const n1 = shipping();
    n1.receive("n3->n1 appendEntriesRequest t3 prev 0/0 commit 0");
    expect(n1.storage.openExports).toBe(0);
  });

  test("[S9] [S2] it is given up, and none begun, while the follower is silent, after patienceMs", () => {
    const n1 = shipping();
    for (let ms = 0; ms < 990; ms += 10) {
      n1.wait(10);
      acceptAll(n1, 103, ["n3"]);
    }
    expect(n1.storage.openExports).toBe(1);
    for (let ms = 0; ms < 100; ms += 10) {
      n1.wait(10);
      acceptAll(n1, 103, ["n3"]);
    }
    expect(n1.storage.openExports).toBe(0);
    expect(sentTo("n2", n1.propose([1]))).toEqual([]);
    expect(alive(n1)).toEqual([
      "send n1->n2 installSnapshotRequest t2 to 2/103 shipment 2 chunk 0",
    ]);
  });

  test("[S9] and when the follower answers everything but the chunk", () => {
    const n1 = shipping();
    const numbers = new Set<string>();
    for (let ms = 0; ms < 2500; ms += 10) {
      n1.wait(10);
      acceptAll(n1, 103, ["n3"]);
      for (const line of alive(n1)) numbers.add(line.replace(/ chunk.*/, ""));
    }
    expect([...numbers]).toEqual([
      "send n1->n2 installSnapshotRequest t2 to 1/100 shipment 1",
      "send n1->n2 installSnapshotRequest t2 to 2/103 shipment 2",
      "send n1->n2 installSnapshotRequest t2 to 2/103 shipment 3",
    ]);
    expect(n1.storage.openExports).toBe(1);
  });

  describe("keeps for others", () => {
    test("[S1] what a follower has not got yet, unless it must go", () => {
      const n1 = leader({ term: 1 });
      acceptAll(n1, 1);
      n1.propose([1, 2, 3, 4]);
      acceptAll(n1, 5, ["n3"]);
      acceptAll(n1, 3, ["n2"]);
      expect(n1.compact(n1.raft.appliedIndex)).toEqual(["persist #4 compact to 2/3"]);
      expect(n1.compact(n1.raft.appliedIndex)).toEqual([]);
      const index = n1.raft.appliedIndex;
      expect(n1.compact(index, index)).toEqual(["persist #5 compact to 2/5"]);
    });

    test("[S1] but not for one that has been silent for patienceMs", () => {
      const n1 = leader({ term: 1 });
      acceptAll(n1, 1);
      n1.propose([1]);
      acceptAll(n1, 2, ["n3"]);
      for (let ms = 0; ms < 990; ms += 10) {
        n1.wait(10);
        acceptAll(n1, 2, ["n3"]);
      }
      expect(n1.compact(n1.raft.appliedIndex)).toEqual(["persist #4 compact to 2/1"]);
      n1.wait(10);
      expect(n1.compact(n1.raft.appliedIndex)).toEqual(["persist #5 compact to 2/2"]);
    });

    test("[S1] all that comes after a snapshot on its way", () => {
      const n1 = shipping();
      acceptAll(n1, 103, ["n3"]);
      n1.propose([1]);
      acceptAll(n1, 104, ["n3"]);
      expect(n1.compact(n1.raft.appliedIndex)).toEqual([]);
      expect(answer(n1, 2, "match 100")).toHaveLength(2);
      expect(n1.compact(n1.raft.appliedIndex)).toEqual([]);
      acceptAll(n1, 104, ["n2"]);
      expect(n1.compact(n1.raft.appliedIndex)).toEqual(["persist #4 compact to 2/104"]);
    });

    test("[S1] nothing that is not applied goes, whatever must", () => {
      const n1 = leader({ term: 1 });
      n1.fastMachine = false;
      acceptAll(n1, 1);
      n1.propose([1, 2]);
      acceptAll(n1, 3);
      const { commitIndex } = n1.raft.log;
      expect(n1.compact(commitIndex, commitIndex)).toEqual([]);
      n1.finishApplying();
      expect(n1.compact(commitIndex, commitIndex)).toEqual(["persist #4 compact to 2/1"]);
    });
  });
});

describe("a follower in term 2 with the log 1/1..2/5 of which 2 are committed", () => {
  const chunk = (n: number, { to = "2/9", shipment = 1, last = "", term = 2 } = {}): string =>
    `n2->n1 installSnapshotRequest t${term} to ${to} shipment ${shipment} chunk ${n}${last}`;
  const answered = (n: number, result: string, shipment = 1): string =>
    `then send n1->n2 installSnapshotResponse t2 shipment ${shipment} chunk ${n} ${result}`;
  const last = { last: " last" };

  function behind(): LoneReplica {
    const n1 = follower({ term: 2, log: [1, 1, 1, 2, 2] });
    n1.receive("n2->n1 appendEntriesRequest t2 prev 1/2 commit 2");
    return n1;
  }

  test("[S4] [S5] lays chunks aside, and with the last one has the snapshot and nothing else", () => {
    const n1 = behind();
    expect(n1.receive(chunk(0))).toEqual(["persist #1 chunk 0", answered(0, "stored")]);
    expect(n1.receive(chunk(1))).toEqual(["persist #2 chunk 1", answered(1, "stored")]);
    expect(n1.raft.log).toMatchObject({ base: { index: 0 }, last: { index: 5 } });
    expect(n1.receive(chunk(2, last))).toEqual([
      "persist #3 chunk 2, install 2/9",
      answered(2, "match 9"),
    ]);
    const id = { term: 2, index: 9 };
    expect(n1.raft).toMatchObject({ appliedIndex: 9 });
    expect(n1.raft.log).toMatchObject({ base: id, last: id, commitIndex: 9, durableIndex: 9 });
    expect(n1.receive("n2->n1 appendEntriesRequest t2 prev 2/9 entries 2/10 commit 10")).toEqual([
      "persist #4 append 2/10",
      "then send n1->n2 appendEntriesResponse t2 match 10",
      "apply 2/10",
    ]);
  });

  test("[S5] the snapshot survives a restart, chunks that were not the last do not count", () => {
    const n1 = behind();
    for (const each of [chunk(0), chunk(1), chunk(2, last)]) n1.receive(each);
    n1.receive(chunk(0, { to: "2/20", shipment: 2 }));
    n1.crash();
    n1.boot();
    expect(n1.raft.log).toMatchObject({ base: { index: 9 }, last: { index: 9 }, commitIndex: 9 });
    expect(n1.receive(chunk(1, { to: "2/20", shipment: 2 }))).toEqual([answered(1, "restart", 2)]);
  });

  test("[D2] answers leave when what they speak of is durable", () => {
    const n1 = behind();
    n1.fastDisk = false;
    n1.receive(chunk(0));
    expect(n1.held.map(({ type }) => type)).toEqual(["installSnapshotResponse"]);
    n1.makeDurable();
    expect(n1.held).toEqual([]);
  });

  test("[S4] a chunk that comes twice is stored once", () => {
    const n1 = behind();
    n1.receive(chunk(0));
    n1.receive(chunk(1));
    expect(n1.receive(chunk(0))).toEqual([answered(0, "stored")]);
    expect(n1.receive(chunk(1))).toEqual([answered(1, "stored")]);
  });

  test("[S4] a chunk without those before it is refused", () => {
    const n1 = behind();
    expect(n1.receive(chunk(1))).toEqual([answered(1, "restart")]);
    n1.receive(chunk(0));
    expect(n1.receive(chunk(2, last))).toEqual([answered(2, "restart")]);
  });

  test("[S4] a newer shipment takes the place of an older one, and never the other way", () => {
    const n1 = behind();
    n1.receive(chunk(0, { shipment: 2 }));
    expect(n1.receive(chunk(0, { shipment: 3 }))).toEqual([
      "persist #2 chunk 0",
      answered(0, "stored", 3),
    ]);
    expect(n1.receive(chunk(0, { shipment: 2 }))).toEqual([answered(0, "restart", 2)]);
    expect(n1.receive(chunk(1, { shipment: 3 }))).toEqual([
      "persist #3 chunk 1",
      answered(1, "stored", 3),
    ]);
  });

  test("[S4] that of a newer term takes the place of any", () => {
    const n1 = behind();
    n1.receive(chunk(0, { shipment: 7 }));
    n1.receive("n3->n1 appendEntriesRequest t3 prev 0/0 commit 2");
    expect(n1.receive("n3->n1 installSnapshotRequest t3 to 2/9 shipment 1 chunk 0")).toEqual([
      "persist #3 chunk 0",
      "then send n1->n3 installSnapshotResponse t3 shipment 1 chunk 0 stored",
    ]);
  });

  test("[S6] one that is no news is not needed", () => {
    const n1 = behind();
    expect(n1.receive(chunk(0, { to: "1/2" }))).toEqual([answered(0, "match 2")]);
    expect(n1.receive(chunk(0, { to: "1/1" }))).toEqual([answered(0, "match 2")]);
  });

  test("[S6] nor one whose last entry the log holds, which is committed then", () => {
    const n1 = behind();
    expect(n1.receive(chunk(0, { to: "2/4" }))).toEqual([answered(0, "match 4"), "apply 1/3..2/4"]);
    expect(n1.raft.log).toMatchObject({ last: { index: 5 }, commitIndex: 4 });
  });

  test("[S5] one that ends within the log, but at another entry, leaves nothing of the log", () => {
    const n1 = behind();
    n1.receive(chunk(0, { to: "2/3" }));
    n1.receive(chunk(1, { to: "2/3" }));
    n1.receive(chunk(2, { to: "2/3", ...last }));
    expect(n1.raft.log).toMatchObject({ base: { index: 3 }, last: { term: 2, index: 3 } });
  });

  test("[S5] [D5] a write of before that becomes durable says nothing of what was replaced", () => {
    const n1 = behind();
    n1.fastDisk = false;
    n1.receive("n2->n1 appendEntriesRequest t2 prev 2/5 entries 2/6..2/12 commit 2");
    n1.receive("n3->n1 appendEntriesRequest t3 prev 0/0 commit 2");
    for (const each of [0, 1, 2]) {
      const end = each === 2 ? " last" : "";
      n1.receive(`n3->n1 installSnapshotRequest t3 to 3/9 shipment 1 chunk ${each}${end}`);
    }
    n1.sync(1);
    expect(n1.raft.log).toMatchObject({ last: { term: 3, index: 9 }, durableIndex: 9 });
  });

  test("[S7] is not put in place while committed entries are being applied", () => {
    const n1 = behind();
    n1.fastMachine = false;
    n1.receive(chunk(0));
    n1.receive(chunk(1));
    n1.receive("n2->n1 appendEntriesRequest t2 prev 2/5 commit 4");
    expect(n1.receive(chunk(2, last))).toEqual([]);
    n1.finishApplying();
    expect(n1.receive(chunk(2, last))).toEqual([
      "persist #3 chunk 2, install 2/9",
      answered(2, "match 9"),
    ]);
  });

  test("[S11] a chunk is word from the leader", () => {
    const n1 = behind();
    const deadlineMs = n1.raft.wakeAtMs!;
    n1.clock.nowMs += 50;
    n1.receive(chunk(0));
    expect(n1.raft.wakeAtMs).toBe(deadlineMs + 50);
    expect(n1.receive("n3->n1 preVoteRequest t3 last 9/99")).toEqual([]);
  });

  test("[S11] [E13] a candidate that gets one follows", () => {
    const n1 = behind();
    n1.campaign();
    n1.receive(chunk(0));
    expect(n1.raft).toMatchObject({ role: "follower", leader: "n2" });
  });

  test("[E4] one of a past term is answered with the present one", () => {
    const n1 = behind();
    expect(n1.receive(chunk(0, { term: 1 }))).toEqual([answered(0, "stale")]);
  });
});
