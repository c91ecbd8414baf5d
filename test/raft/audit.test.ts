import { describe, expect, test } from "vitest";
import { describeRaft } from "../../src/raft/describe.ts";
import { asIndex } from "../../src/raft/types.ts";
import type { LoneReplica } from "../support/lone-replica.ts";
import { acceptAll, follower, leader, progressOf, sentTo } from "../support/roles.ts";

const good = "4=1:good";
const bad = "4=1:bad";

describe("a follower in term 2 with the log 1/1..1/6", () => {
  const ask = (verdict = "", commit = 6): string =>
    `n2->n1 appendEntriesRequest t2 prev 1/6 commit ${commit}${verdict && ` verdict ${verdict}`}`;
  const answer = (more: string): string =>
    `then send n1->n2 appendEntriesResponse t2 match 6 ${more}`;

  /** It has applied all entries, and compares every second. */
  function behind({ every = 2, hash = "bad" } = {}): LoneReplica {
    const n1 = follower({ term: 2, log: [1, 1, 1, 1, 1, 1] });
    n1.digestEvery = every;
    n1.stateHash = hash;
    n1.receive(ask());
    return n1;
  }

  function diverged(): LoneReplica {
    const n1 = behind();
    n1.receive(ask(good));
    expect(n1.raft.audit.divergedIndex).toBe(4);
    return n1;
  }

  test("[A1] says in its answers what its state was at the newest agreed index", () => {
    const n1 = follower({ term: 2, log: [1, 1, 1, 1, 1, 1] });
    n1.digestEvery = 4;
    expect(n1.receive(ask())).toEqual([
      "then send n1->n2 appendEntriesResponse t2 match 6",
      "apply 1/1..1/6",
      "persist #1 audit 4=1:good",
    ]);
    expect(n1.receive(ask())).toEqual([answer(`digest ${good}`)]);
  });

  test("[A1] keeps its newest four, over a restart too", () => {
    const n1 = behind({ every: 1 });
    n1.crash();
    n1.boot();
    expect(n1.raft.audit.digests.map(({ index }) => index)).toEqual([3, 4, 5, 6]);
    expect(n1.receive(ask())).toEqual([answer("digest 6=1:bad")]);
  });

  test("[A1] what comes again after a restart changes nothing", () => {
    const n1 = behind();
    const digests = n1.raft.audit.digests.slice(-1);
    const input = { type: "applied", index: asIndex(6), digests } as const;
    expect(n1.step(input)).toEqual([]);
  });

  test("[A1] what comes again differently after a restart takes nothing away that follows it", () => {
    const n1 = behind();
    const digests = n1.raft.audit.digests.slice(-2);
    const again = [{ ...digests[0]!, hash: "other" }, digests[1]!];
    n1.step({ type: "applied", index: asIndex(6), digests: again });
    expect(n1.raft.audit.digests.slice(-2)).toEqual(again);
  });

  test("[A4] marks itself, before it answers, when the verdict is not what it has", () => {
    const n1 = behind();
    expect(n1.receive(ask(good))).toEqual([
      "persist #2 audit 2=1:bad 4=1:bad 6=1:bad diverged 4",
      answer("digest 6=1:bad diverged 4"),
    ]);
    // Once is enough.
    expect(n1.receive(ask("6=1:good"))).toEqual([answer("digest 6=1:bad diverged 4")]);
    expect(describeRaft(n1.raft)).toContain("diverged 4");
  });

  test("[A4] [D2] the answer waits until that is durable", () => {
    const n1 = behind();
    n1.fastDisk = false;
    n1.receive(ask(good));
    expect(n1.held).toHaveLength(1);
    n1.makeDurable();
    expect(n1.held).toEqual([]);
  });

  test.each([
    ["is what it has", bad],
    ["is of an index of which it knows nothing", "5=1:good"],
    ["is of an index that it has not applied", "8=1:good"],
    ["[A3] is of another formula", "4=2:good"],
  ])("[A4] does nothing of the kind when the verdict %s", (_, verdict) => {
    const n1 = behind();
    expect(n1.receive(ask(verdict))).toEqual([answer("digest 6=1:bad")]);
    expect(n1.raft.audit.hasDiverged).toBe(false);
  });

  test("[A7] marks itself when nobody is right", () => {
    const n1 = behind();
    expect(n1.receive(ask("4=1:none"))).toContain(answer("digest 6=1:bad diverged 4"));
    const other = behind();
    other.receive(ask("5=1:none"));
    expect(other.raft.audit.hasDiverged).toBe(false);
  });

  test("[A4] the mark outlives a restart", () => {
    const n1 = diverged();
    n1.crash();
    n1.boot();
    expect(n1.receive(ask())).toEqual([answer("digest 6=1:bad diverged 4")]);
  });

  test("[A5] does not stand, whoever wants it to, and waits for nobody's silence", () => {
    const n1 = diverged();
    expect(n1.raft.wakeAtMs).toBeNull();
    expect(n1.wait(1000)).toEqual([]);
    expect(n1.campaign()).toEqual([]);
    expect(n1.poke()).toEqual([]);
    expect(n1.receive("n2->n1 timeoutNowRequest t2")).toEqual([]);
    n1.crash();
    n1.boot();
    expect(n1.wait(1000)).toEqual([]);
    expect(n1.campaign()).toEqual([]);
    expect(n1.raft).toMatchObject({ role: "follower", term: 2 });
  });

  test("[A5] gives votes and takes entries as ever, since its log is well", () => {
    const n1 = diverged();
    expect(n1.receive("n2->n1 appendEntriesRequest t2 prev 1/6 entries 2/7 commit 7")).toEqual([
      "persist #3 append 2/7",
      "then send n1->n2 appendEntriesResponse t2 match 7 digest 6=1:bad diverged 4",
      "apply 2/7",
    ]);
    n1.clock.nowMs += 1000;
    expect(n1.receive("n3->n1 preVoteRequest t3 last 2/7")).toEqual([
      "then send n1->n3 preVoteResponse t3 granted",
    ]);
    expect(n1.receive("n3->n1 requestVoteRequest t3 last 2/7")).toContain(
      "then send n1->n3 requestVoteResponse t3 granted",
    );
  });

  describe("is repaired", () => {
    const chunk = (n: number, to = "1/5", shipment = 1): string =>
      `n2->n1 installSnapshotRequest t2 to ${to} shipment ${shipment} chunk ${n}${n === 2 ? " last" : ""}`;
    const stored = (n: number, result = "stored", shipment = 1): string =>
      `then send n1->n2 installSnapshotResponse t2 shipment ${shipment} chunk ${n} ${result}`;

    test("[A10] by a snapshot of before: keeps its log, and applies what comes after once more", () => {
      const n1 = diverged();
      n1.receive("n2->n1 appendEntriesRequest t2 prev 1/6 entries 2/7..2/8 commit 7");
      expect(n1.receive(chunk(0))).toEqual(["persist #4 chunk 0", stored(0)]);
      expect(n1.receive(chunk(1))).toEqual(["persist #5 chunk 1", stored(1)]);
      expect(n1.raft.appliedIndex).toBe(7);
      expect(n1.receive(chunk(2))).toEqual([
        "persist #6 chunk 2, repair 1/5, audit nothing",
        stored(2, "match 7"),
        "apply 1/6",
        "persist #7 audit 6=1:good",
        "apply 2/7",
      ]);
      expect(n1.raft.log).toMatchObject({ base: { index: 0 }, last: { index: 8 }, commitIndex: 7 });
      expect(n1.raft).toMatchObject({ appliedIndex: 7, audit: { divergedIndex: null } });
      expect(n1.storage.durable.log.last.index).toBe(8);
    });

    test("[A10] in one write: a crash before it leaves all as it was, one after it all as it is", () => {
      const n1 = diverged();
      n1.fastDisk = false;
      n1.fastMachine = false;
      for (const n of [0, 1, 2]) n1.receive(chunk(n));
      expect(n1.storage.written).toMatchObject({ appliedIndex: 5, audit: { divergedIndex: null } });
      expect(n1.storage.durable).toMatchObject({ appliedIndex: 6, audit: { divergedIndex: 4 } });
      n1.storage.syncWrites(n1.storage.pendingWrites);
      n1.crash();
      n1.boot();
      expect(n1.raft).toMatchObject({ appliedIndex: 5, audit: { divergedIndex: null } });
      expect(n1.raft.log).toMatchObject({ last: { index: 6 }, commitIndex: 5 });
    });

    test("[A10] by one that ends within the log, at an entry of which it did not know that it is committed", () => {
      const n1 = diverged();
      n1.receive("n2->n1 appendEntriesRequest t2 prev 1/6 entries 2/7..2/8 commit 6");
      for (const n of [0, 1]) n1.receive(chunk(n, "2/7"));
      expect(n1.receive(chunk(2, "2/7"))).toEqual([
        "persist #6 chunk 2, repair 2/7, audit nothing",
        stored(2, "match 7"),
      ]);
      expect(n1.raft.log).toMatchObject({ last: { index: 8 }, commitIndex: 7 });
    });

    test("[A12] by one that ends beyond its log, like any follower", () => {
      const n1 = diverged();
      for (const n of [0, 1]) n1.receive(chunk(n, "2/9"));
      expect(n1.receive(chunk(2, "2/9"))).toEqual([
        "persist #5 chunk 2, install 2/9, audit nothing",
        stored(2, "match 9"),
      ]);
      expect(n1.receive(ask(good))).toEqual(["then send n1->n2 appendEntriesResponse t2 match 9"]);
    });

    test("[A10] [S7] not while committed entries are being applied", () => {
      const n1 = diverged();
      n1.fastMachine = false;
      n1.receive("n2->n1 appendEntriesRequest t2 prev 1/6 entries 2/7 commit 7");
      for (const n of [0, 1]) n1.receive(chunk(n));
      expect(n1.receive(chunk(2))).toEqual([]);
      n1.finishApplying();
      expect(n1.receive(chunk(2))).toContain(stored(2, "match 7"));
    });

    test("[A11] not by one after which its log has a hole", () => {
      const n1 = diverged();
      n1.receive(chunk(0));
      // The log keeps what it will need, but for what must go.
      expect(n1.compact(asIndex(6))).toEqual(["persist #4 compact to 1/5"]);
      expect(n1.compact(asIndex(6))).toEqual([]);
      expect(n1.compact(asIndex(6), asIndex(6))).toEqual(["persist #5 compact to 1/6"]);
      expect(n1.receive(chunk(1))).toEqual([stored(1, "restart")]);
      expect(n1.receive(chunk(0, "1/6", 2))).toEqual([
        "persist #6 chunk 0",
        stored(0, "stored", 2),
      ]);
    });

    test("[A12] once: what comes late changes nothing", () => {
      const n1 = diverged();
      for (const n of [0, 1, 2]) n1.receive(chunk(n));
      for (const n of [0, 1, 2]) expect(n1.receive(chunk(n))).toEqual([stored(n, "match 6")]);
      expect(n1.receive(ask(good))).toEqual([answer("digest 6=1:good")]);
    });
  });
});

describe("a leader of term 2 that compares every second entry", () => {
  const answer = (n1: LoneReplica, from: string, match: number, more = ""): string[] =>
    n1.receive(`${from}->n1 appendEntriesResponse t2 match ${match}${more}`);
  const chunk = (n: number, shipment = 1): string =>
    `send n1->n2 installSnapshotRequest t2 to 2/4 shipment ${shipment} chunk ${n}${n === 2 ? " last" : ""}`;
  const chunkAnswer = (n1: LoneReplica, n: number, result: string, shipment = 1): string[] =>
    n1.receive(`n2->n1 installSnapshotResponse t2 shipment ${shipment} chunk ${n} ${result}`);

  /** It has applied the noop and three entries, which all have. */
  function applied(hash = "good"): LoneReplica {
    const n1 = leader({ term: 1 });
    n1.digestEvery = 2;
    n1.stateHash = hash;
    acceptAll(n1, 1);
    n1.propose([1, 2, 3]);
    acceptAll(n1, 4);
    expect(n1.raft.appliedIndex).toBe(4);
    return n1;
  }

  /** n3 has the same, and n2 says that it has found its own state to be wrong. */
  function repairing(): LoneReplica {
    const n1 = applied();
    answer(n1, "n3", 4, ` digest ${good}`);
    expect(answer(n1, "n2", 4, ` digest ${bad} diverged 4`)).toEqual([chunk(0)]);
    return n1;
  }

  test("[A2] passes the verdict on with whatever it sends next", () => {
    const n1 = applied();
    expect(sentTo("n2", n1.wait(10))).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 2/4 commit 4",
    ]);
    expect(answer(n1, "n3", 4, ` digest ${good}`)).toEqual([]);
    expect(n1.wait(10)).toEqual(
      ["n2", "n3"].map(
        (to) => `send n1->${to} appendEntriesRequest t2 prev 2/4 commit 4 verdict ${good}`,
      ),
    );
  });

  test("[A6] leads no more when a majority has another state, and ends what it has open", () => {
    const n1 = applied("bad");
    n1.propose([4]);
    n1.read(5);
    answer(n1, "n3", 4, ` digest ${good}`);
    expect(n1.raft.role).toBe("leader");
    // The same message would make a majority of both the entry and the round.
    expect(answer(n1, "n2", 5, ` round 1 digest ${good}`)).toEqual([
      "persist #6 audit 2=1:bad 4=1:bad diverged 4",
      "failed #5 not_leader",
      "failed #4 unknown",
    ]);
    expect(n1.raft).toMatchObject({ role: "follower", term: 2, leader: null });
    expect(n1.wait(1000)).toEqual([]);
    expect(n1.read(6)).toEqual(["failed #6 not_leader"]);
  });

  test("[A6] finds it too when it is the last to apply", () => {
    const n1 = leader({ term: 1, log: [1, 1] });
    n1.digestEvery = 2;
    n1.stateHash = "bad";
    for (const from of ["n2", "n3"]) answer(n1, from, 2, " digest 2=1:good");
    expect(n1.raft.role).toBe("leader");
    answer(n1, "n2", 3);
    expect(n1.raft).toMatchObject({ role: "follower", audit: { divergedIndex: 2 } });
  });

  test("[A6] and tells nobody what came of a command after that", () => {
    const n1 = leader({ term: 1, log: [1, 1], maxApplyBytes: 1 });
    n1.digestEvery = 2;
    n1.stateHash = "bad";
    n1.propose([7]);
    for (const from of ["n2", "n3"]) answer(n1, from, 2, " digest 2=1:good");
    const lines = answer(n1, "n2", 4);
    expect(n1.raft.audit.divergedIndex).toBe(2);
    expect(lines).not.toContain("done #7 at 4");
  });

  test("[A6] finds it by an older verdict when it has not applied what the newest is about", () => {
    const n1 = applied("bad");
    n1.propose([4, 5]);
    answer(n1, "n2", 6, ` digest ${good}`);
    for (const from of ["n2", "n3"]) answer(n1, from, 4, " digest 8=1:good");
    expect(n1.raft.role).toBe("leader");
    answer(n1, "n3", 4, ` digest ${good}`);
    expect(n1.raft).toMatchObject({ role: "follower", audit: { divergedIndex: 4 } });
  });

  test("[A7] tells all when nobody is right, and leads no more", () => {
    const n1 = applied("bad");
    answer(n1, "n2", 4, " digest 4=1:worse");
    expect(answer(n1, "n3", 4, " digest 4=1:worst")).toEqual([
      "send n1->n2 appendEntriesRequest t2 prev 2/4 commit 4 verdict 4=1:none",
      "send n1->n3 appendEntriesRequest t2 prev 2/4 commit 4 verdict 4=1:none",
      "persist #5 audit 2=1:bad 4=1:bad diverged 4",
    ]);
    expect(n1.raft.role).toBe("follower");
  });

  test("[A8] sends its state to one that has diverged, whose log it goes on to serve", () => {
    const n1 = repairing();
    expect(progressOf(n1, "n2")).toBe("replicate 4 5 0");
    expect(sentTo("n2", n1.propose([4]))).toEqual([
      `send n1->n2 appendEntriesRequest t2 prev 2/4 entries 2/5 commit 4 verdict ${good}`,
    ]);
    expect(chunkAnswer(n1, 0, "stored")).toEqual([chunk(1)]);
    expect(answer(n1, "n2", 5, ` digest ${bad} diverged 4`)).toContain("apply 2/5");
    expect(chunkAnswer(n1, 1, "stored")).toEqual([chunk(2)]);
    expect(n1.storage.openExports).toBe(1);
    expect(chunkAnswer(n1, 2, "match 5")).toEqual([]);
    expect(n1.storage.openExports).toBe(0);
    expect(answer(n1, "n2", 5)).toEqual([]);
  });

  test("[A8] not while nobody has vouched for that state since", () => {
    const n1 = applied();
    expect(answer(n1, "n2", 4, ` digest ${bad} diverged 4`)).toEqual([]);
    // It is right at 2, and may have become wrong since.
    expect(answer(n1, "n3", 3, " digest 2=1:good")).toEqual([]);
    expect(answer(n1, "n2", 4, ` digest ${bad} diverged 4`)).toEqual([]);
    answer(n1, "n3", 4, ` digest ${good}`);
    expect(answer(n1, "n2", 4, ` digest ${bad} diverged 4`)).toEqual([chunk(0)]);
  });

  test("[A9] a chunk that was lost is sent again when the follower is heard", () => {
    const n1 = repairing();
    const again = (): string[] => answer(n1, "n2", 4, ` digest ${bad} diverged 4`);
    expect(again()).toEqual([]);
    n1.unreachable("n2", true);
    expect(again()).toContain(chunk(0));
    expect(again()).toEqual([]);
    n1.wait(200);
    expect(again()).toEqual([chunk(0)]);
  });

  test("[A9] a follower that does not know the beginning gets another", () => {
    const n1 = repairing();
    chunkAnswer(n1, 0, "stored");
    expect(chunkAnswer(n1, 1, "restart")).toEqual([chunk(0, 2)]);
    expect(n1.storage.openExports).toBe(1);
    expect(chunkAnswer(n1, 1, "restart")).toEqual([]);
  });

  test("[A9] ends when the follower is well, with the leadership, and when it does not get on", () => {
    const well = repairing();
    answer(well, "n2", 4);
    expect(well.storage.openExports).toBe(0);
    const deposed = repairing();
    deposed.receive("n3->n1 appendEntriesRequest t3 prev 0/0 commit 0");
    expect(deposed.storage.openExports).toBe(0);
    const stuck = repairing();
    for (let ms = 0; ms < 1200; ms += 10) {
      stuck.wait(10);
      answer(stuck, "n3", 4);
    }
    expect(stuck.storage.openExports).toBe(0);
  });

  test("[A8] [S2] one that gets a snapshot for its log's sake gets no other", () => {
    const n1 = leader({ term: 1, base: "1/100", log: [1, 1] });
    n1.digestEvery = 2;
    acceptAll(n1, 103, ["n3"]);
    answer(n1, "n3", 103, " digest 102=1:good");
    answer(n1, "n2", 0);
    n1.receive("n2->n1 appendEntriesResponse t2 conflict at 102 hint 1/90");
    n1.receive("n2->n1 appendEntriesResponse t2 conflict at 100 hint 1/90");
    expect(progressOf(n1, "n2")).toBe("snapshot 0 1 0");
    expect(answer(n1, "n2", 90, " digest 80=1:bad diverged 80")).toEqual([]);
    expect(n1.storage.openExports).toBe(1);
  });

  test("[A13] hands over to nobody who has diverged", () => {
    const n1 = repairing();
    expect(n1.transfer("n2")).toEqual([]);
    expect(n1.transfer("n3")).toEqual(["send n1->n3 timeoutNowRequest t2 last 2/4"]);
  });
});

test("[A2] a group of one is always right", () => {
  const n1 = leader({ voters: ["n1"] });
  n1.digestEvery = 1;
  n1.stateHash = "any";
  n1.propose([1, 2]);
  expect(n1.raft).toMatchObject({ role: "leader", audit: { verifiedIndex: 3 } });
});
