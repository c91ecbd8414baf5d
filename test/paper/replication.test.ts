/** Section 5.3 of the Raft paper, a test for each sentence that can be checked. */
import { describe, expect, test } from "vitest";
import { describeEntries } from "../../src/raft/describe.ts";
import { Cluster } from "../support/cluster.ts";
import { acceptAll, follower, leader, settledLeader } from "../support/roles.ts";
import { LoneReplica } from "../support/lone-replica.ts";

describe("5.3: log replication", () => {
  test("[L1] 5.3: a leader appends a command and sends it with the id before", () => {
    const n1 = settledLeader();
    expect(n1.propose([1])).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/1 entries 1/2 commit 1",
      "send n1->n3 appendEntriesRequest t1 prev 1/1 entries 1/2 commit 1",
      "persist #3 append 1/2",
    ]);
  });

  test("[C1] 5.3: a leader applies what is replicated, and says so with the next message", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    expect(acceptAll(n1, 2, ["n2"])).toEqual(["apply 1/2", "done #1 at 2"]);
    expect(n1.propose([2])).toContain(
      "send n1->n2 appendEntriesRequest t1 prev 1/2 entries 1/3 commit 2",
    );
  });

  test.each([
    [1, [], true],
    [3, [], false],
    [3, ["n2"], true],
    [3, ["n2", "n3"], true],
    [5, [], false],
    [5, ["n2"], false],
    [5, ["n2", "n3"], true],
    [5, ["n2", "n3", "n4"], true],
    [5, ["n2", "n3", "n4", "n5"], true],
  ])("[C1] 5.3: of %i replicas, answers from %j commit an entry: %s", (size, acks, isCommitted) => {
    const voters = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    const n1 = settledLeader({ voters });
    n1.propose([1]);
    acceptAll(n1, 2, acks);
    expect(n1.raft.log.commitIndex).toBe(isCommitted ? 2 : 1);
  });

  test.each([[[]], [[2]], [[1, 2]], [[1]]])(
    "[C1] [C6] 5.3: an entry commits all before it, of other leaders too: %j",
    (log: number[]) => {
      const n1 = leader({ term: 2, log });
      acceptAll(n1, log.length + 1, ["n2"]);
      expect(n1.applied.map(({ term }) => term)).toEqual([...log, 3]);
    },
  );

  test.each([
    ["1/1", 1, "1/1"],
    ["1/1..1/2", 2, "1/1..1/2"],
    ["1/1..1/3", 2, "1/1..1/2"],
    ["1/1..1/2", 9, "1/1..1/2"],
  ])(
    "[C4] [C6] 5.3: a follower that got %s and learns of commit %i applies %s in order",
    (entries, commit, applied) => {
      const n1 = follower();
      n1.receive(`n2->n1 appendEntriesRequest t1 prev 0/0 entries ${entries} commit ${commit}`);
      expect(describeEntries(n1.applied)).toBe(applied);
    },
  );

  test.each([
    ["0/0", "match 1"],
    ["1/1", "match 1"],
    ["2/2", "match 2"],
    ["1/2", "conflict at 2 hint 1/1"],
    ["3/3", "conflict at 3 hint 2/2"],
    ["3/9", "conflict at 9 hint 2/2"],
  ])(
    "[L3] [L4] 5.3: a follower with 1/1 2/2 and commit 1 answers prev %s with %s",
    (prev, answer) => {
      const n1 = new LoneReplica("n1", { term: 2, log: [1, 2], applied: 1 });
      expect(n1.receive(`n2->n1 appendEntriesRequest t3 prev ${prev} commit 1`)).toContain(
        `then send n1->n2 appendEntriesResponse t3 ${answer}`,
      );
    },
  );

  test.each([
    ["2/2", "3/3", [1, 2, 3], "append 3/3"],
    ["1/1", "3/2,4/3", [1, 3, 4], "cut 2, append 3/2..4/3"],
    ["0/0", "1/1", [1, 2], null],
    ["0/0", "3/1", [3], "cut 1, append 3/1"],
    ["1/1", "2/2,4/3", [1, 2, 4], "append 4/3"],
  ])(
    "[L5] 5.3: after %s, a follower with 1/1 2/2 that gets %s has %j and writes %s",
    (prev, entries, terms, written) => {
      const n1 = new LoneReplica("n1", { term: 4, log: [1, 2] });
      const lines = n1.receive(
        `n2->n1 appendEntriesRequest t4 prev ${prev} entries ${entries} commit 0`,
      );
      expect(n1.storage.written.log.entries.map(({ term }) => term)).toEqual(terms);
      const persist = lines.find((line) => line.startsWith("persist"));
      expect(persist).toBe(written === null ? undefined : `persist #1 ${written}`);
    },
  );

  test.each([
    ["a", [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ["b", [1, 1, 1, 4]],
    ["c", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ["d", [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ["e", [1, 1, 1, 4, 4, 4, 4]],
    ["f", [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])("[L2] [L4] 5.3: a leader brings follower (%s) of figure 7 to its own log", (_, log) => {
    const ofLeader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const cluster = new Cluster(["n1", "n2", "n3"]);
    cluster.start("n1", { term: 7, log: ofLeader });
    cluster.start("n2", { term: 7, log });
    cluster.start("n3", { term: 7, log: [] });
    cluster.elect("n1");
    const termsOf = (id: string): number[] =>
      cluster.replica(id).storage.durable.log.entries.map(({ term }) => term);
    expect(termsOf("n1")).toEqual([...ofLeader, 8]);
    expect(termsOf("n2")).toEqual([...ofLeader, 8]);
    expect(termsOf("n3")).toEqual([...ofLeader, 8]);
  });
});
