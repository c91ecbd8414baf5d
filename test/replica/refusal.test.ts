import { reset } from "cloudflare:test";
import { afterEach, describe, expect, test } from "vitest";
import { maxRangeKeys } from "../../src/kv/command.ts";
import { allKeys } from "../../src/kv/key-range.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { maxValueBytes } from "../../src/protocol/limits.ts";
import type { PeerRequest } from "../../src/protocol/peer.ts";
import { GroupUnderTest, putRequest } from "./group-under-test.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";

afterEach(() => reset());

const members = ["1", "2", "3"].map((id) => ({ id, region: "local" }));

/** A call from replica 1 to replica 2 that says nothing. */
const callIn = ({ namespace }: GroupUnderTest): PeerRequest => ({
  version: 1,
  namespace,
  from: "1",
  to: "2",
  members,
  messages: [],
});

/** What may be wrong about a call. */
const wrongCalls: Record<string, (call: PeerRequest) => object> = {
  "of a newer version": (call) => ({ ...call, version: 4 }),
  "of no version": (call) => ({ ...call, version: undefined }),
  "for another namespace": (call) => ({ ...call, namespace: "elsewhere" }),
  "for another replica": (call) => ({ ...call, to: "3" }),
  "of a group with more members": (call) => ({
    ...call,
    members: [...members, { id: "4", region: "local" }],
  }),
  "of a group with fewer members": (call) => ({ ...call, members: members.slice(0, 2) }),
};

/** Bodies that no edge and no replica would send. */
const garbledBodies: Record<string, Uint8Array<ArrayBuffer>> = {
  "no bytes": new Uint8Array(0),
  "a byte that means nothing": new Uint8Array([0xc1]),
  "half a body": toBytes({ version: 1, requests: [] }).slice(0, -1),
  "a body and a bit": new Uint8Array([...toBytes({ version: 1, requests: [] }), 1]),
  JSON: Uint8Array.from(new TextEncoder().encode('{"version":1,"requests":[]}')),
  null: toBytes(null),
  "a number": toBytes(1),
  "a text": toBytes("version 1"),
  "a list": toBytes([1, []]),
  "an empty map": toBytes({}),
  "a version and nothing else": toBytes({ version: 1 }),
  "a string that claims to be 4 GiB long": new Uint8Array([0xdb, 0xff, 0xff, 0xff, 0xff, 0x61]),
};

const named = { requestId: "named", floor: 0 };
const list = {
  type: "list",
  range: allKeys,
  order: "ascending",
  fold: null,
  limit: 1,
  values: false,
};
const transactionOf = (branches: object): object => ({
  ...named,
  type: "transaction",
  if: [],
  then: [],
  else: [],
  ...branches,
});

/**
 * Requests that no edge would send; in the log they would stop every replica of the group for ever.
 */
const wrongRequests: Record<string, unknown> = {
  "of an unknown type": { ...putRequest("a", "x"), type: "increment" },
  "without a type": { ...putRequest("a", "x"), type: undefined },
  "without a key": { ...putRequest("a", "x"), key: undefined },
  "with a number for a key": { ...putRequest("a", "x"), key: 1 },
  "without a request id": { ...putRequest("a", "x"), requestId: undefined },
  "without a floor": { ...putRequest("a", "x"), floor: undefined },
  "with a text for a floor": { ...putRequest("a", "x"), floor: "0" },
  "without a value": { ...putRequest("a", "x"), value: undefined },
  "with a text for a value": { ...putRequest("a", "x"), value: "x" },
  "with a value that no row can hold": {
    ...putRequest("a", "x"),
    value: new Uint8Array(maxValueBytes + 1),
  },
  "with a list for a content type": { ...putRequest("a", "x"), contentType: ["text/plain"] },
  "with a condition that nobody knows": { ...putRequest("a", "x"), condition: { type: "older" } },
  "with a condition of no revision": { ...putRequest("a", "x"), condition: { type: "revision" } },
  "with null for a condition": { ...putRequest("a", "x"), condition: null },
  "with a map for metadata": { ...putRequest("a", "x"), metadata: {} },
  "with a life of a moment": { ...putRequest("a", "x"), expiry: { type: "ttl", ttlMs: 1 } },
  "with an end that nobody knows": { ...putRequest("a", "x"), expiry: { type: "never" } },
  "with an end at half a ms": { ...putRequest("a", "x"), expiry: { type: "at", expiresMs: 1.5 } },
  "with a number for a lease": { ...putRequest("a", "x"), expiry: { type: "lease", lease: 1 } },
  "with a name and no fingerprint": { ...putRequest("a", "x"), idempotency: { name: "n" } },
  "that is a delete of no range": { ...named, type: "deleteRange", limit: 1 },
  "that is a delete of a range without an end": {
    ...named,
    type: "deleteRange",
    range: { from: "a" },
    limit: 1,
  },
  "that is a delete of too many keys": {
    ...named,
    type: "deleteRange",
    range: allKeys,
    limit: maxRangeKeys + 1,
  },
  "that is a transaction without an else": { ...named, type: "transaction", if: [], then: [] },
  "that is a transaction on a key and no condition": transactionOf({ if: [{ key: "a" }] }),
  "that is a transaction of an unknown operation": transactionOf({
    then: [{ type: "append", key: "a" }],
  }),
  "that is a transaction that counts by halves": transactionOf({
    else: [{ type: "increment", key: "a", by: 0.5 }],
  }),
  "that is a transaction with a text for a value": transactionOf({
    then: [{ type: "put", key: "a", value: "x", contentType: null }],
  }),
  "that is a grant for ever": { ...named, type: "grant", ttlMs: 1e15 },
  "that keeps no lease alive": { ...named, type: "keepAlive" },
  "that says what time it is": { ...named, type: "tick", nowMs: 1 },
  "that advances revisions": { ...named, type: "advance", revision: 1 },
  "that is a read without a key": { type: "get" },
  "that is a list of no order": { ...list, order: "random" },
  "that is a list of nothing": { ...list, limit: 0 },
  "that is a list folded by nothing": { ...list, fold: { length: 0, delimiter: "" } },
  "that is a query that puts": {
    type: "query",
    if: [],
    then: [{ type: "delete", key: "a" }],
    else: [],
  },
  "that is null": null,
  "that is a number": 7,
};

describe("A peer's call", () => {
  test("with something wrong about it is refused with 4xx, and the group goes on", async () => {
    const group = new GroupUnderTest();
    await group.put("a", "x");
    await group.settled();
    const call = callIn(group);
    const right = await group.fetch("2", "POST", replicaPath.peer, toBytes(call));
    await right.arrayBuffer();
    expect(right.status).toBe(200);
    for (const [name, spoil] of Object.entries(wrongCalls)) {
      const wrong = await group.fetch("2", "POST", replicaPath.peer, toBytes(spoil(call)));
      expect([400, 409], name).toContain(wrong.status);
      expect(await wrong.text(), name).not.toBe("");
    }
    await group.put("b", "y");
    expect((await group.settled()).revision).toBe(2);
  });

  test("that is wrong founds no group in a replica that has none", async () => {
    const group = new GroupUnderTest();
    const call = callIn(group);
    for (const [name, spoil] of Object.entries(wrongCalls)) {
      if (name.startsWith("of a group")) continue;
      const response = await group.fetch("2", "POST", replicaPath.peer, toBytes(spoil(call)));
      await response.arrayBuffer();
      expect(response.ok, name).toBe(false);
    }
    expect(await group.status("2")).toBeNull();
  });
});

describe.each([replicaPath.client, replicaPath.peer])("A garbled body to %s", (path) => {
  test("is refused with 400, in a group and before there is one", async () => {
    const group = new GroupUnderTest();
    for (const [name, body] of Object.entries(garbledBodies)) {
      const response = await group.fetch("1", "POST", path, body);
      await response.arrayBuffer();
      expect(response.status, name).toBe(400);
    }
    expect(await group.status("1"), "nothing was founded").toBeNull();
    const { id } = await group.settled();
    for (const [name, body] of Object.entries(garbledBodies)) {
      const response = await group.fetch(id, "POST", path, body);
      await response.arrayBuffer();
      expect(response.status, name).toBe(400);
    }
    await group.put("a", "x");
  });
});

describe("A version that is not known", () => {
  test.each([
    [replicaPath.client, "client", [1, 2]],
    [replicaPath.transfer, "client", [1]],
    [replicaPath.peer, "peer", [1, 2, 3]],
  ])("of a body to %s is refused, with those that are", async (path, protocol, known) => {
    const group = new GroupUnderTest();
    for (const version of [0, 4, "1", null]) {
      const body = { ...callIn(group), requests: [], to: "2", version };
      const response = await group.fetch("2", "POST", path, toBytes(body));
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({
        code: "unknown_version",
        protocol,
        version: String(version),
        known,
        detail: `unknown ${protocol} version ${version}; this code knows ${known.join(", ")}`,
      });
    }
    expect(await group.status("2")).toBeNull();
  });

  test.each([1, 2, 3] as const)(
    "is not %i, in which a peer is answered that asks in it",
    async (version) => {
      const group = new GroupUnderTest();
      await group.settled();
      const call = { ...callIn(group), version };
      const response = await group.fetch("2", "POST", replicaPath.peer, toBytes(call));
      expect(fromBytes(await response.arrayBuffer())).toEqual({ version, messages: [] });
    },
  );

  test("of a snapshot's chunk is refused, and the replica goes on", async () => {
    const group = new GroupUnderTest();
    const { term } = await group.settled();
    const chunk = {
      type: "installSnapshotRequest",
      from: "1",
      to: "2",
      term,
      snapshot: { term, index: 1000 },
      shipment: 1,
      chunk: 0,
      isLast: true,
    };
    const newer = toBytes({ format: 3, state: null, turns: [], rows: [] });
    for (const [data, why] of [
      [newer, "snapshot format 3; this code knows 1, 2"],
      ["text", "a chunk must be bytes"],
    ] as const) {
      const call = { ...callIn(group), messages: [{ ...chunk, data }] };
      const response = await group.fetch("2", "POST", replicaPath.peer, toBytes(call));
      expect([response.status, await response.text()]).toEqual([400, why]);
    }
    await group.put("a", "x");
    expect((await group.settled()).revision).toBe(1);
  });
});

describe("A batch from an edge", () => {
  test("with a request that no replica could apply is refused, as a whole, and never gets into the log", async () => {
    const group = new GroupUnderTest();
    const { id } = await group.settled();
    for (const [name, request] of Object.entries(wrongRequests)) {
      const body = toBytes({ version: 1, requests: [putRequest("good", "x"), request] });
      const response = await group.fetch(id, "POST", replicaPath.client, body);
      await response.arrayBuffer();
      expect(response.status, name).toBe(400);
    }
    await group.put("a", "x");
    expect(await group.settled()).toMatchObject({ revision: 1 });
  });
});

test("Any other path or method is answered 404 and founds nothing", async () => {
  const group = new GroupUnderTest();
  const calls = [
    ["GET", replicaPath.client],
    ["GET", replicaPath.peer],
    ["GET", replicaPath.poke],
    ["POST", replicaPath.status],
    ["POST", "/"],
    ["PUT", "/client/x"],
  ] as const;
  for (const [method, path] of calls) {
    const response = await group.fetch("1", method, path);
    await response.arrayBuffer();
    expect([method, path, response.status]).toEqual([method, path, 404]);
  }
  expect(await group.status("1")).toBeNull();
});

describe("A message that cannot be true", () => {
  test("aborts the replica that gets it, which comes back with all it had, and the group goes on", async () => {
    const group = new GroupUnderTest();
    await group.put("a", "x");
    const leader = await group.settled();
    const from = group.ids.find((id) => id !== leader.id)!;
    const impostor = {
      type: "appendEntriesRequest",
      from,
      to: leader.id,
      term: leader.term,
      prev: { term: 0, index: 0 },
      entries: [],
      leaderCommit: 0,
      round: 0,
    };
    const envelope = { version: 1, namespace: group.namespace, from, to: leader.id, members };
    const call = group.fetch(
      leader.id,
      "POST",
      replicaPath.peer,
      toBytes({ ...envelope, messages: [impostor] }),
    );
    await expect(call).rejects.toThrow(/starts again from storage/);
    expect(await group.status(leader.id)).toMatchObject({ revision: 1 });
    expect(await group.get("a")).toBe("x");
    await group.put("b", "y");
    const { stateHash } = await group.settled();
    expect(await group.status(leader.id)).toMatchObject({ revision: 2, stateHash });
  });
});
