import { describe, expect, test, vi } from "vitest";
import type { ChangeRequest, ChangeResult, MemberStatus } from "../../src/protocol/client.ts";
import { statusOf, votersNamed } from "../support/fake-group.ts";
import { EdgeUnderTest, gist, problemIn } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

const path = "/cluster/members";

/** Three replicas of which 1 leads, and answers so when it is to change the members. */
function edgeWhere(
  change: ((change: ChangeRequest["change"]) => ChangeResult) | null,
  members: readonly MemberStatus[] = votersNamed(["1", "2", "3"]),
): EdgeUnderTest {
  const edge = new EdgeUnderTest();
  setMembers(edge, members);
  if (change === null) return edge;
  edge.group.change = (leader, wanted) => {
    expect(leader).toBe("1");
    return change(wanted);
  };
  return edge;
}

function setMembers(edge: EdgeUnderTest, members: readonly MemberStatus[], index = 0): void {
  for (const { id } of members) {
    const status = statusOf(id, id === "1" ? "leader" : "follower", "1");
    edge.group.statuses.set(id, { ...status, members, membersIndex: index, commitIndex: index });
  }
}

const add = (edge: EdgeUnderTest, body: string, query = ""): Promise<Response> =>
  edge.send("POST", `${path}${query}`, { body });

const remove = (edge: EdgeUnderTest, id: string, query = ""): Promise<Response> =>
  edge.send("DELETE", `${path}/${id}${query}`);

const learner = (id: string, replaces: string | null): MemberStatus => ({
  id,
  region: "weur",
  role: "learner",
  replaces,
});

describe("the members", () => {
  test("are those that the leader knows", async () => {
    const edge = edgeWhere(null);
    const members = [...votersNamed(["1", "2"]), learner("4", "2")];
    setMembers(edge, members, 7);
    const response = await edge.send("GET", path);
    expect(response.status).toBe(200);
    const { namespace } = edge.group;
    expect(await response.json()).toEqual({ namespace, leader: "1", term: 1, members });
  });

  test("are found through those who have left", async () => {
    const edge = new EdgeUnderTest();
    const left = (id: string, ...ids: string[]): void => {
      const members = ids.map((member) => ({ id: member, region: "local" }));
      edge.group.statuses.set(id, { type: "left", id, members });
    };
    left("1", "2", "3", "4");
    left("2", "3", "4", "5");
    left("3", "4", "5", "6");
    const members = votersNamed(["5", "6", "7"]);
    for (const id of ["5", "6", "7"]) {
      const status = statusOf(id, id === "7" ? "leader" : "follower", "7");
      edge.group.statuses.set(id, { ...status, members, membersIndex: 30 });
    }
    expect(await (await edge.send("GET", path)).json()).toMatchObject({ leader: "7", members });
  });

  test.each([
    ["no leader", "1", "503 no_leader not_applied"],
    ["nobody", "1 2 3", "503 unavailable not_applied"],
  ])("are not known when there is %s", async (_, dead, answer) => {
    const edge = edgeWhere(null);
    for (const id of dead.split(" ")) edge.group.statuses.delete(id);
    expect(await gist(await edge.send("GET", path))).toBe(answer);
  });

  test("of a namespace that was never used are nobody", async () => {
    const edge = new EdgeUnderTest();
    for (const id of ["1", "2", "3"]) edge.group.statuses.set(id, { type: "uninitialised" });
    expect(await gist(await edge.send("GET", path))).toBe("404 namespace_not_found not_applied");
  });

  test.each(["PUT", "DELETE"])("have no %s", async (method) => {
    expect(await gist(await edgeWhere(null).send(method, path))).toBe(
      "405 method_not_allowed not_applied",
    );
  });
});

describe("a new member", () => {
  test.each([
    ['{"region":"weur"}', { type: "add", region: "weur", replaces: null }],
    ['{"region":"weur","replaces":"2"}', { type: "add", region: "weur", replaces: "2" }],
    ['{"replaces":"2"}', { type: "add", region: "local", replaces: "2" }],
  ])("comes by %s", async (body, wanted) => {
    const edge = edgeWhere((change) => {
      expect(change).toEqual(wanted);
      setMembers(edge, votersNamed(["1", "3", "4"]), 9);
      return { type: "begun", id: "4" };
    });
    const response = await add(edge, body);
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ id: "4", done: true });
  });

  test("that has no vote yet when time is up is on its way", async () => {
    const edge = edgeWhere(() => {
      setMembers(edge, [...votersNamed(["1", "2", "3"]), learner("4", null)], 9);
      return { type: "begun", id: "4" };
    });
    const { value } = await inVirtualTime(() => add(edge, '{"region":"weur"}', "?timeout=1s"));
    expect(value.status).toBe(202);
    expect(await value.json()).toMatchObject({ id: "4", done: false });
  });

  test.each([
    "",
    "2",
    "null",
    "{}",
    "[]",
    '{"id":"4"}',
    '{"region":"mars"}',
    '{"region":1}',
    '{"replaces":2}',
    '{"region":"weur","id":"4"}',
    '{"region":"weur"',
    `{"replaces":"2"${" ".repeat(1024)}}`,
  ])("is refused by the body %s", async (body) => {
    expect(await gist(await add(edgeWhere(null), body))).toBe("400 bad_body not_applied");
  });

  test("in the place of a stranger is refused, and the members are named", async () => {
    const problem = await problemIn(await add(edgeWhere(null), '{"replaces":"9"}'));
    expect(problem).toMatchObject({ status: 404, code: "replica_not_found" });
    expect(problem.detail).toContain("it has 1, 2, 3");
  });

  test("waits for another change to end", async () => {
    let asked = 0;
    const edge = edgeWhere(() => {
      if (asked++ < 3) return { type: "dropped" };
      setMembers(edge, votersNamed(["1", "2", "3", "4"]), 9);
      return { type: "begun", id: "4" };
    });
    const { value } = await inVirtualTime(() => add(edge, '{"region":"weur"}'));
    expect(value.status).toBe(201);
  });

  test("is refused when another change does not end in time", async () => {
    const edge = edgeWhere(() => ({ type: "dropped" }));
    const { value } = await inVirtualTime(() => add(edge, '{"region":"weur"}', "?timeout=1s"));
    expect(await gist(value)).toBe("503 not_ready not_applied");
  });

  test.each<[ChangeResult | null, string]>([
    [{ type: "refused", reason: "too_many" }, "409 membership_conflict not_applied"],
    [{ type: "refused", reason: "already_replaced" }, "409 membership_conflict not_applied"],
    [{ type: "unknown" }, "504 outcome_unknown unknown"],
    [null, "504 outcome_unknown unknown"],
  ])("the leader answers %j", async (result, answer) => {
    const edge = edgeWhere(result === null ? null : () => result);
    expect(await gist(await add(edge, '{"region":"weur"}'))).toBe(answer);
  });

  test("needs a Worker that is known, where replicas are in several", async () => {
    const edge = edgeWhere(() => ({ type: "begun", id: "4" }));
    const { REPLICA } = edge.group.env();
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
      const [, name, rest] = /_replica\/(.*?\/\d+)(\/.*)/.exec(url)!;
      const stub = REPLICA.get(REPLICA.idFromName(name!));
      return stub.fetch(`https://replica${rest}`, init);
    });
    const ask = (ids: readonly string[]): Promise<Response> => {
      const urls = Object.fromEntries(ids.map((id) => [id, `http://127.0.0.1:${id}`]));
      return edge.fetch(
        `/v1/ns/${edge.group.namespace}${path}?timeout=50ms`,
        { method: "POST", body: '{"region":"weur"}' },
        {
          REPLICA_URLS: JSON.stringify(urls),
          REPLICA_SECRET: "sixteen or more!".replaceAll(" ", "-"),
        },
      );
    };
    try {
      const problem = await problemIn(await ask(["1", "2", "3"]));
      expect(problem).toMatchObject({ status: 409, code: "membership_conflict" });
      expect(problem.detail).toContain("the new replica will be 4");
      expect((await ask(["1", "2", "3", "4"])).status).toBe(202);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test.each(["If-Match", "If-None-Match", "Idempotency-Key", "KV-Metadata"])(
    "is refused with %s",
    async (name) => {
      const headers = { [name]: "x" };
      const body = '{"region":"weur"}';
      const come = await edgeWhere(null).send("POST", path, { body, headers });
      expect(await gist(come)).toMatch(/^400 unsupported_\w+ not_applied$/);
      const go = await edgeWhere(null).send("DELETE", `${path}/3`, { headers });
      expect(await gist(go)).toMatch(/^400 unsupported_\w+ not_applied$/);
    },
  );
});

describe("a member that goes", () => {
  test("is named in the path", async () => {
    const edge = edgeWhere((change) => {
      expect(change).toEqual({ type: "remove", id: "3" });
      setMembers(edge, votersNamed(["1", "2"]), 9);
      return { type: "begun", id: "3" };
    });
    const response = await remove(edge, "3");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id: "3", done: true });
  });

  test("may still be leaving when time is up", async () => {
    const leaving: MemberStatus = { id: "3", region: "local", role: "leaving", replaces: null };
    const edge = edgeWhere(() => {
      setMembers(edge, [...votersNamed(["1", "2"]), leaving], 9);
      return { type: "begun", id: "3" };
    });
    const { value } = await inVirtualTime(() => remove(edge, "3", "?timeout=1s"));
    expect(value.status).toBe(202);
    expect(await value.json()).toMatchObject({ id: "3", done: false });
  });

  test.each<[ChangeResult, string]>([
    [{ type: "refused", reason: "no_such_member" }, "404 replica_not_found not_applied"],
    [{ type: "refused", reason: "last_voter" }, "409 membership_conflict not_applied"],
    [{ type: "refused", reason: "already_replaced" }, "409 membership_conflict not_applied"],
  ])("the leader answers %j", async (result, answer) => {
    expect(
      await gist(
        await remove(
          edgeWhere(() => result),
          "9",
        ),
      ),
    ).toBe(answer);
  });

  test("that leads has handed over by the time it is asked again", async () => {
    const edge = edgeWhere(null);
    edge.group.change = (leader) => {
      const members = votersNamed(["1", "2", "3"]);
      if (leader === "1") {
        const status = { ...statusOf("2", "leader", "2"), term: 2, members };
        edge.group.statuses.set("2", status);
        return { type: "dropped" };
      }
      const status = { ...statusOf("2", "leader", "2"), term: 2, membersIndex: 9, commitIndex: 9 };
      edge.group.statuses.set("2", { ...status, members: votersNamed(["2", "3"]) });
      return { type: "begun", id: "1" };
    };
    const { value } = await inVirtualTime(() => remove(edge, "1"));
    expect(value.status).toBe(200);
    expect(await value.json()).toMatchObject({ leader: "2", done: true });
  });

  test.each(["GET", "POST", "PUT"])("is not asked for by %s", async (method) => {
    const response = await edgeWhere(null).send(method, `${path}/3`);
    expect(await gist(response)).toBe("405 method_not_allowed not_applied");
  });
});

test("an edge that knew the members finds them, though nobody of the settings is left to ask", async () => {
  const edge = new EdgeUnderTest();
  const members = votersNamed(["4", "5", "6"]);
  const says = (id: string, leader: string, term: number): void => {
    const status = statusOf(id, id === leader ? "leader" : "follower", leader);
    edge.group.statuses.set(id, { ...status, members, membersIndex: 9, term });
  };
  const left = { type: "left", id: "1", members: [{ id: "4", region: "local" }] } as const;
  edge.group.statuses.set("1", left);
  for (const id of ["4", "5", "6"]) says(id, "4", 1);
  edge.group.script("4", "leads");
  expect((await edge.put("a")).status).toBe(201);
  edge.group.statuses.delete("1");
  edge.group.statuses.delete("4");
  edge.group.script("4", "is dead").script("5", "leads");
  for (const id of ["5", "6"]) says(id, "5", 2);
  expect((await edge.get("a")).status).toBe(200);
});

test("a new replica is placed where it is to be, whoever calls it first", async () => {
  const edge = edgeWhere(null);
  setMembers(edge, [...votersNamed(["1", "2", "3"]), learner("4", null)], 7);
  await edge.send("GET", path);
  const placed = edge.group.got.find(({ name }) => name.endsWith("/4"));
  expect(placed).toMatchObject({ locationHint: "weur" });
});
