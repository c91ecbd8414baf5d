import { describe, expect, test } from "vitest";
import type { MemberStatus } from "../../src/protocol/client.ts";
import { statusOf, votersNamed } from "../support/fake-group.ts";
import { EdgeUnderTest, problemIn } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

const path = "/cluster/members";

/** 1 was replaced by 4, which leads; 1 is out of reach and does not even say so. */
function edgeWhereOneHangs(): EdgeUnderTest {
  const edge = new EdgeUnderTest();
  const members = votersNamed(["2", "3", "4"]);
  for (const { id } of members) {
    const status = statusOf(id, id === "4" ? "leader" : "follower", "4");
    edge.group.statuses.set(id, {
      ...status,
      members,
      membersIndex: 9,
      commitIndex: 9,
      nextId: "5",
    });
  }
  edge.group.statuses.set("1", "hangs");
  return edge;
}

describe("a founder that hangs and belongs to the group no more", () => {
  test("hides no leader from who asks for the members", async () => {
    const edge = edgeWhereOneHangs();
    const { value } = await inVirtualTime(() => edge.send("GET", path));
    expect(value.status).toBe(200);
  });

  test("keeps nobody from changing the members", async () => {
    const edge = edgeWhereOneHangs();
    edge.group.change = () => ({ type: "begun", id: "5" });
    const { value } = await inVirtualTime(() =>
      edge.send("POST", path, { body: '{"region":"weur"}' }),
    );
    expect(value.status).toBe(202);
  });

  test("makes nobody unreachable in the status", async () => {
    const edge = edgeWhereOneHangs();
    const { value } = await inVirtualTime(() => edge.send("GET", "/cluster"));
    expect(await value.json()).toMatchObject({ leader: "4" });
  });
});

test("a leader that goes is waited for while the next one is elected", async () => {
  const edge = new EdgeUnderTest();
  const members = votersNamed(["1", "2", "3"]);
  const says = (
    leader: string | null,
    term: number,
    all: readonly MemberStatus[],
    index: number,
  ): void => {
    for (const id of ["1", "2", "3"]) {
      const status = statusOf(id, id === leader ? "leader" : "follower", leader);
      edge.group.statuses.set(id, {
        ...status,
        members: all,
        membersIndex: index,
        commitIndex: index,
        term,
      });
    }
  };
  says("1", 1, members, 0);
  edge.group.change = (leader) => {
    if (leader === "1") {
      // It hands over, and for some ms nobody leads.
      says(null, 2, members, 0);
      setTimeout(() => says("2", 2, members, 0), 200);
      return { type: "dropped" };
    }
    says("2", 2, votersNamed(["2", "3"]), 9);
    return { type: "begun", id: "1" };
  };
  const { value } = await inVirtualTime(() => edge.send("DELETE", `${path}/1`));
  expect(await value.text()).toContain('done":true');
});

test("in the place of a learner is refused, and the learner is named", async () => {
  const edge = new EdgeUnderTest();
  const learner = { id: "4", region: "weur", role: "learner", replaces: null } as const;
  for (const id of ["1", "2", "3"]) {
    const status = statusOf(id, id === "1" ? "leader" : "follower", "1");
    edge.group.statuses.set(id, { ...status, members: [...votersNamed(["1", "2", "3"]), learner] });
  }
  edge.group.change = () => ({ type: "refused", reason: "no_such_member" });
  const problem = await problemIn(await edge.send("POST", path, { body: '{"replaces":"4"}' }));
  expect(problem.detail).not.toContain('""');
});

/** A leader of two followers, that lets 3 go at once. */
function edgeThatLosesThird(membersIndex: number, commitIndex: number): EdgeUnderTest {
  const edge = new EdgeUnderTest();
  const set = (ids: string[], at: { membersIndex: number; commitIndex: number }): void => {
    for (const id of ids) {
      const status = statusOf(id, id === "1" ? "leader" : "follower", "1");
      edge.group.statuses.set(id, { ...status, members: votersNamed(ids), ...at });
    }
  };
  set(["1", "2", "3"], { membersIndex: 0, commitIndex: 0 });
  edge.group.change = () => {
    set(["1", "2"], { membersIndex, commitIndex });
    return { type: "begun", id: "3" };
  };
  return edge;
}

test("a change is seen to end from far away", async () => {
  const edge = edgeThatLosesThird(9, 9);
  edge.group.latencyMs = 150;
  const { value } = await inVirtualTime(() => edge.send("DELETE", `${path}/3`));
  expect(value.status).toBe(200);
});

test("a change whose last configuration is not committed is not over", async () => {
  const edge = edgeThatLosesThird(9, 8);
  const { value } = await inVirtualTime(() => edge.send("DELETE", `${path}/3?timeout=1s`));
  expect(value.status).toBe(202);
});
