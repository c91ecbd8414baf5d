import { describe, expect, test } from "vitest";
import type { Act } from "../support/fake-group.ts";
import { EdgeUnderTest, gist } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

type Scripts = Readonly<Record<string, readonly Act[]>>;

interface Case {
  readonly replicas: Scripts;
  /** Who is asked, in order, by a put; with "…" where it goes on like that till the deadline. */
  readonly asked: string;
  /** The answer to a put and a delete, and what a put did by then. */
  readonly put: string;
  readonly effects: 0 | 1;
  /** The answer to a get. */
  readonly get: string;
}

const created = "201";
const absent = "404 key_not_found not_applied";
const noLeader = "503 no_leader not_applied";
const overloaded = "503 overloaded not_applied";
const unknown = "504 outcome_unknown unknown";

/** What comes of attempts that end well. */
const served = (replicas: Scripts, asked: string): Case => ({
  replicas,
  asked,
  put: created,
  effects: 1,
  get: absent,
});

/** Sequences of attempts, and what comes of them. The edge is new, so it begins with replica 1. */
const cases: Readonly<Record<string, Case>> = {
  "the first one leads": served({ 1: ["leads"] }, "1"),
  "a follower names the leader": served({ 1: ["follows 3"], 2: ["follows 3"], 3: ["leads"] }, "1 3"),
  "a follower knows of no leader": served({ 1: ["follows"], 2: ["leads"] }, "1 2"),
  "a hint is followed before those that were not asked": served({ 1: ["follows"], 2: ["follows 3"], 3: ["leads"] }, "1 2 3"),
  "two followers name each other": served({ 1: ["follows 2"], 2: ["follows 1"], 3: ["leads"] }, "1 2 3"),
  "a follower names itself": served({ 1: ["follows 1"], 2: ["leads"] }, "1 2"),
  "a hint names a replica that the settings don't": served({ 1: ["follows 5"], 5: ["leads"] }, "1 5"),
  "a hint names a replica that there isn't": served({ 1: ["follows 9"], 9: ["is dead"], 2: ["leads"] }, "1 9 2"),
  "a leader is found in the second round": served({ 1: ["follows 2", "leads"], 2: ["follows 1"], 3: ["follows 1"] }, "1 2 3 1"),
  "the first one is dead": served({ 1: ["is dead"], 2: ["follows 3"], 3: ["leads"] }, "1 2 3"),
  "the first one hangs": served({ 1: ["hangs"], 2: ["leads"] }, "1 2"),
  "the answer is lost, and the next leader has the outcome on record": served({ 1: ["applies, then breaks"], 2: ["leads"] }, "1 2"),
  "the answer is lost, and the same leader has the outcome on record": served({ 1: ["applies, then hangs", "leads"], 2: ["follows 1"], 3: ["follows 1"] }, "1 2 3 1"),
  "a leader that was replaced is unsure, and it did not happen": served({ 1: ["is unsure"], 2: ["leads"] }, "1 2"),
  "a leader that was replaced is unsure, and it did happen": served({ 1: ["applies, then is unsure"], 2: ["leads"] }, "1 2"),
  "the leader has too much under way for a while": served({ 1: ["drops", "drops", "leads"] }, "1 1 1"),
  "the leader has too much under way": {
    replicas: { 1: ["drops"] },
    asked: "1 1 1 …",
    put: overloaded,
    effects: 0,
    get: overloaded,
  },
  "a new edge's floor is too old": served({ 1: ["expires", "leads"] }, "1 1"),
  "a new edge's floor is too old, and the second attempt is lost": served({ 1: ["expires", "applies, then breaks"], 2: ["leads"] }, "1 1 2"),
  "nobody leads": {
    replicas: { 1: ["follows"], 2: ["follows"], 3: ["follows"] },
    asked: "1 2 3 1 2 3 …",
    put: noLeader,
    effects: 0,
    get: noLeader,
  },
  "two name each other for ever": {
    replicas: { 1: ["follows 2"], 2: ["follows 1"], 3: ["follows 2"] },
    asked: "1 2 3 2 1 3 …",
    put: noLeader,
    effects: 0,
    get: noLeader,
  },
  "all are dead": {
    replicas: { 1: ["is dead"], 2: ["is dead"], 3: ["is dead"] },
    asked: "1 2 3 1 2 3 …",
    put: unknown,
    effects: 0,
    get: noLeader,
  },
  "all hang": {
    replicas: { 1: ["hangs"], 2: ["hangs"], 3: ["hangs"] },
    asked: "1 2",
    put: unknown,
    effects: 0,
    get: noLeader,
  },
  "one was lost, and nobody leads": {
    replicas: { 1: ["is dead", "follows"], 2: ["follows"], 3: ["follows"] },
    asked: "1 2 3 1 2 3 …",
    put: unknown,
    effects: 0,
    get: noLeader,
  },
  "it happened, and nobody is there to tell": {
    replicas: { 1: ["applies, then breaks", "is dead"], 2: ["follows"], 3: ["follows"] },
    asked: "1 2 3 1 2 3 …",
    put: unknown,
    effects: 1,
    get: noLeader,
  },
  "it is unsure, and nobody leads any more": {
    replicas: { 1: ["is unsure", "follows"], 2: ["follows"], 3: ["follows"] },
    asked: "1 2 3 1 2 3 …",
    put: unknown,
    effects: 0,
    get: noLeader,
  },
  "it is unsure, and then the leader has too much under way": {
    replicas: { 1: ["is unsure"], 2: ["drops"] },
    asked: "1 2 2 2 …",
    put: unknown,
    effects: 0,
    get: overloaded,
  },
  "one was lost, and then it is too late to tell": {
    replicas: { 1: ["applies, then breaks"], 2: ["expires"] },
    asked: "1 2",
    put: unknown,
    effects: 1,
    get: absent,
  },
  "it is unsure, and then it is too late to tell": {
    replicas: { 1: ["is unsure"], 2: ["expires"] },
    asked: "1 2",
    put: unknown,
    effects: 0,
    get: absent,
  },
  "a replica refuses the protocol": served({ 1: ["refuses"], 2: ["leads"] }, "1 2"),
  "a replica talks nonsense": served({ 1: ["babbles"], 2: ["leads"] }, "1 2"),
  "a replica answers nothing": served({ 1: ["says nothing"], 2: ["leads"] }, "1 2"),
};

function edgeBefore(replicas: Scripts): EdgeUnderTest {
  const edge = new EdgeUnderTest();
  for (const [id, acts] of Object.entries(replicas)) edge.group.script(id, ...acts);
  return edge;
}

describe.each(Object.entries(cases))("%s", (_, { replicas, asked, put, effects, get }) => {
  test(`a put answers ${put}`, async () => {
    const edge = edgeBefore(replicas);
    const { value, tookMs } = await inVirtualTime(() => edge.send("PUT", "/keys/a?timeout=400"));
    expect(await gist(value)).toBe(put);
    if (asked.endsWith(" …")) expect(edge.group.asked).toMatch(new RegExp(`^${asked.slice(0, -2)}`));
    else expect(edge.group.asked).toBe(asked);
    expect(tookMs).toBeLessThanOrEqual(400);
    const times = [...edge.group.table.effects.values()];
    expect(times).toEqual(effects === 0 ? [] : [1]);
  });

  test("every attempt is the same request", async () => {
    const edge = edgeBefore(replicas);
    await inVirtualTime(() => edge.put("a?timeout=400", "value"));
    const ids = edge.group.calls.map(({ request }) =>
      request.type === "put" ? `${request.requestId} ${String(request.value)}` : request.type,
    );
    expect(new Set(ids).size).toBe(1);
  });

  test("a delete fares no better than a put", async () => {
    const edge = edgeBefore(replicas);
    const { value } = await inVirtualTime(() => edge.send("DELETE", "/keys/a?timeout=400"));
    expect(await gist(value)).toBe(put === created ? "204" : put);
  });

  // Only writes have a floor.
  const isOfWrites = Object.values(replicas).flat().includes("expires");
  test.skipIf(isOfWrites)(`a get answers ${get}`, async () => {
    const edge = edgeBefore(replicas);
    const { value, tookMs } = await inVirtualTime(() => edge.send("GET", "/keys/a?timeout=400"));
    expect(await gist(value)).toBe(get);
    expect(tookMs).toBeLessThanOrEqual(400);
  });
});
