import { describe, expect, test } from "vitest";
import { Leader } from "../../src/raft/leader.ts";
import { maxRounds } from "../../src/raft/read-index.ts";
import { acceptAll, leader, settledLeader } from "../support/roles.ts";
import type { LoneReplica } from "../support/test-replica.ts";

const sentTo = (node: string, lines: readonly string[]): string[] =>
  lines.filter((line) => line.startsWith(`send n1->${node}`));

function progressOf(replica: LoneReplica, node: string): string {
  const handler = replica.raft.roleHandler;
  if (!(handler instanceof Leader)) throw new Error(`${replica.id} does not lead`);
  const { state, matchIndex, nextIndex, inflightMessages } = handler.followers.get(node)!;
  return `${state} ${matchIndex} ${nextIndex} ${inflightMessages}`;
}

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
  ])("[L9] messages of at most %i bytes carry three entries of 100 bytes as %j", (maxMessageBytes, runs) => {
    const n1 = settledLeader({ maxMessageBytes, maxInflightMessages: 9 });
    const lines = n1.propose([1, 2, 3], 100);
    expect(sentTo("n2", lines).map((line) => /entries (\S+)/.exec(line)![1])).toEqual(runs);
  });

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

  test("[R4] an answer to a message of an earlier term confirms nothing, and shows nobody to be active", () => {
    const n1 = settledLeader();
    n1.read(1);
    expect(n1.receive("n2->n1 appendEntriesResponse t1 stale round 1")).toEqual([]);
    expect(n1.receive("n2->n1 appendEntriesResponse t1 match 1 round 1")).toEqual(["read #1 at 1"]);
    n1.wait(100);
    n1.receive("n2->n1 appendEntriesResponse t1 stale");
    n1.wait(100);
    expect(n1.raft.role).toBe("follower");
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

describe("proposals", () => {
  test.each([
    [[50, 50], 1, "dropped"],
    [[50, 49], 1, "taken"],
    [[50, 50], 0, "taken"],
    [[100], 1, "dropped"],
    [[99], 1, "taken"],
    [[99], 2, "dropped"],
    [[101], 0, "dropped"],
    [[], 101, "taken"],
  ])("[P3] where %j bytes wait and 100 may, one of %i is %s", (waiting, size, fate) => {
    const n1 = settledLeader({ maxUncommittedBytes: 100 });
    for (const [i, bytes] of waiting.entries()) n1.propose([i], bytes);
    const lines = n1.propose([9], size);
    if (fate === "dropped") expect(lines).toEqual(["failed #9 dropped leader n1"]);
    else expect(lines.join()).toContain("persist");
  });

  test("[P3] of several at once each is judged by itself, in their order", () => {
    const n1 = settledLeader({ maxUncommittedBytes: 100 });
    n1.propose([1], 90);
    const data = (size: number): Uint8Array => new Uint8Array(size);
    const lines = n1.step({
      type: "propose",
      proposals: [
        { id: 2, data: data(20) },
        { id: 3, data: data(10) },
        { id: 4, data: data(1) },
        { id: 5, data: data(0) },
      ],
    });
    expect(lines.filter((line) => /failed|persist/.test(line))).toEqual([
      "persist #4 append 1/3..1/4",
      "failed #2 dropped leader n1",
      "failed #4 dropped leader n1",
    ]);
    expect(acceptAll(n1, 4, ["n2"])).toEqual([
      "apply 1/2..1/4",
      "done #1 at 2",
      "done #3 at 3",
      "done #5 at 4",
    ]);
  });

  test("[P3] what a leader took over from another takes no room", () => {
    const n1 = leader({ term: 1, log: [1, 1, 1], maxUncommittedBytes: 2 });
    expect(n1.propose([1], 2).join()).toContain("persist");
  });

  test("[P4] when it steps down, what it has committed ends as done and the rest as unknown", () => {
    const n1 = settledLeader();
    n1.fastMachine = false;
    n1.propose([1]);
    acceptAll(n1, 2, ["n2"]);
    n1.propose([2]);
    acceptAll(n1, 3, ["n2"]);
    n1.propose([3]);
    n1.read(4);
    expect(n1.receive("n2->n1 appendEntriesRequest t2 prev 1/3 commit 3")).toEqual([
      "persist #6 term 2 vote none",
      "then send n1->n2 appendEntriesResponse t2 match 3",
      "failed #4 not_leader",
      "failed #3 unknown",
    ]);
    // #2 was committed but not handed out yet, since the machine was busy with #1.
    expect(n1.finishApplying()).toEqual(["apply 1/3", "done #2 at 3"]);
  });

  test("[P1] [P4] what ended as unknown does not end again when it commits after all", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    n1.receive("n2->n1 appendEntriesRequest t2 prev 1/1 commit 1");
    n1.campaign();
    for (const answer of ["preVoteResponse", "requestVoteResponse"]) {
      n1.receive(`n2->n1 ${answer} t3 granted`);
    }
    expect(acceptAll(n1, 3, ["n2"])).toEqual(["apply 1/2..3/3"]);
  });

  test("[P2] elsewhere they are sent on to the leader, where it is known", () => {
    const n1 = settledLeader();
    n1.receive("n2->n1 appendEntriesRequest t2 prev 1/1 commit 1");
    expect(n1.propose([1, 2])).toEqual(["failed #1 not_leader leader n2", "failed #2 not_leader leader n2"]);
    n1.campaign();
    expect(n1.propose([3])).toEqual(["failed #3 not_leader"]);
    expect(n1.read(4)).toEqual(["failed #4 not_leader"]);
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

describe("reads", () => {
  const confirm = (n1: LoneReplica, from: string, round: number): string[] =>
    n1.receive(`${from}->n1 appendEntriesResponse t${n1.raft.term} match 1 round ${round}`);

  test("[R1] are answered when a majority has answered a message sent after they began", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    expect(n1.read(2)).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/1 commit 1 round 1",
      "send n1->n3 appendEntriesRequest t1 prev 1/1 commit 1 round 1",
    ]);
    // The answer to the proposal was sent for without knowing of the round.
    expect(acceptAll(n1, 2, ["n2"])).toEqual(["apply 1/2", "done #1 at 2"]);
    expect(confirm(n1, "n2", 1)).toEqual(["read #2 at 1"]);
    expect(confirm(n1, "n3", 1)).toEqual([]);
  });

  test("[R1] of five, two others are needed", () => {
    const n1 = settledLeader({ voters: ["n1", "n2", "n3", "n4", "n5"] });
    n1.read(1);
    expect(confirm(n1, "n2", 1)).toEqual([]);
    expect(confirm(n1, "n2", 1)).toEqual([]);
    expect(confirm(n1, "n5", 1)).toEqual(["read #1 at 1"]);
  });

  test("[R1] a refusal confirms, too: it comes from one that follows", () => {
    const n1 = settledLeader();
    n1.propose([1]);
    n1.read(2);
    expect(n1.receive("n2->n1 appendEntriesResponse t1 conflict at 2 hint 1/1 round 1")).toContain(
      "read #2 at 1",
    );
  });

  test("[R2] wait for the first commit of the leader's own term", () => {
    const n1 = leader({ term: 1, log: [1, 1] });
    expect(n1.read(1)).toEqual([]);
    expect(acceptAll(n1, 2, ["n2"]).join()).not.toContain("round");
    expect(acceptAll(n1, 3, ["n2"])).toContain(
      "send n1->n3 appendEntriesRequest t2 prev 0/0 commit 3 round 1",
    );
    expect(confirm(n1, "n3", 1)).toEqual(["read #1 at 3"]);
  });

  test("[R6] a round whose messages are lost is confirmed by what comes next", () => {
    const n1 = settledLeader();
    n1.read(1);
    expect(sentTo("n2", n1.wait(10))).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/1 commit 1 round 1",
    ]);
    expect(sentTo("n2", n1.propose([2]))).toEqual([
      "send n1->n2 appendEntriesRequest t1 prev 1/1 entries 1/2 commit 1 round 1",
    ]);
  });

  test("[R5] that find no place begin when one is free", () => {
    const n1 = settledLeader();
    for (let id = 1; id <= maxRounds; id++) expect(n1.read(id)).not.toEqual([]);
    expect(n1.read(8)).toEqual([]);
    expect(n1.read(9)).toEqual([]);
    const next = maxRounds + 1;
    expect(confirm(n1, "n2", maxRounds).slice(0, 2)).toEqual([
      `send n1->n2 appendEntriesRequest t1 prev 1/1 commit 1 round ${next}`,
      `send n1->n3 appendEntriesRequest t1 prev 1/1 commit 1 round ${next}`,
    ]);
    expect(confirm(n1, "n3", next)).toEqual(["read #8 at 1", "read #9 at 1"]);
  });

  test("[R3] rounds begin with 1 in each term, and old answers are of no use", () => {
    const n1 = settledLeader();
    n1.read(1);
    n1.receive("n2->n1 appendEntriesRequest t2 prev 1/1 commit 1");
    n1.campaign();
    n1.receive("n2->n1 preVoteResponse t3 granted");
    n1.receive("n2->n1 requestVoteResponse t3 granted");
    acceptAll(n1, 2, ["n2"]);
    n1.read(2);
    expect(n1.receive("n2->n1 appendEntriesResponse t1 match 1 round 1")).toEqual([]);
    expect(n1.receive("n2->n1 appendEntriesResponse t3 match 2 round 1")).toEqual(["read #2 at 2"]);
  });
});

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

  test("[L13] a follower that needs older entries gets signs of life only, and answers count", () => {
    const n1 = leader(start);
    n1.receive("n2->n1 appendEntriesResponse t2 conflict at 102 hint 1/98");
    expect(n1.receive("n2->n1 appendEntriesResponse t2 conflict at 100 hint 1/98")).toEqual([]);
    expect(progressOf(n1, "n2")).toBe("probe 0 100 0");
    expect(sentTo("n2", n1.wait(10))).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 0/0 commit 100",
    ]);
    // It tells that it has committed 98, from which nothing can be sent either.
    expect(acceptAll(n1, 98, ["n2"])).toEqual([]);
    expect(sentTo("n2", n1.propose([1]))).toEqual([]);
    expect(n1.unreachable("n2")).toEqual([]);
    expect(sentTo("n2", n1.wait(10))).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 0/0 commit 100",
    ]);
    acceptAll(n1, 103, ["n3"]);
    expect(sentTo("n2", n1.read(2))).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 0/0 commit 103 round 1",
    ]);
    expect(n1.receive("n2->n1 appendEntriesResponse t2 match 98 round 1")).toEqual([
      "read #2 at 103",
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

  test("[L13] a leader whose log is compacted under it goes on", () => {
    const n1 = settledLeader();
    n1.propose([1, 2, 3]);
    acceptAll(n1, 4, ["n2"]);
    n1.storage.compact(n1.raft.log.commitIndex);
    n1.unreachable("n3");
    expect(sentTo("n3", n1.propose([4]))).toEqual([]);
    expect(sentTo("n3", n1.wait(10))).toEqual([
      "send n1->n3 appendEntriesRequest t1 prev 0/0 commit 4",
    ]);
    expect(acceptAll(n1, 1, ["n3"])).toEqual([]);
    expect(acceptAll(n1, 5, ["n2"])).toEqual(["apply 1/5", "done #4 at 5"]);
  });
});
