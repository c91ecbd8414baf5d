import { describe, expect, test } from "vitest";
import type { ReplicaStatus } from "../../src/protocol/client.ts";
import { votersNamed } from "../support/fake-group.ts";
import { EdgeUnderTest, gist } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

const members = votersNamed(["1", "2", "3"]);

function status(id: string, role: string, term: number, leader: string | null): ReplicaStatus {
  return {
    id,
    region: "local",
    role,
    term,
    leader,
    commitIndex: 9,
    lastApplied: 8,
    firstLogIndex: 3,
    lastLogIndex: 10,
    logBytes: 700,
    revision: 5,
    stateHash: "abc",
    diverged: false,
    members,
    membersIndex: 0,
    nextId: "4",
    epoch: 1,
    lastLogTerm: 1,
  };
}

/** An edge whose replicas say this of themselves; those not named are out of reach. */
function edgeWith(statuses: Readonly<Record<string, ReplicaStatus | "uninitialised" | "hangs">>) {
  const edge = new EdgeUnderTest();
  for (const [id, said] of Object.entries(statuses)) {
    if (said === "hangs") edge.group.statuses.set(id, said);
    else if (said === "uninitialised") edge.group.statuses.set(id, { type: said });
    else edge.group.statuses.set(id, { type: "status", ...said });
  }
  return edge;
}

interface ClusterBody {
  readonly namespace: string;
  readonly leader: string | null;
  readonly term: number | null;
  readonly replicas: readonly { readonly id: string; readonly reachable: boolean }[];
}

async function clusterOf(edge: EdgeUnderTest): Promise<ClusterBody> {
  const response = await edge.send("GET", "/cluster");
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Type")).toBe("application/json");
  return (await response.json()) as ClusterBody;
}

test("a cluster is what each replica says of itself", async () => {
  const edge = edgeWith({
    1: status("1", "follower", 4, "2"),
    2: status("2", "leader", 4, "2"),
    3: status("3", "follower", 4, "2"),
  });
  const {
    members: _,
    membersIndex: _i,
    nextId: _n,
    epoch: _e,
    lastLogTerm: _t,
    ...second
  } = status("2", "leader", 4, "2");
  const body = await clusterOf(edge);
  expect(body).toMatchObject({ namespace: edge.group.namespace, leader: "2", term: 4 });
  expect(body.replicas.map(({ id }) => id)).toEqual(["1", "2", "3"]);
  expect(body.replicas[1]).toEqual({ ...second, reachable: true });
  expect(edge.group.calls).toEqual([]);
});

test("a replica out of reach is listed, with nothing known of it", async () => {
  const edge = edgeWith({ 1: status("1", "leader", 1, "1"), 2: "uninitialised" });
  const nothing = {
    region: "local",
    role: null,
    term: null,
    leader: null,
    commitIndex: null,
    lastApplied: null,
    firstLogIndex: null,
    lastLogIndex: null,
    logBytes: null,
    revision: null,
    stateHash: null,
    diverged: null,
  };
  expect((await clusterOf(edge)).replicas.slice(1)).toEqual([
    // One that has heard nothing of its group yet.
    { id: "2", reachable: true, ...nothing, role: "none" },
    { id: "3", reachable: false, ...nothing },
  ]);
});

test("a replica that says nothing for a second is out of reach", async () => {
  const edge = edgeWith({ 1: status("1", "leader", 1, "1"), 2: "hangs" });
  const { value, tookMs } = await inVirtualTime(() => clusterOf(edge));
  expect(value.replicas.map(({ reachable }) => reachable)).toEqual([true, false, false]);
  expect(tookMs).toBe(1000);
});

describe("the leader of a cluster", () => {
  test("is the one of the newest term, when an older one does not know yet", async () => {
    const edge = edgeWith({
      1: status("1", "leader", 3, "1"),
      2: status("2", "leader", 4, "2"),
      3: status("3", "follower", 4, "2"),
    });
    expect(await clusterOf(edge)).toMatchObject({ leader: "2", term: 4 });
  });

  test("is nobody when the only one that thinks so is of an older term", async () => {
    const edge = edgeWith({
      1: status("1", "leader", 3, "1"),
      2: status("2", "candidate", 4, null),
    });
    expect(await clusterOf(edge)).toMatchObject({ leader: null, term: null });
  });

  test("is nobody whose state has diverged, and that shows", async () => {
    const wrong = { ...status("1", "leader", 3, "1"), diverged: true };
    const edge = edgeWith({ 1: wrong, 2: status("2", "follower", 3, "1") });
    const { leader, replicas } = await clusterOf(edge);
    expect(leader).toBeNull();
    expect(replicas).toMatchObject([{ diverged: true }, { diverged: false }, { diverged: null }]);
  });

  test("is nobody when all follow one that is out of reach", async () => {
    const edge = edgeWith({
      2: status("2", "follower", 3, "1"),
      3: status("3", "follower", 3, "1"),
    });
    expect(await clusterOf(edge)).toMatchObject({ leader: null, term: null });
  });
});

describe("without a replica that knows the namespace", () => {
  const unknown = "404 namespace_not_found not_applied";

  test("it is not found when all say that they don't", async () => {
    const edge = edgeWith({ 1: "uninitialised", 2: "uninitialised", 3: "uninitialised" });
    expect(await gist(await edge.send("GET", "/cluster"))).toBe(unknown);
  });

  test("that much is shown when nobody can be reached, since it may be there", async () => {
    const { leader, term, replicas } = await clusterOf(edgeWith({}));
    expect([leader, term]).toEqual([null, null]);
    expect(replicas.map(({ id, reachable }) => [id, reachable])).toEqual([
      ["1", false],
      ["2", false],
      ["3", false],
    ]);
  });

  test("so it is when the one that founds it cannot be reached", async () => {
    const { replicas } = await clusterOf(edgeWith({ 2: "uninitialised", 3: "uninitialised" }));
    expect(replicas.map(({ reachable }) => reachable)).toEqual([false, true, true]);
  });
});

describe("the members of a cluster", () => {
  const founded = (...ids: string[]) => votersNamed(ids, "weur");
  const idsOf = async (edge: EdgeUnderTest): Promise<string[]> =>
    (await clusterOf(edge)).replicas.map(({ id, reachable }) => (reachable ? id : `(${id})`));

  test("are those it was founded with, when the settings name fewer", async () => {
    const five = founded("1", "2", "3", "4", "5");
    const edge = edgeWith({
      2: { ...status("2", "follower", 4, "5"), members: five },
      5: { ...status("5", "leader", 4, "5"), region: "weur", members: five },
    });
    expect(await idsOf(edge)).toEqual(["(1)", "2", "(3)", "(4)", "5"]);
    expect(await clusterOf(edge)).toMatchObject({
      leader: "5",
      replicas: { 0: { region: "weur" } },
    });
  });

  test("are those it was founded with, when the settings name more", async () => {
    const one = founded("1");
    const edge = edgeWith({ 1: { ...status("1", "leader", 1, "1"), members: one } });
    expect(await idsOf(edge)).toEqual(["1"]);
  });
});

test.each([
  ["?timeout=100", 100],
  ["?timeout=5s", 1000],
])("a cluster asked for with %s waits %d ms for a replica", async (query, ms) => {
  const edge = edgeWith({ 1: status("1", "leader", 1, "1"), 2: "hangs" });
  const { value, tookMs } = await inVirtualTime(() => edge.send("GET", `/cluster${query}`));
  expect([value.status, tookMs]).toEqual([200, ms]);
});

test.each(["?consistency=linearizable", "?timeout=soon"])(
  "a cluster takes no %s",
  async (query) => {
    const edge = edgeWith({});
    expect(await gist(await edge.send("GET", `/cluster${query}`))).toBe(
      "400 bad_parameter not_applied",
    );
    expect(edge.group.got).toEqual([]);
  },
);

test("asking for a cluster founds nothing and changes nothing", async () => {
  const edge = edgeWith({ 1: "uninitialised", 2: "uninitialised", 3: "uninitialised" });
  await edge.send("GET", "/cluster");
  expect([edge.group.calls, edge.group.pokes]).toEqual([[], []]);
});

test("a head of a cluster has its headers and no body", async () => {
  const edge = edgeWith({ 1: status("1", "leader", 1, "1") });
  const response = await edge.send("HEAD", "/cluster");
  expect([response.status, response.body]).toEqual([200, null]);
});
