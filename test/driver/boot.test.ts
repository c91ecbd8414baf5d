import { expect, test } from "vitest";
import { asTerm } from "../../src/raft/types.ts";
import { DriverBench } from "../support/driver-bench.ts";
import { MemoryDisk } from "../support/memory-storage.ts";
import { nothing } from "../support/persist.ts";

/** A driver that starts on a disk with this vote in term 3. */
async function booted(vote: string | null): Promise<DriverBench> {
  const disk = new MemoryDisk();
  const before = disk.open();
  before.persist({ ...nothing, hardState: { term: asTerm(3), vote } });
  await before.durable();
  const bench = new DriverBench({ disk });
  bench.driver.boot();
  return bench;
}

test("[E18] a replica that voted for itself last asks to lead as soon as it boots", async () => {
  const bench = await booted("1");
  expect(bench.takeTrace()).toEqual([
    "send 2: 1->2 preVoteRequest t4 last 0/0",
    "send 3: 1->3 preVoteRequest t4 last 0/0",
    expect.stringMatching(/^arm/),
  ]);
  expect(bench.driver.raft).toMatchObject({ role: "preCandidate", term: 3 });
});

test.each(["2", null])("[E18] one that voted for %s does nothing until it is due", async (vote) => {
  const bench = await booted(vote);
  expect(bench.takeTrace()).toEqual([]);
  expect(bench.driver.raft.role).toBe("follower");
});
