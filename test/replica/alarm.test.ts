import { evictDurableObject, reset, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import { toBytes } from "../../src/protocol/codec.ts";
import { eventually } from "../support/eventually.ts";
import { GroupUnderTest, putRequest } from "./group-under-test.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";

afterEach(() => reset());

/** Every kind of event that a replica of a group gets, apart from the alarm itself. */
const events: Record<string, (group: GroupUnderTest, id: string) => Promise<Response>> = {
  "a read": (group, id) =>
    group.fetch(id, "POST", replicaPath.client, toBytes({ version: 1, requests: [readOf("a")] })),
  "a write": (group, id) =>
    group.fetch(
      id,
      "POST",
      replicaPath.client,
      toBytes({ version: 1, requests: [putRequest("a", "x")] }),
    ),
  "a poke": (group, id) => group.fetch(id, "POST", replicaPath.poke),
  "a look at its status": (group, id) => group.fetch(id, "GET", replicaPath.status),
  "a peer's call": async (group, id) => {
    const from = group.ids.find((other) => other !== id)!;
    const members = group.ids.map((each) => ({ id: each, region: "local" }));
    // Stale, so that it has no effect of its own.
    const head = { from, to: id, term: 0 };
    const request = { ...head, type: "preVoteRequest", last: { term: 0, index: 0 } };
    const envelope = { version: 1, namespace: group.namespace, from, to: id, members };
    return group.fetch(id, "POST", replicaPath.peer, toBytes({ ...envelope, messages: [request] }));
  },
};

describe.each(Object.entries(events))("After %s", (_, event) => {
  test("a replica has an alarm, also one that had just been evicted and whose alarm was lost", async () => {
    const group = new GroupUnderTest();
    await group.settled();
    for (const id of group.ids) {
      await (await event(group, id)).arrayBuffer();
      expect(await group.alarm(id), `replica ${id}`).not.toBeNull();
    }
    // Their peers' heartbeats would wake them, so all must go.
    for (const id of group.ids) {
      await group.inside(id, (_replica, { storage }) => storage.deleteAlarm());
      await group.crash(id);
    }
    for (const id of group.ids) {
      await (await event(group, id)).arrayBuffer();
      expect(await group.alarm(id), `replica ${id}`).not.toBeNull();
    }
    await group.put("after", "x");
  });
});

test("Alarms that are lost while the replicas live are set again by a poke, once they are long overdue", async () => {
  const group = new GroupUnderTest();
  await group.settled();
  // Both the alarms and the messages that would set them again.
  await eventually("a group that is fast asleep", async () => {
    await Promise.all(
      group.ids.map((id) => group.inside(id, (_replica, { storage }) => storage.deleteAlarm())),
    );
    const alarms = await Promise.all(group.ids.map((id) => group.alarm(id)));
    return alarms.every((alarm) => alarm === null);
  });
  await eventually("an alarm for each", async () => {
    for (const id of group.ids) await group.status(id, true);
    const alarms = await Promise.all(group.ids.map((id) => group.alarm(id)));
    return alarms.every((alarm) => alarm !== null);
  });
  await group.put("after", "x");
});

describe("An alarm", () => {
  test("that comes twice, or much too early, changes nothing and is set again, ahead of now", async () => {
    const group = new GroupUnderTest();
    await group.put("a", "x");
    const before = await group.settled();
    for (const id of group.ids) {
      await group.inside(id, async (replica, { storage }) => {
        for (let again = 0; again < 20; again++) {
          await replica.alarm();
          expect(await storage.getAlarm()).toBeGreaterThan(Date.now());
        }
      });
    }
    const after = await group.settled();
    expect(after).toMatchObject({ revision: 1, stateHash: before.stateHash });
    expect(await group.get("a")).toBe("x");
  });

  test("that comes half a second late, to each replica, finds the group gone on or brings it on", async () => {
    const group = new GroupUnderTest();
    await group.put("a", "x");
    for (const id of group.ids) {
      await group.inside(id, (_replica, { storage }) => storage.deleteAlarm());
    }
    // Time itself is what is being waited for.
    await scheduler.wait(500);
    for (const id of group.ids) {
      await group.inside(id, (replica) => replica.alarm());
      expect(await group.alarm(id)).not.toBeNull();
    }
    expect(await group.get("a")).toBe("x");
    await group.put("a", "y");
    expect((await group.settled()).revision).toBe(2);
  });

  test("that only the leader has lost does not cost it the lead: its followers ask, and so wake it", async () => {
    const group = new GroupUnderTest();
    const { id } = await group.settled();
    await group.inside(id, (_replica, { storage }) => storage.deleteAlarm());
    await group.put("a", "x");
    await eventually("an alarm again", async () => (await group.alarm(id)) !== null);
    expect((await group.settled()).revision).toBe(1);
  });

  test("wakes a replica that had forgotten everything, and it sets the next one", async () => {
    const group = new GroupUnderTest();
    const { id } = await group.settled();
    for (const each of group.ids.filter((other) => other !== id)) {
      await evictDurableObject(group.stub(each));
      await runDurableObjectAlarm(group.stub(each));
      expect(await group.alarm(each)).not.toBeNull();
    }
    await group.put("a", "x");
  });

  test("is set again before a replica that starts with it does anything else", async () => {
    const group = new GroupUnderTest();
    const { id } = await group.settled();
    // Having led, it asks its peers when it starts, unless one of them has woken it before.
    const did = await eventually("a start by an alarm", async () => {
      await group.crash(id);
      const seen = await group.inside(id, async (replica, { storage }) => {
        const done: string[] = [];
        storage.setAlarm = () => Promise.resolve(void done.push("alarm"));
        const callPeer = (): Promise<never> => (done.push("call"), Promise.reject(new Error()));
        Object.assign(replica, { callPeer });
        await replica.alarm();
        return done;
      });
      await group.crash(id);
      return seen.includes("call") && seen;
    });
    expect(did[0]).toBe("alarm");
    await group.put("after", "x");
  });

  test("brings a group that lost its leader to a new one, with nobody asking", async () => {
    const group = new GroupUnderTest();
    const { id, term } = await group.settled();
    await group.inside(id, (_replica, state) => state.storage.deleteAlarm());
    await group.crash(id);
    const others = group.ids.filter((other) => other !== id);
    const terms = () =>
      Promise.all(others.map((other) => group.onDisk(other, ({ hardState }) => hardState.term)));
    await eventually("an election", async () => (await terms()).every((each) => each > term));
  });

  test("of a follower is not set anew with each heartbeat", async () => {
    const group = new GroupUnderTest();
    const { id } = await group.settled();
    const follower = group.ids.find((other) => other !== id)!;
    const counts = { calls: 0, alarms: 0 };
    await group.inside(follower, (replica, { storage }) => {
      const setAlarm = storage.setAlarm.bind(storage);
      storage.setAlarm = (at) => {
        counts.alarms++;
        return setAlarm(at);
      };
      const fetch = replica.fetch.bind(replica);
      replica.fetch = (request) => {
        counts.calls++;
        return fetch(request);
      };
    });
    await eventually("many messages", async () => {
      await group.put("a", "x");
      return counts.calls > 60;
    });
    // An alarm that rings is set again; those are four or five a second here, messages ten times as
    // many.
    expect(counts.alarms).toBeLessThan(counts.calls / 3);
  });
});

const readOf = (key: string) => ({ type: "get", key, metadataOnly: false }) as const;
