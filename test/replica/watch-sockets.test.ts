import { evictDurableObject, reset } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import { allKeys, withPrefix } from "../../src/kv/key-range.ts";
import { type ChangeResult, clientProtocolVersion } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { watchWindowBytes, watchWindowEvents } from "../../src/protocol/limits.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";
import { eventually } from "../support/eventually.ts";
import { GroupUnderTest, putRequest } from "./group-under-test.ts";
import { TestSocket } from "./watch-under-test.ts";

// Groups would elect and send heartbeats for ever.
afterEach(() => reset());

/** A group that has put a few keys, and its leader. */
async function newGroup(...keys: string[]): Promise<{ group: GroupUnderTest; leader: string }> {
  const group = new GroupUnderTest();
  for (const key of keys) await group.put(key, key);
  return { group, leader: (await group.settled()).id };
}

/** Puts to a key again and again, 500 times a turn. */
async function putMany(group: GroupUnderTest, count: number, key = "k"): Promise<void> {
  for (let left = count; left > 0; left -= 500) {
    const requests = Array.from({ length: Math.min(left, 500) }, () => putRequest(key, "x"));
    await group.serve(...requests);
  }
}

const openSockets = (group: GroupUnderTest, id: string): Promise<number> =>
  group.inside(id, (_, state) => state.getWebSockets().length);

describe("A socket", () => {
  test("is told what came after a revision, and goes on with what comes", async () => {
    const { group, leader } = await newGroup("a", "b", "c");
    const socket = await TestSocket.open(group, leader, { after: 1 });
    await socket.reaches(3);
    await group.put("d", "x");
    await socket.reaches(4);
    expect(socket.messages.slice(0, 2)).toEqual([
      { type: "progress", revision: 1 },
      {
        type: "put",
        key: "b",
        revision: 2,
        version: 1,
        content_type: null,
        metadata: null,
        value: "b",
        last: true,
      },
    ]);
    expect(socket.told).toEqual(["2 put b", "3 put c", "4 put d"]);
  });

  test("is told only what is new, if it does not say from where", async () => {
    const { group, leader } = await newGroup("a", "b");
    const socket = await TestSocket.open(group, leader);
    await group.put("c", "x");
    await socket.reaches(3);
    expect(socket.messages[0]).toEqual({ type: "progress", revision: 2 });
    expect(socket.told).toEqual(["3 put c"]);
  });

  test("sees its range, and on any replica", async () => {
    const { group } = await newGroup("a/1", "b/1");
    const sockets = await Promise.all(
      group.ids.map((id) => TestSocket.open(group, id, { after: 0, range: withPrefix("a/") })),
    );
    for (const key of ["b/2", "a/2", "b/1", "a/1"]) await group.put(key, "x");
    for (const socket of sockets) {
      await socket.reaches(6);
      expect(socket.told).toEqual(["1 put a/1", "4 put a/2", "6 put a/1"]);
    }
  });

  test("is refused when some of what it asks for is gone", async () => {
    const { group, leader } = await newGroup("a", "b", "c");
    await forget(group, leader, 2);
    const response = await TestSocket.ask(group, leader, { after: 1 });
    expect([response.status, await response.json()]).toEqual([410, { compact_revision: 2 }]);
    const socket = await TestSocket.open(group, leader, { after: 2 });
    await socket.reaches(3);
  });

  test("is not to be had where nobody belongs to a group, nor for what is no request", async () => {
    const group = new GroupUnderTest();
    expect((await TestSocket.ask(group, "2")).status).toBe(503);
    for (const watched of ["", "AAAA", "!", btoa("{}")]) {
      const headers = { Upgrade: "websocket", "KV-Watch": watched };
      const response = await group.stub("2").fetch("https://replica/watch", { headers });
      expect([watched, response.status]).toEqual([watched, 400]);
      await response.text();
    }
  });
});

describe("A socket whose client does not say how far it is", () => {
  test("is told a window of events, and more as soon as it does", async () => {
    const { group, leader } = await newGroup();
    const socket = await TestSocket.open(group, leader, { after: 0 });
    await putMany(group, watchWindowEvents + 150);
    await socket.reaches(watchWindowEvents);
    await group.put("k", "x");
    const count = socket.told.length;
    // Whole turns are told, so it may be a few more.
    expect(count).toBeGreaterThanOrEqual(watchWindowEvents);
    expect(count).toBeLessThan(watchWindowEvents + 150);
    socket.ack(5);
    await socket.reaches(watchWindowEvents + 151);
    socket.expectAll(1, watchWindowEvents + 151);
    await putMany(group, watchWindowEvents);
    await socket.reaches(2 * watchWindowEvents + 151 - count);
  });

  test("or a window of bytes", async () => {
    const { group, leader } = await newGroup();
    const socket = await TestSocket.open(group, leader, { after: 0 });
    const each = 32 * 1024;
    const fitting = watchWindowBytes / each;
    for (let i = 0; i < fitting + 3; i++) await group.put("k", "v".repeat(each));
    await socket.reaches(fitting);
    await group.put("other", "x");
    expect(socket.told).toHaveLength(fitting);
    socket.ack(1);
    await socket.reaches(fitting + 4);
    socket.expectAll(1, fitting + 4);
  });

  test("is told that what it missed is gone, if it is, and that is its end", async () => {
    const { group, leader } = await newGroup();
    const socket = await TestSocket.open(group, leader, { after: 0 });
    await putMany(group, 2 * watchWindowEvents);
    await socket.reaches(watchWindowEvents);
    await forget(group, leader, 1.5 * watchWindowEvents);
    socket.ack(1);
    expect(await socket.closed).toEqual({ code: 4410, reason: "compacted" });
    const compact_revision = 1.5 * watchWindowEvents;
    expect(socket.messages.at(-1)).toEqual({ type: "compacted", compact_revision });
    await eventually("it is gone", async () => (await openSockets(group, leader)) === 0);
  });

  test("in whose range nothing happens is told how far all is now and then", async () => {
    const { group, leader } = await newGroup("a");
    const socket = await TestSocket.open(group, leader, { range: withPrefix("quiet") });
    await putMany(group, 2300);
    await socket.reaches(2001);
    const revisions = socket.messages.map(({ type, revision }) => `${type} ${revision}`);
    expect(revisions[0]).toBe("progress 1");
    // About every thousand, and not for each.
    expect(revisions.length).toBeGreaterThanOrEqual(3);
    expect(revisions.length).toBeLessThanOrEqual(4);
    await group.put("quiet", "x");
    await socket.reaches(2302);
    expect(socket.told).toEqual(["2302 put quiet"]);
  });
});

describe("A socket ends", () => {
  test.each([
    ["what is no ack", "hello"],
    ["an ack of nothing", '{"ack":"x"}'],
    ["null", "null"],
    ["bytes", new Uint8Array([1, 2])],
    ["more than an ack", `{"ack":1,"more":"${"x".repeat(64)}"}`],
  ])("when its client sends %s", async (_, message) => {
    const { group, leader } = await newGroup("a");
    const socket = await TestSocket.open(group, leader);
    socket.send(message);
    expect(await socket.closed).toEqual({
      code: 1008,
      reason: 'only {"ack": revision} is understood',
    });
    await eventually("it is gone", async () => (await openSockets(group, leader)) === 0);
    await group.put("b", "x");
  });

  test.each([
    ["with a code", 1000, 1000],
    ["with a code of its own", 4321, 4321],
    ["without one", undefined, 1005],
  ])("when its client closes it %s", async (_, code, answered) => {
    const { group, leader } = await newGroup("a");
    const socket = await TestSocket.open(group, leader);
    socket.close(code);
    const end = await socket.closed;
    expect([answered, 1000]).toContain(end.code);
    await eventually("it is gone", async () => (await openSockets(group, leader)) === 0);
    await group.put("b", "x");
    expect(await group.get("b")).toBe("x");
  });

  test("when its replica leaves the group", async () => {
    const { group, leader } = await newGroup("a");
    const gone = group.ids.find((id) => id !== leader)!;
    const socket = await TestSocket.open(group, gone);
    const body = toBytes({ version: clientProtocolVersion, change: { type: "remove", id: gone } });
    const response = await group.fetch(leader, "POST", replicaPath.members, body);
    expect(fromBytes<ChangeResult>(await response.arrayBuffer())).toMatchObject({ type: "begun" });
    expect(await socket.closed).toMatchObject({ code: 1012 });
    expect((await TestSocket.ask(group, gone)).status).toBe(503);
  });

  test("when its replica is aborted, and another goes on where it was", async () => {
    const { group, leader } = await newGroup("a");
    const socket = await TestSocket.open(group, leader, { after: 0 });
    await socket.reaches(1);
    await group.crash(leader);
    expect(await socket.closed).toMatchObject({ code: 1006 });
    await group.put("b", "x");
    const again = await TestSocket.open(group, (await group.settled()).id, { after: 1 });
    await again.reaches(2);
    expect(again.told).toEqual(["2 put b"]);
  });
});

describe("A socket whose replica is out of memory", () => {
  test("stays, and is told what comes after, nothing twice", async () => {
    const { group, leader } = await newGroup("a", "b");
    const sockets = await Promise.all(
      [allKeys, withPrefix("b"), withPrefix("quiet")].map((range) =>
        TestSocket.open(group, leader, { after: 0, range }),
      ),
    );
    await sockets[0]!.reaches(2);
    for (let round = 0; round < 3; round++) {
      await evictDurableObject(group.stub(leader));
      await group.put("c", "x");
      await evictDurableObject(group.stub(leader));
      await group.put("b", "x");
    }
    await Promise.all(sockets.slice(0, 2).map((socket) => socket.reaches(8)));
    sockets[0]!.expectAll(1, 8);
    expect(sockets[1]!.told).toEqual(["2 put b", "4 put b", "6 put b", "8 put b"]);
    expect(sockets[2]!.messages).toEqual([{ type: "progress", revision: 0 }]);
    expect(await openSockets(group, leader)).toBe(3);
  });

  test("wakes it to say how far it is", async () => {
    const { group, leader } = await newGroup();
    const socket = await TestSocket.open(group, leader, { after: 0 });
    await putMany(group, watchWindowEvents + 200);
    await socket.reaches(watchWindowEvents);
    // Long enough for messages that are on their way to come.
    await group.settled();
    const { length } = socket.told;
    await evictDurableObject(group.stub(leader));
    await group.put("k", "x");
    await group.settled();
    expect(socket.told).toHaveLength(length);
    await evictDurableObject(group.stub(leader));
    socket.ack(length);
    await socket.reaches(watchWindowEvents + 201);
    socket.expectAll(1, watchWindowEvents + 201);
  });

  test("can close meanwhile", async () => {
    const { group, leader } = await newGroup("a");
    const socket = await TestSocket.open(group, leader);
    await evictDurableObject(group.stub(leader));
    socket.close(1000);
    expect(await socket.closed).toMatchObject({ code: 1000 });
    await eventually("it is gone", async () => (await openSockets(group, leader)) === 0);
  });

  test("that has left meanwhile is told so when it says something", async () => {
    const { group, leader } = await newGroup("a");
    const id = group.ids.find((each) => each !== leader)!;
    const socket = await TestSocket.open(group, id);
    // As if it had died between leaving and saying so.
    await group.inside(id, (_, { storage }) => {
      const audit = { digests: [], verifiedIndex: 0, divergedIndex: 1_000_000, changes: 1 };
      storage.sql.exec("INSERT OR REPLACE INTO meta VALUES ('audit', ?)", JSON.stringify(audit));
    });
    await evictDurableObject(group.stub(id));
    socket.ack(1);
    expect(await socket.closed).toMatchObject({ code: 1012 });
  });
});

/** Lets go of the turns up to a revision, in storage and in memory, as if many writes had come since. */
async function forget(group: GroupUnderTest, id: string, revision: number): Promise<void> {
  await group.inside(id, (_, { storage }) => {
    storage.sql.exec("DELETE FROM machine WHERE revision <= ?", revision);
  });
  await evictDurableObject(group.stub(id));
}
