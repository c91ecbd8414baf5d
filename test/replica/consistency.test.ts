import { evictDurableObject, reset } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import type { ClientBatchResult, ClientResult, Level } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";
import { eventually } from "../support/eventually.ts";
import { GroupUnderTest } from "./group-under-test.ts";

afterEach(() => reset());

async function batch(group: GroupUnderTest, id: string, level: Level): Promise<ClientBatchResult> {
  const request = { type: "get", key: "a", metadataOnly: false, level } as const;
  const body = toBytes({ version: 2, requests: [request] });
  const response = await group.fetch(id, "POST", replicaPath.client, body);
  return fromBytes<ClientBatchResult>(await response.arrayBuffer());
}

const read = async (group: GroupUnderTest, id: string, level: Level): Promise<ClientResult> =>
  (await batch(group, id, level)).results[0]!;

const any: Level = { type: "any" };
const session = (revision: number): Level => ({
  type: "session",
  epoch: 1,
  revision,
  maxWaitMs: 20,
});

describe("A replica that does not lead", () => {
  test("answers at each level, as soon as its state is new enough", async () => {
    const group = new GroupUnderTest();
    await group.put("a", "x");
    const leader = await group.settled();
    const id = group.ids.find((each) => each !== leader.id)!;
    const value = { type: "value", value: new TextEncoder().encode("x"), modRevision: 1 };
    expect(await batch(group, id, any)).toMatchObject({
      results: [{ ...value, shown: { level: "any", stalenessMs: null } }],
      servedBy: { replica: id, role: "follower" },
      revision: 1,
    });
    expect(await read(group, id, session(1))).toMatchObject({ shown: { level: "session" } });
    const asked = await read(group, id, { type: "bounded", maxStalenessMs: 5000 });
    expect(asked).toMatchObject({ ...value, shown: { level: "bounded", stalenessMs: 0 } });
    expect(await read(group, id, { type: "linearizable" })).toMatchObject({
      ...value,
      shown: { level: "linearizable", stalenessMs: 0 },
    });
    const again = await read(group, id, { type: "bounded", maxStalenessMs: 5000 });
    const { stalenessMs } = (again as { shown: { stalenessMs: number } }).shown;
    expect(stalenessMs).toBeGreaterThan(0);
  });

  test("shows what was written a moment ago to whoever has seen it", async () => {
    const group = new GroupUnderTest();
    await group.put("a", "0");
    const leader = await group.settled();
    const id = group.ids.find((each) => each !== leader.id)!;
    for (let i = 1; i <= 20; i++) {
      const written = await group.put("a", String(i));
      const { revision } = written as { revision: number };
      const result = await read(group, id, session(revision));
      expect(result).toMatchObject({ type: "value", modRevision: revision });
    }
  });
});

describe("A read of anything, at a replica that is out of memory", () => {
  test("starts no timer where none runs, and wakes nobody", async () => {
    const group = new GroupUnderTest();
    await group.put("a", "x");
    const { term } = await group.settled();
    // As in a group that sleeps: no alarm anywhere, and then no memory. Heartbeats would wake them, so all go.
    await eventually("nothing is left that could do anything", async () => {
      for (const id of group.ids) {
        await group.inside(id, (_replica, { storage }) => storage.deleteAlarm());
        await group.crash(id);
      }
      await scheduler.wait(50);
      const alarms = await Promise.all(group.ids.map((id) => group.alarm(id)));
      return alarms.every((alarm) => alarm === null);
    });
    for (const id of group.ids) {
      for (const level of [any, session(1)]) {
        expect(await read(group, id, level)).toMatchObject({ type: "value", modRevision: 1 });
      }
      expect(await group.alarm(id), `replica ${id}`).toBeNull();
    }
    await scheduler.wait(400);
    for (const id of group.ids) expect(await group.alarm(id), `replica ${id}`).toBeNull();
    // What is not at hand does.
    await read(group, "1", { type: "bounded", maxStalenessMs: 100 });
    expect(await group.alarm("1")).not.toBeNull();
    expect(await group.get("a")).toBe("x");
    expect((await group.settled()).term).toBeGreaterThan(term);
  });

  test("starts it where an alarm tells that the group is awake", async () => {
    const group = new GroupUnderTest();
    await group.put("a", "x");
    const { id } = await group.settled();
    const other = group.ids.find((each) => each !== id)!;
    await evictDurableObject(group.stub(other));
    expect(await read(group, other, any)).toMatchObject({ type: "value" });
    expect(await group.alarm(other)).not.toBeNull();
    await group.settled();
  });
});
