import { evictDurableObject, reset } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import { withPrefix } from "../../src/kv/key-range.ts";
import { type ChangeResult, clientProtocolVersion } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { maxWatchers } from "../../src/protocol/limits.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";
import { eventually } from "../support/eventually.ts";
import { GroupUnderTest, putRequest } from "./group-under-test.ts";
import { TestSocket, type Told, type Watched, brief, watchRequest } from "./watch-under-test.ts";

// Groups would elect and send heartbeats for ever.
afterEach(() => reset());

const ask = (group: GroupUnderTest, id: string, watched: Watched = {}): Promise<Response> =>
  group.fetch(id, "POST", replicaPath.watch, toBytes(watchRequest(watched)));

/** Takes a stream of events to its end, and writes down what it is told. */
class TestStream {
  readonly told: string[] = [];
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;

  private constructor(body: ReadableStream<Uint8Array>) {
    this.ended = this.#read(body).then(
      () => "closed",
      (error: unknown) => `broken: ${String(error)}`,
    );
  }

  static async open(group: GroupUnderTest, id: string, watched: Watched = {}): Promise<TestStream> {
    const response = await ask(group, id, watched);
    expect(response.status).toBe(200);
    return new TestStream(response.body!);
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let text = "";
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + chunk).split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) this.#note(block);
    }
  }

  #note(block: string): void {
    const data = /^data: (.*)$/m.exec(block)?.[1];
    if (data === undefined) return;
    const event = JSON.parse(data) as Told & { readonly compact_revision?: number };
    if (event.type === "compacted") this.told.push(`compacted ${event.compact_revision}`);
    else if (event.type !== "progress") this.told.push(brief(event));
  }
}

async function newGroup(...keys: string[]): Promise<{ group: GroupUnderTest; leader: string }> {
  const group = new GroupUnderTest();
  for (const key of keys) await group.put(key, key);
  return { group, leader: (await group.settled()).id };
}

const toldBy = (stream: TestStream, count: number): Promise<boolean> =>
  eventually(`${count} events`, () => stream.told.length >= count);

describe("A stream of what changes", () => {
  test("is the same on every replica", async () => {
    const { group } = await newGroup("a", "b");
    const streams = await Promise.all(
      group.ids.map((id) => TestStream.open(group, id, { after: 1 })),
    );
    await group.serve(...["c", "d", "c"].map((key) => putRequest(key, "x")));
    for (const stream of streams) {
      await toldBy(stream, 4);
      expect(stream.told).toEqual(["2 put b", "3 put c", "4 put d", "5 put c"]);
    }
  });

  test("ends when its replica leaves the group", async () => {
    const { group, leader } = await newGroup("a");
    const gone = group.ids.find((id) => id !== leader)!;
    const stream = await TestStream.open(group, gone, { after: 0 });
    const poll = ask(group, gone, { waitMs: 60_000 });
    await toldBy(stream, 1);
    const body = toBytes({ version: clientProtocolVersion, change: { type: "remove", id: gone } });
    const response = await group.fetch(leader, "POST", replicaPath.members, body);
    expect(fromBytes<ChangeResult>(await response.arrayBuffer())).toMatchObject({ type: "begun" });
    expect(await stream.ended).toBe("closed");
    expect(await (await poll).json()).toMatchObject({ events: [] });
    const refusal = await ask(group, gone);
    expect([refusal.status, await refusal.text()]).toEqual([
      503,
      "this replica has nothing to tell",
    ]);
  });

  test("breaks when its replica is aborted, and goes on where it was on any", async () => {
    const { group, leader } = await newGroup("a");
    const stream = await TestStream.open(group, leader, { after: 0 });
    await toldBy(stream, 1);
    await group.crash(leader);
    expect(await stream.ended).toMatch(/^broken/);
    await group.put("b", "x");
    await group.settled();
    for (const id of group.ids) {
      const again = await TestStream.open(group, id, { after: 1 });
      await toldBy(again, 1);
      expect(again.told).toEqual(["2 put b"]);
    }
  });

  test("goes on where it was after its replica was out of memory", async () => {
    const { group, leader } = await newGroup("a", "b");
    await evictDurableObject(group.stub(leader));
    const stream = await TestStream.open(group, leader, { after: 1 });
    await group.put("c", "x");
    await toldBy(stream, 2);
    expect(stream.told).toEqual(["2 put b", "3 put c"]);
  });

  test("that nobody reads is not kept for, and told what is gone when somebody does", async () => {
    const { group, leader } = await newGroup("a");
    const response = await ask(group, leader, { after: 0 });
    for (let i = 0; i < 20; i++) await group.put("b", "v".repeat(60_000));
    // More than is remembered.
    for (let i = 0; i < 3; i++) {
      await group.serve(...Array.from({ length: 500 }, () => putRequest("k", "x")));
    }
    await group.inside(leader, (_, { storage }) => {
      storage.sql.exec("DELETE FROM machine WHERE revision <= 20");
    });
    const text = await response.text();
    const events = [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
    expect(events[0]).toBe("put");
    expect(events.at(-1)).toBe("compacted");
    // Those that were on their way when the others went.
    expect(events.length).toBeLessThan(6);
    expect(text).toContain('{"type":"compacted","compact_revision":20}');
  });
});

test("A long poll ends with the first change of what it is about", async () => {
  const { group, leader } = await newGroup("a");
  const range = withPrefix("x");
  const polls = group.ids.map((id) => ask(group, id, { range, after: 0, waitMs: 20_000 }));
  await group.put("b", "x");
  await group.put("x1", "x");
  for (const poll of polls) {
    expect(await (await poll).json()).toMatchObject({
      events: [{ type: "put", key: "x1", revision: 3, value: "x" }],
      revision: 3,
    });
  }
  const nothing = await ask(group, leader, { range, after: 3, waitMs: 50 });
  expect(await nothing.json()).toEqual({ events: [], revision: 3 });
});

test("No more than so many watch at a replica, and sockets count as well", async () => {
  const { group, leader } = await newGroup("a");
  const socket = await TestSocket.open(group, leader);
  const polls = Array.from({ length: maxWatchers - 1 }, () =>
    ask(group, leader, { after: 1, waitMs: 30_000 }),
  );
  await eventually("there is no more room", async () => {
    const response = await ask(group, leader, { after: 1, waitMs: 1 });
    const text = await response.text();
    return response.status === 503 && text === "too many watch already";
  });
  expect((await TestSocket.ask(group, leader)).status).toBe(503);
  await group.put("b", "x");
  const answers = await Promise.all(polls.map(async (poll) => (await poll).text()));
  const told = answers.filter((answer) => answer.includes('"key":"b"'));
  // One of them may have come when there was no room.
  expect(told.length).toBeGreaterThanOrEqual(maxWatchers - 2);
  await socket.reaches(2);
  const stream = await TestStream.open(group, leader, { after: 1 });
  await toldBy(stream, 1);
});
