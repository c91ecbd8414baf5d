import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { EdgeBindings } from "../../src/edge/env.ts";
import { ReplicaGroup } from "../../src/edge/replica-group.ts";
import { allKeys } from "../../src/kv/key-range.ts";
import type { ClientBatch, ClientRequest } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { UnknownVersion } from "../../src/protocol/version.ts";
import { FakeGroup, statusOf } from "../support/fake-group.ts";

const logged = vi.fn<typeof console.error>();
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(logged));
afterEach(() => void logged.mockReset());

/** A group whose replicas all answer the same. */
function groupThat(answers: (body: Uint8Array) => Response): ReplicaGroup {
  const stub = { fetch: async (_: string, { body }: RequestInit) => answers(body as Uint8Array) };
  const REPLICA = { idFromName: (name: string) => name, get: () => stub };
  const env = { ...new FakeGroup("shop").env(), REPLICA };
  return new ReplicaGroup(env as unknown as EdgeBindings, "shop");
}

const never = new AbortController().signal;

describe("A version that is not known", () => {
  test.each([0, 2, null])("%j, of an answer, is refused by name", async (version) => {
    const group = groupThat(() => new Response(toBytes({ version, results: [] })));
    await expect(group.ask("1", [], never)).rejects.toThrow(
      `unknown client version ${version}; this code knows 1`,
    );
  });

  test.each([
    ["of today", () => new UnknownVersion("client", 1, [2, 3]).toResponse(), "knows 2, 3"],
    ["of version 1", () => new Response("unknown client version 1", { status: 400 }), "version 1"],
  ])("a replica %s says so, and the log has it, with those that are", async (_, answers, what) => {
    const group = groupThat(answers);
    const { results } = await group.ask("1", [{ type: "count", range: allKeys }], never);
    expect(results).toEqual([{ type: "tooOld" }]);
    await expect(group.transfer("1", "2", never)).rejects.toThrow(what);
    expect(logged).toHaveBeenCalledTimes(2);
    expect(logged.mock.lastCall![0]).toContain(what);
  });
});

describe("The version that a replica is asked in", () => {
  const get: ClientRequest = { type: "get", key: "a", metadataOnly: false };
  const remove: ClientRequest = { type: "delete", requestId: "r", floor: 0, key: "a" };
  const put: ClientRequest = { ...remove, type: "put", value: new Uint8Array(), contentType: null };
  const condition = { type: "absent" } as const;
  const idempotency = { name: "n", fingerprint: "f" };
  const branches = { if: [], then: [], else: [] };

  test.each<[ClientRequest, number]>([
    [get, 1],
    [put, 1],
    [remove, 1],
    [{ ...put, condition }, 2],
    [{ ...put, idempotency }, 2],
    [{ ...put, metadata: "1" }, 2],
    [{ ...put, expiry: { type: "ttl", ttlMs: 1000 } }, 2],
    [{ ...remove, condition }, 2],
    [{ ...remove, idempotency }, 2],
    [{ type: "list", range: allKeys, order: "ascending", fold: null, limit: 1, values: false }, 2],
    [{ type: "count", range: allKeys }, 2],
    [{ type: "query", ...branches }, 2],
    [{ type: "lease", lease: "1" }, 2],
    [{ type: "transaction", requestId: "r", floor: 0, ...branches }, 2],
    [{ type: "deleteRange", requestId: "r", floor: 0, range: allKeys, limit: 1 }, 2],
    [{ type: "grant", requestId: "r", floor: 0, ttlMs: 1000 }, 2],
    [{ type: "keepAlive", requestId: "r", floor: 0, lease: "1" }, 2],
    [{ type: "revoke", requestId: "r", floor: 0, lease: "1" }, 2],
  ])("is the oldest that knows %o", async (request, version) => {
    const bodies: ClientBatch[] = [];
    const group = groupThat((body) => {
      const batch = fromBytes<ClientBatch>(body);
      bodies.push(batch);
      const results = batch.requests.map(() => ({ type: "unknown" }));
      return new Response(toBytes({ version: batch.version, results }));
    });
    await group.ask("1", [request], never);
    expect(bodies).toEqual([{ version, requests: [request] }]);
    await group.ask("1", [get, request], never);
    expect(bodies[1]?.version).toBe(version);
  });
});

test("Another refusal is no matter of versions, and the log not told", async () => {
  const group = groupThat(() => new Response("founded with other members", { status: 409 }));
  await expect(group.status("1", never)).rejects.toThrow("409: founded with other members");
  expect(logged).not.toHaveBeenCalled();
});

describe("What a replica says of itself that runs code of before members could change", () => {
  const { membersIndex: _, nextId: __, epoch: ___, ...rest } = statusOf("2", "leader", "2");
  const members = ["1", "2", "3"].map((id) => ({ id, region: "weur" }));
  const old = { ...rest, members };
  const voters = members.map((each) => Object.assign({ role: "voter", replaces: null }, each));

  test.each(["status", "poke"] as const)("to a %s, is understood", async (how) => {
    const group = groupThat(() => new Response(toBytes(old)));
    expect(await group[how]("2", never)).toEqual({
      ...rest,
      members: voters,
      membersIndex: 0,
      nextId: "4",
      epoch: 1,
    });
  });

  test("of today is left as it is", async () => {
    const learner = { id: "7", region: "weur", role: "learner" as const, replaces: "2" };
    const now = {
      ...statusOf("2", "leader", "2"),
      members: [learner],
      membersIndex: 9,
      nextId: "8",
    };
    const group = groupThat(() => new Response(toBytes(now)));
    expect(await group.status("2", never)).toEqual(now);
    const none = groupThat(() => new Response(toBytes({ type: "uninitialised" })));
    expect(await none.status("2", never)).toEqual({ type: "uninitialised" });
  });
});

test("A replica that runs code of before members could change is said to be too old for that", async () => {
  const change = { type: "remove", id: "2" } as const;
  const old = groupThat(() => new Response("no POST /members here", { status: 404 }));
  expect(await old.change("1", change, never)).toEqual({ type: "tooOld", ids: ["1"] });
  const ill = groupThat(() => new Response("oops", { status: 500 }));
  await expect(ill.change("1", change, never)).rejects.toThrow("500: oops");
});
