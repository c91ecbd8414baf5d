import { describe, expect, test } from "vitest";
import type { RebuildResult } from "../../src/protocol/client.ts";
import { statusOf, votersNamed } from "../support/fake-group.ts";
import { EdgeUnderTest, gist, problemIn } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

const confirm = "I accept that acknowledged writes may be lost";

/** Five replicas of which 2 and 4 are left; 2 has more of the log. */
function edgeWhere(rebuild: ((epoch: number) => RebuildResult) | null): EdgeUnderTest {
  const edge = new EdgeUnderTest({ replicas: 5 });
  const members = votersNamed(["1", "2", "3", "4", "5"]);
  for (const [id, lastLogIndex] of [
    ["2", 9],
    ["4", 7],
  ] as const) {
    const status = statusOf(id, "follower", "1");
    edge.group.statuses.set(id, { ...status, members, lastLogIndex, epoch: 3 });
  }
  if (rebuild === null) return edge;
  edge.group.rebuild = (id, epoch) => {
    expect(id).toBe("2");
    return rebuild(epoch);
  };
  return edge;
}

/** An edge before a group that can be rebuilt. */
function sound(): EdgeUnderTest {
  const edge = edgeWhere((epoch) => {
    const status = statusOf("2", "leader", "2");
    const members = votersNamed(["2"]);
    edge.group.statuses.set("2", { ...status, members, epoch: epoch + 1, term: 1_000_002 });
    return { type: "rebuilt", epoch: epoch + 1 };
  });
  return edge;
}

const ask = (edge: EdgeUnderTest, body: object | string, query = ""): Promise<Response> =>
  edge.send("POST", `/cluster/rebuild${query}`, {
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

const request = { survivor: "2", lost: ["5", "1", "3", "4"], confirm };

describe("a group that has lost its quorum", () => {
  test("goes on from the replica that has most of the log, and the others retire", async () => {
    const edge = sound();
    const response = await ask(edge, request);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ leader: "2", epoch: 4, term: 1_000_002 });
    expect(edge.group.retired.sort()).toEqual(["1 for 4", "3 for 4", "4 for 4", "5 for 4"]);
  });

  test.each<[string, object | string]>([
    ["no JSON", "{"],
    ["no survivor", { lost: ["1"], confirm }],
    ["no list", { survivor: "2", lost: "1", confirm }],
    ["numbers", { survivor: "2", lost: [1], confirm }],
    ["no confirmation", { survivor: "2", lost: request.lost }],
    ["another confirmation", { ...request, confirm: "yes" }],
    ["something else", { ...request, force: true }],
    ["more than 1 KiB", JSON.stringify(request) + " ".repeat(1024)],
    ["not everybody is named", { ...request, lost: ["1", "3", "5"] }],
    ["somebody who is no member is named", { ...request, lost: ["1", "3", "4", "5", "6"] }],
    ["the survivor is named", { ...request, lost: ["1", "2", "3", "4", "5"] }],
  ])("is left alone: %s", async (_, body) => {
    expect(await gist(await ask(sound(), body))).toBe("400 bad_body not_applied");
  });

  test("is left alone when the survivor is not there", async () => {
    const lost = ["2", "3", "4", "5"];
    const answer = await ask(sound(), { ...request, survivor: "1", lost });
    expect(await gist(answer)).toBe("404 replica_not_found not_applied");
  });

  test("is left alone when another has more of the log", async () => {
    const lost = ["1", "2", "3", "5"];
    const problem = await problemIn(await ask(sound(), { ...request, survivor: "4", lost }));
    expect(problem).toMatchObject({ status: 409, code: "membership_conflict" });
    expect(problem.detail).toContain("replica 2 has more of the log");
  });

  test("is left alone when another has a newer entry, though fewer", async () => {
    const edge = sound();
    const newer = edge.group.statuses.get("4") as ReturnType<typeof statusOf>;
    edge.group.statuses.set("4", { ...newer, lastLogTerm: 2 });
    expect(await gist(await ask(edge, request))).toBe("409 membership_conflict not_applied");
  });

  test("is left alone when it leads by now", async () => {
    const edge = edgeWhere(() => ({ type: "refused" }));
    expect(await gist(await ask(edge, request))).toBe("409 membership_conflict not_applied");
  });

  test("is in doubt when the survivor does not answer, or does not lead in time", async () => {
    expect(await gist(await ask(edgeWhere(null), request))).toBe("504 outcome_unknown unknown");
    const slow = edgeWhere(() => ({ type: "rebuilt", epoch: 4 }));
    const { value } = await inVirtualTime(() => ask(slow, request, "?timeout=1s"));
    expect(await gist(value)).toBe("504 outcome_unknown unknown");
  });
});

describe("a group that can go on by itself", () => {
  test("is left alone when there is a leader", async () => {
    const edge = sound();
    const leading = edge.group.statuses.get("2") as ReturnType<typeof statusOf>;
    edge.group.statuses.set("2", { ...leading, role: "leader" });
    expect(await gist(await ask(edge, request))).toBe("409 membership_conflict not_applied");
  });

  test("is left alone when a majority of its voters is there", async () => {
    const edge = sound();
    const other = edge.group.statuses.get("4") as ReturnType<typeof statusOf>;
    edge.group.statuses.set("5", { ...other, id: "5" });
    expect(await gist(await ask(edge, request))).toBe("409 membership_conflict not_applied");
  });

  test("is no group at all when nobody has heard of it", async () => {
    const edge = new EdgeUnderTest();
    for (const id of ["1", "2", "3"]) edge.group.statuses.set(id, { type: "uninitialised" });
    expect(await gist(await ask(edge, request))).toBe("404 namespace_not_found not_applied");
  });

  test.each(["If-Match", "If-None-Match", "Idempotency-Key", "KV-Metadata"])(
    "is not rebuilt with %s",
    async (name) => {
      const init = { body: JSON.stringify(request), headers: { [name]: "x" } };
      const response = await sound().send("POST", "/cluster/rebuild", init);
      expect(await gist(response)).toMatch(/^400 unsupported_\w+ not_applied$/);
    },
  );

  test.each(["GET", "PUT", "DELETE"])("has no %s", async (method) => {
    expect(await gist(await sound().send(method, "/cluster/rebuild"))).toBe(
      "405 method_not_allowed not_applied",
    );
  });
});
