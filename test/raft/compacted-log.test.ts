import { describe, expect, test } from "vitest";
import { acceptAll, leader, sentTo, settledLeader } from "../support/roles.ts";

describe("a log that begins after 1/100, as after a snapshot", () => {
  const start = { term: 1, base: "1/100", log: [1, 1] };

  test("[L13] a follower that has it all goes on from its end", () => {
    const n1 = leader(start);
    expect(n1.sent.at(-1)).toMatchObject({ prev: { term: 1, index: 102 } });
    expect(acceptAll(n1, 103, ["n2"])).toEqual(["apply 1/101..1/102", "apply 2/103"]);
  });

  test("[L13] a follower whose log ends at the base gets everything after it", () => {
    const n1 = leader(start);
    expect(n1.receive("n2->n1 appendEntriesResponse t2 conflict at 102 hint 1/100")).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 1/100 entries 1/101..1/102 commit 100",
    ]);
  });

  test("[L13] once it has them from elsewhere, it goes on", () => {
    const n1 = leader(start);
    n1.receive("n2->n1 appendEntriesResponse t2 conflict at 102 hint 1/98");
    n1.receive("n2->n1 appendEntriesResponse t2 conflict at 100 hint 1/98");
    n1.wait(10);
    expect(acceptAll(n1, 101, ["n2"])).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 1/101 entries 1/102 commit 100",
      "send n1->n2 appendEntriesRequest t2 prev 1/102 entries 2/103 commit 100",
    ]);
  });

  test("[L13] a leader whose log is compacted under it goes on, and claims nothing of what is gone", () => {
    const n1 = settledLeader();
    n1.propose([1, 2, 3]);
    acceptAll(n1, 4, ["n2"]);
    const { commitIndex } = n1.raft.log;
    n1.compact(commitIndex, commitIndex);
    n1.unreachable("n3");
    expect(sentTo("n3", n1.propose([4]))).toEqual([
      "send n1->n3 installSnapshotRequest t1 to 1/4 shipment 1 chunk 0",
    ]);
    expect(sentTo("n3", n1.wait(10))).toEqual([
      "send n1->n3 appendEntriesRequest t1 prev 0/0 commit 4",
    ]);
    expect(acceptAll(n1, 1, ["n3"])).toEqual([]);
    expect(acceptAll(n1, 5, ["n2"])).toEqual(["apply 1/5", "done #4 at 5"]);
  });
});
