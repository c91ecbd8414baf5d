import { describe, expect, test } from "vitest";
import { maxRounds } from "../../src/raft/read-index.ts";
import { acceptAll, leader, sentTo, settledLeader } from "../support/roles.ts";
import type { LoneReplica } from "../support/lone-replica.ts";

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

  test("[P4] stepping down ends what is committed as done, the rest as unknown", () => {
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
    expect(n1.propose([1, 2])).toEqual([
      "failed #1 not_leader leader n2",
      "failed #2 not_leader leader n2",
    ]);
    n1.campaign();
    expect(n1.propose([3])).toEqual(["failed #3 not_leader"]);
    expect(n1.read(4)).toEqual(["failed #4 not_leader"]);
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

test("[P1] [P5] over many reigns, whatever was asked has ended, and once", () => {
  const n1 = leader();
  const ended: number[] = [];
  const keep = (lines: readonly string[]): void => {
    const ids = lines.flatMap((line) => /^(?:done|read|failed) #(\d+)/.exec(line)?.[1] ?? []);
    ended.push(...ids.map(Number));
  };
  let asked = 0;
  for (let reign = 0; reign < 20; reign++) {
    const { term, log } = n1.raft;
    for (let i = 0; i < 3; i++) {
      keep(n1.propose([++asked]));
      keep(n1.read(++asked));
    }
    // Some reigns commit all, some a part, some nothing; reads are confirmed in some.
    const share = [0, 2, 4][reign % 3]!;
    keep(acceptAll(n1, log.last.index - 4 + share, ["n2"]));
    if (reign % 2 === 0) keep(n1.receive(`n3->n1 appendEntriesResponse t${term} match 0 round 1`));
    const prev = `${log.last.term}/${log.last.index}`;
    keep(n1.receive(`n2->n1 appendEntriesRequest t${term + 1} prev ${prev} commit 0`));
    keep(n1.propose([++asked]));
    keep(n1.campaign());
    keep(n1.read(++asked));
    keep(n1.receive(`n2->n1 preVoteResponse t${term + 2} granted`));
    keep(n1.receive(`n2->n1 requestVoteResponse t${term + 2} granted`));
    expect(n1.raft.role).toBe("leader");
  }
  keep(n1.receive(`n2->n1 appendEntriesRequest t${n1.raft.term + 1} prev 0/0 commit 0`));
  expect(ended.sort((a, b) => a - b)).toEqual(Array.from({ length: asked }, (_, i) => i + 1));
});
