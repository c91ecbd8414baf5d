import { describe, expect, test } from "vitest";
import { DriverBench, append, id, put, stateOf } from "../support/driver-bench.ts";
import { MemoryDisk } from "../support/memory-storage.ts";

/**
 * An instance that does not know that another has taken its disk over: it goes on with what it
 * remembers.
 */
async function zombieLeader(): Promise<{ zombie: DriverBench; next: () => DriverBench }> {
  const disk = new MemoryDisk();
  const zombie = new DriverBench({ disk });
  await zombie.lead();
  return { zombie, next: () => new DriverBench({ disk }) };
}

describe("An instance that was replaced while its code runs on", () => {
  test("never counts its own copy of an entry again, and commits with the others' at most", async () => {
    const { zombie, next } = await zombieLeader();
    next();
    const answer = zombie.driver.write([put("a")]);
    zombie.accept("2", 2);
    expect(await stateOf(answer)).toBe("open");
    expect(zombie.driver.raft.log.commitIndex).toBe(1);
    // Both others are a majority without it.
    zombie.accept("3", 2);
    expect(zombie.driver.raft.log.commitIndex).toBe(2);
  });

  test("says nothing more that depends on what it wrote: its output gate never opens", async () => {
    const { zombie, next } = await zombieLeader();
    next();
    void zombie.driver.write([put("a")]);
    zombie.accept("2", 2);
    zombie.accept("3", 2);
    let isOpen = false;
    void zombie.storage.gate().then(() => (isOpen = true));
    await zombie.settle();
    expect(isOpen).toBe(false);
  });

  test("leaves no trace on the disk", async () => {
    const { zombie, next } = await zombieLeader();
    next();
    void zombie.driver.write([put("a")]);
    zombie.accept("2", 2);
    zombie.accept("3", 2);
    zombie.depose(7);
    await zombie.settle();
    const { storage } = next();
    expect(storage.hardState.term).toBe(1);
    expect(storage.log.last).toEqual(id(1, 1));
    expect(storage.table.get("a")).toBeNull();
    expect([...storage.requestRecords()]).toEqual([]);
  });

  test("never wins an election with a vote for itself that it could not keep", async () => {
    const disk = new MemoryDisk();
    const zombie = new DriverBench({ disk });
    const next = new DriverBench({ disk });
    const grant = { from: "2", to: "1", term: id(1, 0).term, granted: true } as const;
    zombie.driver.campaign();
    zombie.driver.receiveAnswer([{ type: "preVoteResponse", ...grant }]);
    zombie.driver.receiveAnswer([{ type: "requestVoteResponse", ...grant }]);
    await zombie.settle();
    expect(zombie.driver.raft.role).toBe("candidate");
    // Meanwhile its successor gives the vote of that term to another.
    const [answer] = next.driver.receiveCall("3", [
      {
        type: "requestVoteRequest",
        isTransfer: false,
        from: "3",
        to: "1",
        term: id(1, 0).term,
        last: id(0, 0),
      },
    ]);
    expect(answer).toMatchObject({ granted: true });
  });

  test("that led does not make its successor lead: that boots as a follower, and in a new term only", async () => {
    const { next } = await zombieLeader();
    const successor = next();
    expect(successor.driver.raft.role).toBe("follower");
    expect(successor.driver.raft.vote).toBe("1");
    await expect(successor.lead({ commit: false })).rejects.toThrow("should lead");
    const grant = { from: "2", to: "1", term: id(2, 0).term, granted: true } as const;
    successor.driver.receiveAnswer([{ type: "preVoteResponse", ...grant }]);
    successor.driver.receiveAnswer([{ type: "requestVoteResponse", ...grant }]);
    await successor.settle();
    expect(successor.driver.raft.term).toBe(2);
  });
});

describe("A crash", () => {
  test("between sending an entry and writing it leaves two lives that never share a term and index", async () => {
    const { zombie, next } = await zombieLeader();
    zombie.storage.hold();
    void zombie.driver.write([put("lost")]);
    expect(zombie.sent).toMatchObject([{ to: "2", entries: [{ ...id(1, 2) }] }]);
    const successor = next();
    expect(successor.storage.log.last).toEqual(id(1, 1));
    // Replica 2 got it, wins with it, and it is kept.
    const lost = zombie.sent[0]!;
    if (lost.type !== "appendEntriesRequest") throw new Error("an entry was sent");
    successor.driver.receiveCall("2", [
      append({ term: 2, prev: id(1, 1), entries: lost.entries, leaderCommit: 2 }),
    ]);
    expect(successor.storage.table.get("lost")?.version).toBe(1);
    expect(successor.aborts).toEqual([]);
  });

  test.each([0, 1, 2, 3])(
    "that keeps %i of three turns leaves counters, keys and records of one moment",
    async (survivors) => {
      const disk = new MemoryDisk();
      const bench = new DriverBench({ voters: ["1"], disk });
      bench.driver.campaign();
      await bench.settle();
      await bench.driver.write([put("0", "k")]);
      bench.storage.hold();
      // An entry, what it does, an entry, what it does, and so on: each in a turn of its own.
      for (const requestId of ["1", "2", "3"]) {
        void bench.driver.write([put(requestId, "k")]);
        bench.storage.endTurn();
      }
      bench.storage.crash(survivors);
      const after = new DriverBench({ voters: ["1"], disk });
      expect(after.storage.log.last.index).toBe(2 + survivors);
      after.driver.campaign();
      await after.settle();
      const { sequence, revision, appliedIndex } = after.driver.machine.state;
      expect([sequence, revision]).toEqual([1 + survivors, 1 + survivors]);
      expect(appliedIndex).toBe(after.storage.log.last.index);
      expect(after.storage.table.get("k")?.version).toBe(1 + survivors);
      // Sent again, those that were kept are recognised and the others are new.
      for (const requestId of ["0", "1", "2", "3"]) await after.driver.write([put(requestId, "k")]);
      expect(after.storage.table.get("k")?.version).toBe(4);
    },
  );

  test("after the effects of an entry were stored does not apply it again; before, it does", async () => {
    const disk = new MemoryDisk();
    const first = new DriverBench({ disk });
    await first.lead();
    first.storage.hold();
    void first.driver.write([put("a")]);
    first.storage.endTurn();
    first.accept("2", 2);
    first.accept("3", 2);
    first.storage.endTurn();
    expect(first.storage.table.get("a")?.version).toBe(1);

    first.storage.crash(1);
    const second = new DriverBench({ disk });
    expect(second.driver.machine.state.appliedIndex).toBe(0);
    expect(second.storage.table.get("a")).toBeNull();
    second.driver.receiveCall("2", [append({ term: 2, prev: id(1, 2), leaderCommit: 2 })]);
    expect(second.storage.table.get("a")?.version).toBe(1);
    await second.settle();
    const third = new DriverBench({ disk });
    expect(third.driver.machine.state.appliedIndex).toBe(2);
    third.driver.receiveCall("2", [append({ term: 2, prev: id(1, 2), leaderCommit: 2 })]);
    expect(third.storage.table.get("a")?.version).toBe(1);
  });
});
