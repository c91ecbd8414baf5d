import { describe, expect, test, vi } from "vitest";
import type { TransferResult } from "../../src/protocol/client.ts";
import { statusOf, votersNamed } from "../support/fake-group.ts";
import { EdgeUnderTest, gist, problemIn } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

/** Three replicas in two regions, of which replica 1 leads and does this when it is to hand over. */
function edgeWhere(transfer: ((to: string) => TransferResult | "leads") | null): EdgeUnderTest {
  const edge = new EdgeUnderTest({ regions: "wnam,weur,weur" });
  const regions = ["wnam", "weur", "weur"];
  const members = regions.flatMap((region, i) => votersNamed([`${i + 1}`], region));
  for (const { id, region } of members) {
    const status = statusOf(id, id === "1" ? "leader" : "follower", "1");
    const lastLogIndex = id === "3" ? 9 : 5;
    edge.group.statuses.set(id, { ...status, region, members, lastLogIndex });
  }
  if (transfer === null) return edge;
  edge.group.transfer = (leader, to) => {
    expect(leader).toBe("1");
    const result = transfer(to);
    if (result !== "leads") return result;
    const status = statusOf(to, "leader", to);
    edge.group.statuses.set(to, { ...status, term: 2, region: "weur", members });
    return { type: "started" };
  };
  return edge;
}

const ask = (edge: EdgeUnderTest, body: string, query = ""): Promise<Response> =>
  edge.send("POST", `/cluster/leader${query}`, { body });

describe("Who leads", () => {
  test.each([
    ['{"replica":"2"}', "2"],
    ['{"region":"weur"}', "3"],
  ])("%s makes replica %s the leader", async (body, leader) => {
    const edge = edgeWhere(() => "leads");
    const response = await ask(edge, body);
    expect(response.status).toBe(200);
    const { namespace } = edge.group;
    expect(await response.json()).toEqual({ namespace, leader, region: "weur", term: 2 });
  });

  test.each(['{"replica":"1"}', '{"region":"wnam"}'])("%s leads already", async (body) => {
    const edge = edgeWhere(null);
    const response = await ask(edge, body);
    expect(await response.json()).toMatchObject({ leader: "1", region: "wnam", term: 1 });
  });

  test.each([
    "",
    "2",
    "null",
    "[]",
    "{}",
    '{"replica":2}',
    '{"replica":""}',
    '{"replicas":"2"}',
    '{"replica":"2","region":"weur"}',
    '{"replica":"2"',
  ])("the body %s is refused", async (body) => {
    const edge = edgeWhere(null);
    const response = await ask(edge, body);
    const problem = await problemIn(response);
    expect(problem).toMatchObject({ status: 400, code: "bad_body" });
    expect(problem.detail).toContain('{"replica":"2"}');
  });

  test.each(['{"replica":"9"}', '{"region":"apac"}'])("%s is not there", async (body) => {
    const response = await ask(edgeWhere(null), body);
    const problem = await problemIn(response);
    expect(problem).toMatchObject({ status: 404, code: "replica_not_found" });
    expect(problem.detail).toContain("1 in wnam, 2 in weur, 3 in weur");
  });

  test("a body of more than 1 KiB is refused as what it is", async () => {
    const response = await ask(edgeWhere(null), `{"replica":"${"2".repeat(1024)}"}`);
    const problem = await problemIn(response);
    expect(problem).toMatchObject({ status: 400, code: "bad_body" });
    expect(problem.detail).toContain("the body may have 1024 bytes");
    expect(problem.detail).not.toContain("value");
  });

  test.each(["If-Match", "If-None-Match", "Idempotency-Key", "KV-Metadata"])(
    "%s is refused, since it means nothing here",
    async (name) => {
      const edge = edgeWhere(() => "leads");
      const init = { body: '{"replica":"2"}', headers: { [name]: "x" } };
      const response = await edge.send("POST", "/cluster/leader", init);
      expect(await gist(response)).toMatch(/^400 unsupported_\w+ not_applied$/);
    },
  );

  test("where the leader is not ready for one of a region, the next is tried", async () => {
    const tried: string[] = [];
    const edge = edgeWhere((to) => {
      tried.push(to);
      return to === "3" ? { type: "notReady" } : "leads";
    });
    const response = await ask(edge, '{"region":"weur"}');
    expect(await response.json()).toMatchObject({ leader: "2", region: "weur", term: 2 });
    expect(tried).toEqual(["3", "2"]);
  });

  test("when no replica answers at all, that is what it says", async () => {
    const edge = edgeWhere(null);
    edge.group.statuses.clear();
    expect(await gist(await ask(edge, '{"replica":"2"}'))).toBe("503 unavailable not_applied");
  });

  test("when time is up before the leader is told of the next one, nothing was changed", async () => {
    const told: string[] = [];
    const edge = edgeWhere((to) => {
      told.push(to);
      vi.advanceTimersByTime(1000);
      return { type: "notReady" };
    });
    const { value } = await inVirtualTime(() => ask(edge, '{"region":"weur"}', "?timeout=1s"));
    expect(await gist(value)).toBe("503 unavailable not_applied");
    expect(told).toEqual(["3"]);
  });

  test("a replica that does not answer cannot lead", async () => {
    const edge = edgeWhere(null);
    edge.group.statuses.delete("2");
    expect(await gist(await ask(edge, '{"replica":"2"}'))).toBe("503 not_ready not_applied");
    // But another of its region can.
    edge.group.transfer = () => ({ type: "notReady" });
    expect(await gist(await ask(edge, '{"region":"weur"}'))).toBe("503 not_ready not_applied");
  });

  test("without a leader there is nothing to hand over", async () => {
    const edge = edgeWhere(null);
    edge.group.statuses.delete("1");
    expect(await gist(await ask(edge, '{"replica":"2"}'))).toBe("503 no_leader not_applied");
  });

  test("a namespace that was never used has no leader", async () => {
    const edge = new EdgeUnderTest();
    for (const id of ["1", "2", "3"]) edge.group.statuses.set(id, { type: "uninitialised" });
    expect(await gist(await ask(edge, '{"replica":"2"}'))).toBe(
      "404 namespace_not_found not_applied",
    );
  });

  test("a leader that was one no more says so, one that is silent leaves it open", async () => {
    const lost = edgeWhere(() => ({ type: "notLeader", leader: "3" }));
    expect(await gist(await ask(lost, '{"replica":"2"}'))).toBe("503 no_leader not_applied");
    const silent = edgeWhere(null);
    expect(await gist(await ask(silent, '{"replica":"2"}'))).toBe("504 outcome_unknown unknown");
  });

  test("what does not show within the deadline is left open", async () => {
    const edge = edgeWhere(() => ({ type: "started" }));
    const { value, tookMs } = await inVirtualTime(() =>
      ask(edge, '{"replica":"2"}', "?timeout=2s"),
    );
    expect(await gist(value)).toBe("504 outcome_unknown unknown");
    expect(tookMs).toBeGreaterThanOrEqual(2000);
    expect(tookMs).toBeLessThan(2300);
  });

  test("an unknown parameter is refused", async () => {
    const response = await ask(edgeWhere(null), '{"replica":"2"}', "?force=1");
    expect(await gist(response)).toBe("400 bad_parameter not_applied");
  });
});
