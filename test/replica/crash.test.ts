import { evictDurableObject, reset } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import type { PeerResponse } from "../../src/protocol/peer.ts";
import { eventually } from "../support/eventually.ts";
import { type Operation, type Request, checkHistory } from "../support/history.ts";
import { GroupUnderTest, putRequest, within } from "./group-under-test.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";

afterEach(() => reset());

/** How a replica may lose its memory. */
const losses: Record<string, (group: GroupUnderTest, id: string) => Promise<void>> = {
  evicted: (group, id) => evictDurableObject(group.stub(id)),
  aborted: (group, id) => group.crash(id),
};

describe.each(Object.entries(losses))("When a replica is %s", (_, lose) => {
  test.each(["leader", "follower"] as const)(
    "and it is the %s, what was written is there",
    async (role) => {
      const group = new GroupUnderTest();
      for (let i = 0; i < 5; i++) await group.put(`k${i}`, `v${i}`);
      const leader = await group.settled();
      const id = role === "leader" ? leader.id : group.ids.find((other) => other !== leader.id)!;
      await lose(group, id);
      expect(await Promise.all([0, 1, 2, 3, 4].map((i) => group.get(`k${i}`)))).toEqual([
        "v0",
        "v1",
        "v2",
        "v3",
        "v4",
      ]);
      await group.put("after", "x");
      const { stateHash } = await group.settled();
      expect(await group.status(id)).toMatchObject({ revision: 6, stateHash });
    },
  );

  test("or all are, one after the other and at once, what was written is there", async () => {
    const group = new GroupUnderTest();
    await group.put("a", "x");
    await group.settled();
    for (const id of group.ids) await lose(group, id);
    expect(await group.get("a")).toBe("x");
    await group.put("a", "y");
    await group.settled();
    await Promise.all(group.ids.map((id) => lose(group, id)));
    expect(await group.get("a")).toBe("y");
    expect((await group.settled()).revision).toBe(2);
  });

  test("its term and vote are what they were", async () => {
    const group = new GroupUnderTest();
    await group.settled();
    for (const id of group.ids) {
      const before = await group.onDisk(id, ({ hardState }) => hardState);
      expect(before.term).toBeGreaterThan(0);
      await lose(group, id);
      const after = await group.onDisk(id, ({ hardState }) => hardState);
      expect(after.term).toBeGreaterThanOrEqual(before.term);
      if (after.term === before.term && before.vote !== null) expect(after.vote).toBe(before.vote);
    }
  });

  test("it comes back as a follower and never resumes the term it led", async () => {
    const group = new GroupUnderTest();
    const { id, term } = await group.settled();
    await lose(group, id);
    const back = (await group.status(id))!;
    expect(back.role === "leader" && back.term === term).toBe(false);
    await group.put("a", "x");
    expect((await group.settled()).term).toBeGreaterThan(term);
  });
});

test("A vote that was given is not given to another in the same term, whatever dies in between", async () => {
  const group = new GroupUnderTest();
  const { id, term, members } = await group.settled();
  const [voter, other] = group.ids.filter((each) => each !== id) as [string, string];
  /**
   * Asks for a vote with a log that is as good as can be. Returns null when the voter has moved on.
   */
  const granted = async (from: string, inTerm: number): Promise<boolean | null> => {
    const last = { term: inTerm, index: 1_000_000 };
    const request = { type: "requestVoteRequest", from, to: voter, term: inTerm, last };
    const envelope = { version: 1, namespace: group.namespace, from, to: voter, members };
    const body = toBytes({ ...envelope, messages: [request] });
    const response = await group.fetch(voter, "POST", replicaPath.peer, body);
    const [answer] = fromBytes<PeerResponse>(await response.arrayBuffer()).messages;
    if (answer?.type !== "requestVoteResponse") return null;
    return answer.term === inTerm ? answer.granted : null;
  };
  // A voter that has just started has heard of no leader, and so listens to candidates.
  await group.crash(voter);
  await eventually("a vote", async () => (await granted(other, term + 50)) === true);
  for (let round = 0; round < 5; round++) {
    await group.crash(voter);
    expect(await granted(id, term + 50)).not.toBe(true);
    expect((await group.onDisk(voter, ({ hardState }) => hardState)).term).toBeGreaterThanOrEqual(
      term + 50,
    );
  }
  await group.put("after", "x");
});

test("Every put that was answered survives the leader's death right after the answer, ten times in a row", async () => {
  const group = new GroupUnderTest();
  for (let round = 0; round < 10; round++) {
    const { id } = await group.settled();
    const { results } = await group.ask(id, [putRequest(`k${round}`, `v${round}`)]);
    await group.crash(id);
    // The answer was for this test, so from here on it must be true.
    expect(results).toMatchObject([{ type: "put", created: true }]);
    expect(await group.get(`k${round}`)).toBe(`v${round}`);
  }
  const all = await Promise.all(Array.from({ length: 10 }, (_, i) => group.get(`k${i}`)));
  expect(all).toEqual(all.map((_, i) => `v${i}`));
});

test("A write whose answer was lost is answered the same when it is sent again, and took effect once", async () => {
  const group = new GroupUnderTest();
  for (let round = 0; round < 8; round++) {
    const { id } = await group.settled();
    const request = putRequest("k", `v${round}`);
    const lost = group.ask(id, [request]).catch(() => null);
    await group.crash(id);
    await lost;
    const [first] = await group.serve(request);
    expect(await group.serve(request)).toEqual([first]);
  }
  const [result] = await group.serve({ type: "get", key: "k", metadataOnly: false });
  expect(result).toMatchObject({ type: "value", version: 8, modRevision: 8 });
});

test("Replicas that die in the middle of traffic lose nothing: all that was answered is one history", async () => {
  const group = new GroupUnderTest();
  await group.settled();
  const operations: Operation[] = [];
  let answered = 0;
  const over = new AbortController();
  const client = async (name: string): Promise<void> => {
    for (let i = 0; !over.signal.aborted; i++) {
      const request = requestOf(`${name}/${i}`, i);
      const operation: Operation = {
        request,
        invokedMs: Date.now(),
        answeredMs: null,
        result: null,
      };
      operations.push(operation);
      operation.result = (await group.serve(request))[0]!;
      operation.answeredMs = Date.now();
      answered++;
      // Calls between objects of one workerd that follow each other without a pause keep all its
      // timers and alarms from firing.
      await scheduler.wait(1);
    }
  };
  const clients = ["a", "b", "c", "d"].map(client);
  try {
    for (let round = 0; round < 15; round++) {
      const before = answered;
      await eventually("traffic", () => answered >= before + 8, { everyMs: 2 });
      await Promise.all((await victims(group, round)).map((id) => group.crash(id)));
    }
  } finally {
    over.abort();
    await Promise.all(clients);
  }
  const { stateHash, id } = await group.settled();
  const hashes = await Promise.all(
    group.ids.map(async (each) => (await group.status(each))?.stateHash),
  );
  expect(hashes).toEqual(Array(3).fill(stateHash));
  checkHistory(await group.committed(id), operations);
  expect(answered).toBeGreaterThan(100);
});

/** In turn the leader, any replica, and two at once. */
async function victims(group: GroupUnderTest, round: number): Promise<string[]> {
  if (round % 3 === 1) return [String((round % 2) + 1)];
  if (round % 3 === 2) return ["1", "3"];
  const all = await Promise.all(
    group.ids.map((id) => within(1000, group.status(id)).catch(() => null)),
  );
  return [all.findLast((status) => status?.role === "leader")?.id ?? "1"];
}

function requestOf(requestId: string, i: number): Request {
  const key = `k${i % 3}`;
  if (i % 3 === 0) return { type: "get", key, metadataOnly: false };
  if (i % 7 === 0) return { type: "delete", requestId, floor: 0, key };
  return { ...putRequest(key, requestId), requestId };
}
