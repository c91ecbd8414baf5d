import { describe, expect, test } from "vitest";
import type { MemberStatus } from "../../src/protocol/client.ts";
import { statusOf, votersNamed } from "../support/fake-group.ts";
import { EdgeUnderTest, gist } from "./edge-under-test.ts";

const confirm = "I accept that acknowledged writes may be lost";
const rebuild = (edge: EdgeUnderTest, survivor: string, lost: string[]): Promise<Response> =>
  edge.send("POST", "/cluster/rebuild", { body: JSON.stringify({ survivor, lost, confirm }) });

/** Replicas `there` of a group of these members; the survivor can be rebuilt. */
function edgeWhere(
  there: readonly string[],
  members: readonly MemberStatus[],
  diverged = false,
  outgoing: readonly string[] = [],
): EdgeUnderTest {
  const edge = new EdgeUnderTest();
  for (const id of there)
    edge.group.statuses.set(id, { ...statusOf(id, "follower", null), members, diverged, outgoing });
  edge.group.rebuild = (id, epoch) => {
    const status = statusOf(id, "leader", id);
    edge.group.statuses.set(id, {
      ...status,
      members: votersNamed([id]),
      epoch: epoch + 1,
      term: 9,
    });
    return { type: "rebuilt", epoch: epoch + 1 };
  };
  return edge;
}

const leaving = (id: string): MemberStatus => ({
  id,
  region: "local",
  role: "leaving",
  replaces: null,
});

describe("a group is rebuilt", () => {
  test("[A7] [A12] of a group in which nobody is right, as operations.md says", async () => {
    const edge = edgeWhere(["1", "2", "3"], votersNamed(["1", "2", "3"]), true);
    expect(await gist(await rebuild(edge, "2", ["1", "3"]))).toBe("200");
  });

  test("of a group whose new voters have lost their majority, though not all voters have", async () => {
    // 3 was to go, and 2 is lost: 1 and 3 are no majority of 1 2.
    const edge = edgeWhere(["1", "3"], [...votersNamed(["1", "2"]), leaving("3")], false, [
      "1",
      "2",
      "3",
    ]);
    expect(await gist(await rebuild(edge, "1", ["2", "3"]))).toBe("200");
  });

  test("is refused where each half has its majority, though not all together have", async () => {
    // 4 was to take the place of 3, and both are lost: 1 and 2 are a majority of 1 2 3, and of 1 2 4.
    const edge = edgeWhere(["1", "2"], [...votersNamed(["1", "2", "4"]), leaving("3")], false, [
      "1",
      "2",
      "3",
    ]);
    expect(await gist(await rebuild(edge, "1", ["2", "3", "4"]))).toBe(
      "409 membership_conflict not_applied",
    );
  });
});
