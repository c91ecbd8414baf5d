import { describe, expect, test } from "vitest";
import type { ClientCommand, PutCommand } from "../../src/kv/command.ts";
import type { ClientRequest } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import {
  maxBatchBytes,
  maxBatchRequests,
  maxKeyBytes,
  maxValueBytes,
} from "../../src/protocol/limits.ts";
import { asIndex } from "../../src/raft/types.ts";
import { answerBatch } from "../../src/replica/client-api.ts";
import { DriverBench, put } from "../support/driver-bench.ts";

const get = (key: string): ClientRequest => ({ type: "get", key, metadataOnly: false });

/** A replica that is a group of its own. */
async function leader(): Promise<DriverBench> {
  const bench = new DriverBench({ voters: ["1"] });
  bench.driver.campaign();
  await bench.settle();
  bench.takeTrace();
  return bench;
}

/** The ids of the commands in each log entry since the term's noop. */
function entriesOf({ storage }: DriverBench): string[][] {
  const { last } = storage.log;
  if (last.index < 2) return [];
  return storage.log
    .slice(asIndex(2), last.index, Number.MAX_SAFE_INTEGER)
    .map(({ data }) => fromBytes<ClientCommand[]>(data).map(({ requestId }) => requestId));
}

const large = (requestId: string, bytes: number): PutCommand => ({
  ...put(requestId),
  type: "put",
  value: new Uint8Array(bytes),
  contentType: null,
});

test("An empty batch is answered with nothing, and does nothing", async () => {
  const bench = await leader();
  expect(await answerBatch(bench.driver, [])).toEqual([]);
  expect(bench.takeTrace()).toEqual([]);
});

test("Each result stands at its request's place, reads and writes mixed", async () => {
  const bench = await leader();
  await answerBatch(bench.driver, [put("0", "a"), put("1", "b")]);
  const results = await answerBatch(bench.driver, [
    get("a"),
    put("2", "c"),
    get("nothing"),
    { type: "delete", requestId: "3", floor: 0, key: "d" },
    get("b"),
    put("4", "d"),
  ]);
  expect(results).toMatchObject([
    { type: "value", modRevision: 1 },
    { type: "put", created: true, revision: 3 },
    { type: "absent" },
    { type: "deleted", deleted: false },
    { type: "value", modRevision: 2 },
    { type: "put", created: true, revision: 4 },
  ]);
});

test("Reads share one round, writes one log entry", async () => {
  const bench = new DriverBench();
  await bench.lead();
  void answerBatch(bench.driver, [put("1"), get("a"), put("2"), get("b"), put("3")]);
  expect(entriesOf(bench)).toEqual([["1", "2", "3"]]);
  const rounds = bench.sent.flatMap((m) => (m.type === "appendEntriesRequest" ? [m.round] : []));
  expect(new Set(rounds)).toEqual(new Set([0, 1]));
});

test("At a replica that does not lead every request is told so", async () => {
  const bench = new DriverBench();
  const results = await answerBatch(bench.driver, [put("1"), get("a"), put("2")]);
  expect(results).toEqual(Array(3).fill({ type: "notLeader", leader: null }));
});

test("A batch of the most requests fits one entry if they are small", async () => {
  const bench = await leader();
  const batch = Array.from({ length: maxBatchRequests }, (_, i) => put(`${i}`));
  const results = await answerBatch(bench.driver, batch);
  expect(results.map((result) => result.type === "put" && result.revision)).toEqual(
    batch.map((_, i) => i + 1),
  );
  expect(entriesOf(bench)).toHaveLength(1);
});

describe("Writes that are too large for one entry are cut into several,", () => {
  const third = Math.floor(maxBatchBytes / 3);

  test.each([
    ["three thirds with what comes on top", [third, third, third], [["0", "1"], ["2"]]],
    ["three that just fit", [third - 200, third - 200, third - 200], [["0", "1", "2"]]],
    ["one of the largest, alone", [maxValueBytes], [["0"]]],
    ["two of the largest", [maxValueBytes, maxValueBytes], [["0"], ["1"]]],
    ["a small one before a large one", [1, maxValueBytes], [["0"], ["1"]]],
    ["a small one after a large one", [maxValueBytes, 1, 1], [["0"], ["1", "2"]]],
  ])("%s: results keep their places", async (_, sizes, entries) => {
    const bench = await leader();
    const results = await answerBatch(
      bench.driver,
      sizes.map((size, i) => large(`${i}`, size)),
    );
    expect(results).toEqual(
      sizes.map((_s, i) => ({ type: "put", created: true, revision: i + 1 })),
    );
    expect(entriesOf(bench)).toEqual(entries);
  });

  test("and no entry is larger than a row of the log may be, whatever the keys and ids are made of", async () => {
    const bench = await leader();
    const worst = (i: number): ClientCommand => ({
      type: "put",
      requestId: `${i} ${"\u{ffff}".repeat(80)}`,
      floor: 0,
      key: `${i}${"\u{ffff}".repeat(Math.floor(maxKeyBytes / 3) - 8)}`,
      value: new Uint8Array(600),
      contentType: "\u{ffff}".repeat(85),
    });
    await answerBatch(
      bench.driver,
      Array.from({ length: maxBatchRequests }, (_, i) => worst(i)),
    );
    const { last } = bench.storage.log;
    const sizes = bench.storage.log
      .slice(asIndex(2), last.index, Number.MAX_SAFE_INTEGER)
      .map(({ data }) => data.byteLength);
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(maxBatchBytes);
  });

  test("and one that is not proposed fails alone", async () => {
    const bench = new DriverBench({ config: { maxUncommittedBytes: maxBatchBytes } });
    await bench.lead();
    const answer = answerBatch(bench.driver, [
      large("0", maxValueBytes),
      get("a"),
      large("1", maxValueBytes),
    ]);
    bench.accept("2", 2, 1);
    expect(await answer).toMatchObject([
      { type: "put", revision: 1 },
      { type: "absent" },
      { type: "dropped" },
    ]);
  });
});

test("A command in the log is smaller than what is reckoned for it", async () => {
  const bench = await leader();
  const tight = large("0", maxBatchBytes - 3 * 2 - 100);
  await answerBatch(bench.driver, [tight]);
  expect(toBytes([tight]).byteLength).toBeLessThanOrEqual(maxBatchBytes);
});

test("The same request twice in one batch takes effect once and is answered twice", async () => {
  const bench = await leader();
  const results = await answerBatch(bench.driver, [put("1", "a"), put("1", "a"), get("a")]);
  expect(results.slice(0, 2)).toEqual(Array(2).fill({ type: "put", created: true, revision: 1 }));
  expect(bench.storage.table.get("a")?.version).toBe(1);
});
