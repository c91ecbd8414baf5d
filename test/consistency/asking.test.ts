/** What a replica asks of another over HTTP, and what it refuses to be asked. */
import { describe, expect, test } from "vitest";
import type { ClientBatch, ClientBatchResult, ClientResult } from "../../src/protocol/client.ts";
import { MalformedBody, fromBytes, toBytes } from "../../src/protocol/codec.ts";
import type { ReplicaCall } from "../../src/protocol/replica-call.ts";
import { UnknownVersion } from "../../src/protocol/version.ts";
import { asClientBatch } from "../../src/replica/check-body.ts";
import { FetchPeers } from "../../src/replica/peers.ts";

const request = { type: "readIndex", keys: ["a"], isWide: false } as const;

const answerOf = (results: readonly ClientResult[], more: object = {}): Response => {
  const servedBy = { replica: "2", region: "local", role: "leader", term: 3, epoch: 4 };
  const answer: ClientBatchResult = { version: 2, results, servedBy, sequence: 0, revision: 9 };
  return new Response(toBytes({ ...answer, ...more }));
};

function peersThat(
  answer: (call: ReplicaCall) => Response | Promise<Response>,
  timeoutMs = 60_000,
): { readonly peers: FetchPeers; readonly calls: { to: string; call: ReplicaCall }[] } {
  const calls: { to: string; call: ReplicaCall }[] = [];
  const nothing = (): void => {};
  const peers = new FetchPeers({
    from: () => ({ namespace: "ns", from: "1", members: [] }),
    call: async (to, call) => {
      calls.push({ to, call });
      return answer(call);
    },
    timeoutMs,
    maxCalls: 1,
    onAnswer: nothing,
    onOutdated: nothing,
    onUnreachable: () => {
      throw new Error("what is asked has nothing to do with the log");
    },
    nowMs: () => 0,
    warn: nothing,
  });
  return { peers, calls };
}

describe("a question for an index", () => {
  test("goes to the leader as a request of version 2, and comes back with its epoch", async () => {
    const { peers, calls } = peersThat(() => answerOf([{ type: "index", index: 12 }]));
    expect(await peers.readIndex("2", request)).toEqual({ index: 12, epoch: 4 });
    const [{ to, call }] = calls as [{ to: string; call: ReplicaCall }];
    expect([to, call.method, call.path]).toEqual(["2", "POST", "/client"]);
    const batch = fromBytes<ClientBatch>(call.body as Uint8Array);
    expect(batch).toEqual({ version: 2, requests: [request] });
    expect(asClientBatch(batch)).toBe(batch);
  });

  test.each<[string, () => Response | Promise<Response>]>([
    ["it does not lead", () => answerOf([{ type: "notLeader", leader: "3" }])],
    ["it has too much under way", () => answerOf([{ type: "dropped" }])],
    ["its code is older", () => new UnknownVersion("client", 2, [1]).toResponse()],
    [
      "it answers in another version",
      () => answerOf([{ type: "index", index: 1 }], { version: 3 }),
    ],
    ["it answers nothing", () => answerOf([])],
    ["it babbles", () => new Response("<html>")],
    ["it refuses", () => new Response("no", { status: 500 })],
    ["it is gone", () => Promise.reject(new Error("gone"))],
  ])("that comes to nothing since %s is no answer, and no error", async (_, answer) => {
    expect(await peersThat(answer).peers.readIndex("2", request)).toBeNull();
  });

  test("is given up when it takes too long", async () => {
    const hang = ({ signal }: ReplicaCall): Promise<Response> =>
      new Promise((_resolve, reject) =>
        signal!.addEventListener("abort", () => reject(signal!.reason as Error)),
      );
    expect(await peersThat(hang, 20).peers.readIndex("2", request)).toBeNull();
  });
});

describe("a batch", () => {
  const get = { type: "get", key: "a", metadataOnly: false };
  const check = (each: object): unknown => asClientBatch({ version: 2, requests: [each] });

  test.each([
    { type: "linearizable" },
    { type: "any" },
    { type: "session", epoch: 1, revision: 0, maxWaitMs: 0 },
    { type: "session", epoch: 3, revision: 2e12, maxWaitMs: 62.5 },
    { type: "bounded", maxStalenessMs: 0 },
    { type: "bounded", maxStalenessMs: 3_600_000 },
  ])("may say of a read %j", (level) => {
    expect(() => check({ ...get, level })).not.toThrow();
    expect(() => check({ type: "openView", level })).not.toThrow();
  });

  test.each([
    null,
    "any",
    {},
    { type: "strong" },
    { type: "session" },
    { type: "session", epoch: 0, revision: 1, maxWaitMs: 0 },
    { type: "session", epoch: 1, revision: -1, maxWaitMs: 0 },
    { type: "session", epoch: 1, revision: 1.5, maxWaitMs: 0 },
    { type: "session", epoch: 1, revision: 1 },
    { type: "session", epoch: 1, revision: 1, maxWaitMs: -1 },
    { type: "session", epoch: 1, revision: 1, maxWaitMs: 5001 },
    { type: "session", epoch: 1, revision: 1, maxWaitMs: Number.NaN },
    { type: "bounded" },
    { type: "bounded", maxStalenessMs: -1 },
    { type: "bounded", maxStalenessMs: 3_600_001 },
    { type: "bounded", maxStalenessMs: "1000" },
  ])("may not say of a read %j", (level) => {
    expect(() => check({ ...get, level })).toThrow(MalformedBody);
  });

  test.each([
    { type: "put", key: "a", value: new Uint8Array(), contentType: null },
    { type: "delete", key: "a" },
    { type: "page", view: "v", values: true, range: { from: "", to: null } },
    { type: "readIndex", keys: [], isWide: false },
  ])("has no level for a $type", (each) => {
    const named = { ...each, requestId: "r", floor: 0 };
    expect(() => check(named)).not.toThrow();
    expect(() => check({ ...named, level: { type: "any" } })).toThrow(MalformedBody);
  });

  test.each([
    { type: "readIndex" },
    { type: "readIndex", keys: "a", isWide: false },
    { type: "readIndex", keys: [1], isWide: false },
    { type: "readIndex", keys: ["a"] },
    { type: "readIndex", keys: ["a"], isWide: 1 },
  ])("may not ask %j", (each) => {
    expect(() => check(each)).toThrow(MalformedBody);
  });
});
