import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { reachReplica } from "../../src/protocol/reach.ts";
import type { ReplicaCall } from "../../src/protocol/replica-call.ts";
import { parseSettings } from "../../src/protocol/settings.ts";

const vars = {
  REPLICAS: "3",
  REGIONS: "weur",
  HEARTBEAT_MS: "50",
  ELECTION_MIN_MS: "150",
  ELECTION_MAX_MS: "300",
};

const remote = {
  ...vars,
  REPLICA_SECRET: "a-secret-of-the-tests",
  REPLICA_URLS: JSON.stringify({
    1: "https://one.example/",
    2: "http://two.example:8080/below/",
    3: "https://three.example",
  }),
};
const call: ReplicaCall = { path: "/peer", method: "POST", body: "messages" };

/** The objects that were called, with their options, and what they were called with. */
const stubs: unknown[] = [];
const objects = {
  idFromName: (name: string) => name,
  get: (name: string, options: unknown) => {
    const fetch = async (url: string, init: RequestInit): Promise<Response> => {
      stubs.push([name, options, url, init]);
      return new Response("from the object");
    };
    return { fetch };
  },
} as object as DurableObjectNamespace;

const fetched = vi.fn<typeof fetch>(async () => new Response("from afar"));

beforeEach(() => vi.stubGlobal("fetch", fetched));
afterEach(() => {
  vi.unstubAllGlobals();
  fetched.mockClear();
  stubs.length = 0;
});

const two = { namespace: "shop", id: "2", region: "weur" };

test("Without URLs a replica is an object of this Worker, made where it should be, called once", async () => {
  const response = await reachReplica(objects, parseSettings(vars), two, call);
  expect(await response.text()).toBe("from the object");
  const options = { locationHint: "weur", retry: { maxRetries: 0 } };
  const init = { method: "POST", body: "messages" };
  expect(stubs).toEqual([["shop/2", options, "https://replica/peer", init]]);
  expect(fetched).not.toHaveBeenCalled();
});

test("With URLs it is called at the gateway of its Worker, with the secret and no redirects", async () => {
  const { signal } = new AbortController();
  const answer = reachReplica(objects, parseSettings(remote), two, { ...call, signal });
  expect(fetched, "it has left by now").toHaveBeenCalledExactlyOnceWith(
    "http://two.example:8080/below/_replica/shop/2/peer",
    {
      method: "POST",
      body: "messages",
      signal,
      headers: { Authorization: "Bearer a-secret-of-the-tests" },
      redirect: "manual",
    },
  );
  expect(await (await answer).text()).toBe("from afar");
  expect(stubs).toEqual([]);
});

test("A replica without a URL among others that have one is never looked for here", async () => {
  const four = { namespace: "shop", id: "4", region: "weur" };
  const answer = reachReplica(objects, parseSettings(remote), four, call);
  await expect(answer).rejects.toThrow("REPLICA_URLS has no replica 4");
  expect([stubs, fetched.mock.calls]).toEqual([[], []]);
});
