import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Act } from "../support/fake-group.ts";
import { EdgeUnderTest, gist } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

/**
 * What comes of a sequence of attempts, on an edge that takes replica 1 for the leader.
 *
 * - `replicas`: what each does, "/" between them, ";" between its answers; it stays with the last
 * - `asked`: who is asked, in this order; with "…" when that goes on until the deadline
 * - `put`, `get`: the answers
 * - `effects`: how often the put took effect
 */
interface Case {
  readonly replicas: string;
  readonly asked: string;
  readonly put: string;
  readonly get: string;
  readonly effects: 0 | 1;
}

const served = { put: "201", get: "404 key_not_found not_applied", effects: 1 } as const;
const noLeader = "503 no_leader not_applied";
const unavailable = "503 unavailable not_applied";
const overloaded = "503 overloaded not_applied";
const unknown = "504 outcome_unknown unknown";

const endingWell: Readonly<Record<string, readonly [replicas: string, asked: string]>> = {
  "the first one leads": ["1 leads", "1"],
  "a follower names the leader": ["1 follows 3 / 3 leads", "1 3"],
  "a follower knows of no leader": ["1 follows / 2 leads", "1 2"],
  "a hint comes late": ["1 follows / 2 follows 3 / 3 leads", "1 3"],
  "two followers name each other": ["1 follows 2 / 2 follows 1 / 3 leads", "1 2 3"],
  "a follower names itself": ["1 follows 1 / 2 leads", "1 2"],
  "a hint names a replica that the settings don't": ["1 follows 5 / 5 leads", "1 5"],
  "a hint names a replica that there isn't": ["1 follows 9 / 9 is dead / 2 leads", "1 9 2"],
  "the leader is in office only in the second round": [
    "1 follows 2; leads / 2 follows 1 / 3 follows 1",
    "1 2 1",
  ],
  "the first one is dead": ["1 is dead / 2 follows 3 / 3 leads", "1 3"],
  "the first one hangs": ["1 hangs / 2 leads", "1 2"],
  "the answer is lost, and the next leader has the outcome on record": [
    "1 applies, then breaks / 2 leads",
    "1 2",
  ],
  "the answer does not come, and the same leader has the outcome on record": [
    "1 applies, then hangs; leads / 2 follows 1 / 3 follows 1",
    "1 1",
  ],
  "a deposed leader is unsure, and it did not happen": ["1 is unsure / 2 leads", "1 2"],
  "a deposed leader is unsure, and it did happen": ["1 applies, then is unsure / 2 leads", "1 2"],
  "the leader has too much under way for a while": ["1 drops; drops; leads", "1 1 1"],
  "the floor of an edge is too old": ["1 expires; leads", "1 1"],
  "the floor of an edge is too old, and then an answer is lost": [
    "1 expires; applies, then breaks / 2 leads",
    "1 1 2",
  ],
  "the first one runs older code": ["1 is old / 2 leads", "1 2"],
  "one is lost, and the next leader has yet to learn that all run code of today": [
    "1 is dead / 2 has to wait; has to wait; leads",
    "1 2 2 2",
  ],
  "a replica refuses the protocol": ["1 refuses / 2 leads", "1 2"],
  "a replica talks nonsense": ["1 babbles / 2 leads", "1 2"],
  "a replica answers without a result": ["1 says nothing / 2 leads", "1 2"],
};

const endingBadly: Readonly<Record<string, Case>> = {
  "the leader has too much under way": {
    replicas: "1 drops",
    asked: "1 1 1 …",
    put: overloaded,
    get: overloaded,
    effects: 0,
  },
  "nobody leads": {
    replicas: "1 follows / 2 follows / 3 follows",
    asked: "1",
    put: noLeader,
    get: noLeader,
    effects: 0,
  },
  "all name others for ever": {
    replicas: "1 follows 2 / 2 follows 1 / 3 follows 2",
    asked: "1 2",
    put: noLeader,
    get: noLeader,
    effects: 0,
  },
  "all are dead": {
    replicas: "1 is dead / 2 is dead / 3 is dead",
    asked: "1",
    put: unknown,
    get: unavailable,
    effects: 0,
  },
  "all hang": {
    replicas: "1 hangs / 2 hangs / 3 hangs",
    asked: "1",
    put: unknown,
    get: unavailable,
    effects: 0,
  },
  "one was lost, and then nobody leads": {
    replicas: "1 is dead; follows / 2 follows / 3 follows",
    asked: "1",
    put: unknown,
    get: noLeader,
    effects: 0,
  },
  "it happened, and nobody is there to tell": {
    replicas: "1 applies, then breaks; is dead / 2 follows / 3 follows",
    asked: "1",
    put: unknown,
    get: noLeader,
    effects: 1,
  },
  "the leader is unsure, and then nobody leads": {
    replicas: "1 is unsure; follows / 2 follows / 3 follows",
    asked: "1",
    put: unknown,
    get: noLeader,
    effects: 0,
  },
  "the leader is unsure, and the next has too much under way": {
    replicas: "1 is unsure / 2 drops",
    asked: "1 2 2 2 …",
    put: unknown,
    get: overloaded,
    effects: 0,
  },
  "the same idempotency key is under way": {
    replicas: "1 is at it",
    asked: "1",
    put: "409 idempotency_key_in_flight not_applied",
    get: served.get,
    effects: 0,
  },
  "one was lost, and the next has it under way": {
    replicas: "1 is dead / 2 is at it",
    asked: "1 2",
    put: unknown,
    get: served.get,
    effects: 0,
  },
  "the leader has others that run older code": {
    replicas: "1 has to wait / 2 leads",
    asked: "1",
    put: "503 not_ready not_applied",
    get: served.get,
    effects: 0,
  },
  "all run older code": {
    replicas: "1 is old / 2 is old / 3 is old",
    asked: "1",
    put: "503 not_ready not_applied",
    get: "503 not_ready not_applied",
    effects: 0,
  },
  "one was lost, and then it is too late to tell": {
    replicas: "1 applies, then breaks / 2 expires",
    asked: "1 2",
    put: unknown,
    get: served.get,
    effects: 1,
  },
  "the leader is unsure, and then it is too late to tell": {
    replicas: "1 is unsure / 2 expires",
    asked: "1 2",
    put: unknown,
    get: served.get,
    effects: 0,
  },
};

const cases: readonly [string, Case][] = [
  ...Object.entries(endingWell).map(([title, [replicas, asked]]): [string, Case] => [
    title,
    { replicas, asked, ...served },
  ]),
  ...Object.entries(endingBadly),
];

const timeoutMs = 400;

// Replicas that run older code are named in the log.
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => {}));

async function send(method: string, replicas: string) {
  const edge = new EdgeUnderTest();
  await edge.believes("1");
  for (const replica of replicas.split(" / ")) {
    const [, id = "", acts = ""] = /^(\S+) (.+)$/.exec(replica) ?? [];
    edge.group.script(id, ...(acts.split("; ") as Act[]));
  }
  const path = `/keys/a?timeout=${timeoutMs}`;
  const { value, tookMs } = await inVirtualTime(() => edge.send(method, path));
  expect(tookMs).toBeLessThanOrEqual(timeoutMs);
  return { group: edge.group, answer: await gist(value) };
}

describe.each(cases)("when %s", (_, { replicas, asked, put, get, effects }) => {
  test(`a put answers ${put}`, async () => {
    const { group, answer } = await send("PUT", replicas);
    expect(answer).toBe(put);
    expect([...group.table.effects.values()]).toEqual(effects === 0 ? [] : [1]);
    const beginning = asked.replace(/ …$/, "");
    if (beginning === asked) expect(group.asked).toBe(asked);
    else expect(group.asked.slice(0, beginning.length)).toBe(beginning);
  });

  test("every attempt of a put is the same request", async () => {
    const { group } = await send("PUT", replicas);
    const ids = group.calls.map(({ request }) => request.type === "put" && request.requestId);
    expect(new Set(ids).size).toBe(1);
  });

  test("a delete fares as a put", async () => {
    const { answer } = await send("DELETE", replicas);
    expect(answer).toBe(put === "201" ? "204" : put);
  });

  test(`a get answers ${get}`, async () => {
    const { group, answer } = await send("GET", replicas);
    expect(answer).toBe(get);
    expect(group.table.effects.size).toBe(0);
  });
});
