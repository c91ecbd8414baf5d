import { reset } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import type { DeleteCommand, PutCommand } from "../../src/kv/command.ts";
import { maxKeyBytes, maxValueBytes } from "../../src/protocol/limits.ts";
import { GroupUnderTest, putRequest } from "./group-under-test.ts";

// Groups would elect and send heartbeats for ever.
afterEach(() => reset());

describe("A group that was never used", () => {
  test("is founded by replica 1 and by nobody else", async () => {
    const group = new GroupUnderTest();
    for (const id of ["2", "3"]) {
      expect(await group.ask(id, [putRequest("a", "x")])).toMatchObject({
        results: [{ type: "notLeader", leader: "1" }],
        servedBy: { replica: id, role: "none" },
      });
      expect(await group.status(id, true)).toBeNull();
      expect(await group.status(id)).toBeNull();
      expect(await group.alarm(id)).toBeNull();
    }
    // Nor by replica 1 as long as nobody wants anything of it.
    expect(await group.status("1")).toBeNull();
    expect(await group.status("1", true)).toBeNull();
    expect(await group.alarm("1")).toBeNull();

    const { results } = await group.ask("1", [{ type: "get", key: "a", metadataOnly: false }]);
    expect(results).toEqual([{ type: "notLeader", leader: null }]);
    const leader = await group.settled();
    const all = await Promise.all(group.ids.map((id) => group.status(id)));
    expect(all.map((status) => status?.members.map(({ id }) => id))).toEqual(
      Array(3).fill(["1", "2", "3"]),
    );
    expect(all.filter((status) => status?.role === "leader")).toEqual([leader]);
    expect(all.map((status) => status?.role === "leader" || status?.role === "follower")).toEqual([
      true,
      true,
      true,
    ]);
  });

  test("an alarm that finds a replica in no group does nothing", async () => {
    const group = new GroupUnderTest();
    await group.inside("2", (replica) => replica.alarm());
    expect(await group.alarm("2")).toBeNull();
    expect(await group.status("2")).toBeNull();
  });

  test("is not founded twice by requests that come at once", async () => {
    const group = new GroupUnderTest();
    await Promise.all(["a", "b", "c", "d"].map((key) => group.put(key, key)));
    const leader = await group.settled();
    expect(leader.revision).toBe(4);
    expect(await group.inside("1", (_, { storage }) => countRows(storage, "meta"))).toBe(2);
  });
});

describe("A group of three", () => {
  test("puts, gets, replaces and deletes", async () => {
    const group = new GroupUnderTest();
    expect(await group.put("a", "x")).toEqual({ type: "put", created: true, revision: 1 });
    expect(await group.get("a")).toBe("x");
    expect(await group.put("a", "y")).toEqual({ type: "put", created: false, revision: 2 });
    expect(await group.get("a")).toBe("y");
    const remove: DeleteCommand = { type: "delete", requestId: "remove", floor: 0, key: "a" };
    expect(await group.serve(remove)).toEqual([{ type: "deleted", deleted: true, revision: 3 }]);
    expect(await group.get("a")).toBeNull();
    const [absent] = await group.serve({ type: "get", key: "a", metadataOnly: true });
    expect(absent).toEqual({ type: "absent", revision: 3 });
  });

  test("answers a mixed batch in places, and says who answered and up to which request", async () => {
    const group = new GroupUnderTest();
    const leader = await group.settled();
    const batch = [putRequest("a", "x"), putRequest("b", "y")];
    const { results, servedBy, sequence } = await group.ask(leader.id, [
      { type: "get", key: "z", metadataOnly: false },
      ...batch,
    ]);
    expect(results).toEqual([
      { type: "absent", revision: expect.any(Number) },
      { type: "put", created: true, revision: 1 },
      { type: "put", created: true, revision: 2 },
    ]);
    expect(servedBy).toEqual({
      replica: leader.id,
      region: ["wnam", "enam", "weur"][Number(leader.id) - 1],
      role: "leader",
      term: leader.term,
      epoch: 1,
    });
    expect(sequence).toBe(2);
  });

  test("sends those who ask a follower to the leader, and serves nothing there", async () => {
    const group = new GroupUnderTest();
    const leader = await group.settled();
    for (const id of group.ids.filter((other) => other !== leader.id)) {
      const { results } = await group.ask(id, [
        putRequest("a", "x"),
        { type: "get", key: "a", metadataOnly: false },
      ]);
      expect(results).toEqual(Array(2).fill({ type: "notLeader", leader: leader.id }));
    }
    expect((await group.settled()).revision).toBe(0);
  });

  test("brings every replica to one state, also on disk", async () => {
    const group = new GroupUnderTest();
    for (let i = 0; i < 20; i++) await group.put(`k${i % 7}`, `v${i}`);
    const { stateHash, revision } = await group.settled();
    const all = await Promise.all(group.ids.map((id) => group.status(id)));
    expect(all).toMatchObject(Array(3).fill({ stateHash, revision: 20 }));
    const disks = await Promise.all(
      group.ids.map((id) =>
        group.onDisk(id, ({ machineState, table }) => [
          machineState.hash,
          table.get("k5")?.version,
        ]),
      ),
    );
    expect(disks).toEqual(Array(3).fill([stateHash, 3]));
    expect(revision).toBe(20);
  });

  test("keeps values of any bytes, none and the most, and content types as given", async () => {
    const group = new GroupUnderTest();
    const values = [
      new Uint8Array(0),
      Uint8Array.from({ length: 256 }, (_, i) => i),
      new Uint8Array(maxValueBytes).fill(7),
    ];
    const contentTypes = [null, "", "application/octet-stream"];
    const puts = values.map((value, i): PutCommand => ({
      type: "put",
      requestId: `value ${i}`,
      floor: 0,
      key: `v${i}`,
      value,
      contentType: contentTypes[i]!,
    }));
    await group.serve(...puts);
    const gets = values.map(
      (_, i) => ({ type: "get", key: `v${i}`, metadataOnly: false }) as const,
    );
    const results = await group.serve(...gets);
    results.forEach((result, i) => {
      if (result.type !== "value") throw new Error(`v${i} is ${result.type}`);
      expect([result.size, result.contentType]).toEqual([values[i]!.byteLength, contentTypes[i]]);
      expect(
        result.value!.every((byte, at) => byte === values[i]![at]),
        `v${i}`,
      ).toBe(true);
    });
    const [head] = await group.serve({ type: "get", key: "v2", metadataOnly: true });
    expect(head).toMatchObject({ type: "value", value: null, size: maxValueBytes });
  });

  test("tells keys apart by every character", async () => {
    const group = new GroupUnderTest();
    const keys = [
      "a\0b",
      "a\0c",
      "a",
      "🙂",
      "é",
      "e\u0301",
      "' OR 1=1 --",
      "k".repeat(maxKeyBytes),
    ];
    await group.serve(...keys.map((key, i) => putRequest(key, `${i}`)));
    expect(await Promise.all(keys.map((key) => group.get(key)))).toEqual(
      keys.map((_, i) => `${i}`),
    );
  });

  test("answers a request that comes again what it answered first, whoever leads by then", async () => {
    const group = new GroupUnderTest();
    const request = putRequest("a", "mine");
    const first = await group.serve(request);
    await group.put("a", "theirs");
    const { id } = await group.settled();
    await group.crash(id);
    await group.put("b", "x");
    expect(await group.serve(request)).toEqual(first);
    expect(await group.get("a")).toBe("theirs");
  });

  test("many clients at once lose nothing and overwrite nothing", async () => {
    const group = new GroupUnderTest();
    const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
    const results = await Promise.all(keys.map((key) => group.put(key, key)));
    const revisions = results.map((result) => (result.type === "put" ? result.revision : 0));
    expect(revisions.toSorted((a, b) => a - b)).toEqual(keys.map((_, i) => i + 1));
    expect(await Promise.all(keys.map((key) => group.get(key)))).toEqual(keys);
  });
});

test("Groups in other namespaces know nothing of each other", async () => {
  const [one, other] = [new GroupUnderTest(), new GroupUnderTest()];
  await Promise.all([one.put("a", "one"), other.put("a", "other")]);
  expect(await Promise.all([one.get("a"), other.get("a")])).toEqual(["one", "other"]);
  expect((await one.settled()).revision).toBe(1);
});

const countRows = ({ sql }: DurableObjectStorage, table: string): unknown =>
  sql.exec(`SELECT count(*) AS n FROM ${table}`).one()["n"];
