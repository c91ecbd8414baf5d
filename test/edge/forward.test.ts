import { describe, expect, test } from "vitest";
import { windowSize } from "../../src/kv/request-window.ts";
import { statusOf } from "../support/fake-group.ts";
import { EdgeUnderTest, gist } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

const floorsOf = ({ group }: EdgeUnderTest): unknown[] =>
  group.calls.map(({ request }) => (request.type === "get" ? "get" : request.floor));

describe("what an edge remembers", () => {
  test("the leader that a hint led to is asked first from then on", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "follows 3").script("3", "leads");
    await edge.put("a");
    await edge.get("a");
    await edge.put("b");
    expect(edge.group.asked).toBe("1 3 3 3");
  });

  test("a leader that the settings don't name is remembered too", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "follows 5").script("5", "leads");
    await edge.put("a");
    await edge.put("a");
    expect(edge.group.asked).toBe("1 5 5");
  });

  test("other apps of the same isolate know it as well", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "follows 2").script("2", "leads");
    await edge.put("a");
    await edge.fetch(`/readyz?ns=${edge.group.namespace}`);
    expect(edge.group.asked).toBe("1 2 2");
  });

  test("a leader that is lost is forgotten", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "follows").script("2", "leads", "is dead");
    await edge.put("a");
    await inVirtualTime(() => edge.send("PUT", "/keys/a?timeout=100"));
    edge.group.calls.length = 0;
    edge.group.script("1", "leads");
    await edge.put("a");
    expect(edge.group.asked).toBe("1");
  });

  test("a deposed leader's hint is followed", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "leads", "follows 2").script("2", "leads");
    for (let i = 0; i < 3; i++) await edge.put("a");
    expect(edge.group.asked).toBe("1 1 2 2");
  });
});

describe("how a replica is called", () => {
  test("by the name of its object, without a place when it has none, and once", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.believes("1");
    await edge.put("a");
    const name = `${edge.group.namespace}/1`;
    expect(edge.group.got).toEqual([{ name, locationHint: undefined, maxRetries: 0 }]);
  });

  test("with the place that the settings give it", async () => {
    const edge = new EdgeUnderTest({ replicas: 5, regions: "wnam, weur" });
    await edge.believes("1");
    edge.group.script("1", "follows 2").script("2", "follows 3").script("3", "follows 7");
    edge.group.script("7", "leads");
    await edge.put("a");
    expect(edge.group.got.map(({ locationHint }) => locationHint)).toEqual([
      "wnam",
      "weur",
      "wnam",
      // One that the settings don't name is there already, wherever that is.
      undefined,
    ]);
  });

  test("by a stub of its own each time", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "drops", "drops", "leads");
    await inVirtualTime(() => edge.put("a"));
    expect(edge.group.got).toHaveLength(3);
  });
});

describe("poking", () => {
  test("when one replica is lost, all check their deadlines, and one tells who leads", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "follows 3").script("3", "is dead").script("2", "leads");
    await inVirtualTime(() => edge.put("a"));
    expect(edge.group.pokes).toEqual(["1", "2", "3"]);
    expect(edge.group.asked).toBe("1 3 2");
  });

  test("when the leader is there, nobody is poked", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "follows 2").script("2", "drops", "drops", "expires", "leads");
    await inVirtualTime(() => edge.put("a"));
    expect(edge.group.pokes).toEqual([]);
  });

  test("it goes on until somebody leads, and then the request is sent, once", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    for (const id of ["1", "2", "3"]) edge.group.script(id, "follows");
    const { value } = await inVirtualTime(async () => {
      setTimeout(() => edge.group.script("3", "leads"), 500);
      return edge.put("a");
    });
    expect(value.status).toBe(201);
    expect(edge.group.asked).toBe("1 3");
    expect(edge.group.pokes.length).toBeGreaterThan(6);
  });

  test("one that hangs holds up nobody who knows", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.statuses.set("2", "hangs");
    edge.group.script("1", "is dead").script("3", "follows");
    const { value, tookMs } = await inVirtualTime(async () => {
      setTimeout(() => edge.group.script("3", "leads"), 300);
      return edge.put("a");
    });
    expect(value.status).toBe(201);
    expect(edge.group.asked).toBe("1 3");
    expect(tookMs).toBeLessThanOrEqual(550);
  });

  test("one that hangs is poked again after a second", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.statuses.set("2", "hangs");
    edge.group.script("1", "is dead").script("2", "leads");
    const { value, tookMs } = await inVirtualTime(async () => {
      setTimeout(() => edge.group.statuses.delete("2"), 500);
      return edge.put("a");
    });
    expect(value.status).toBe(201);
    expect(tookMs).toBeLessThanOrEqual(1100);
  });

  test("those who still name the lost one are not believed", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "hangs").script("2", "follows 1").script("3", "follows 1");
    const { value } = await inVirtualTime(async () => {
      setTimeout(() => edge.group.script("2", "leads"), 1000);
      return edge.put("a");
    });
    expect(value.status).toBe(201);
    expect(edge.group.asked).toBe("1 2");
  });

  test("one that says that it leads, and does not serve, is asked ever more slowly", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "refuses");
    edge.group.statuses.set("1", statusOf("1", "leader", "1"));
    const { value } = await inVirtualTime(() => edge.get("a"));
    expect(await gist(value)).toBe("503 no_leader not_applied");
    expect(edge.group.calls.length).toBeGreaterThan(20);
    expect(edge.group.calls.length).toBeLessThan(200);
  });

  test("the founder is asked again when no group is there yet", async () => {
    const edge = new EdgeUnderTest();
    for (const id of ["1", "2", "3"]) edge.group.statuses.set(id, { type: "uninitialised" });
    edge.group.script("1", "is dead", "leads");
    const { value } = await inVirtualTime(() => edge.put("a"));
    expect(value.status).toBe(201);
    expect(edge.group.asked).toBe("1 1");
  });
});

describe("an edge that knows nothing", () => {
  test("looks before it asks, so that what is dead puts nothing in doubt", async () => {
    for (const send of ["put", "get"] as const) {
      const edge = new EdgeUnderTest();
      edge.group.script("1", "is dead").script("2", "leads").script("3", "follows 2");
      // A blind first attempt, with the floor of one who knows nothing, could not be told of later.
      edge.group.table.pass(windowSize + 1);
      const { value, tookMs } = await inVirtualTime(() => edge[send]("a"));
      expect([value.status, tookMs]).toEqual([send === "put" ? 201 : 404, 0]);
      expect(edge.group.asked).toMatch(/^2( 2)?$/);
      expect(edge.group.pokes).toEqual(["1", "2", "3"]);
    }
  });

  test("sends nothing where nobody is, and so knows what happened", async () => {
    const edge = new EdgeUnderTest();
    const { value } = await inVirtualTime(() => edge.put("a"));
    expect(await gist(value)).toBe("503 unavailable not_applied");
    expect(edge.group.asked).toBe("");
  });

  test("asks the founder of a group that is not there yet, once that is there to found it", async () => {
    const edge = new EdgeUnderTest();
    for (const id of ["2", "3"]) edge.group.statuses.set(id, { type: "uninitialised" });
    const { value } = await inVirtualTime(async () => {
      setTimeout(() => {
        edge.group.statuses.set("1", { type: "uninitialised" });
        edge.group.script("1", "leads");
      }, 300);
      return edge.put("a");
    });
    expect(value.status).toBe(201);
    expect(edge.group.asked).toBe("1");
  });
});

describe("after the leader was lost", () => {
  test("no write is sent on a guess, so none is in doubt for that", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a");
    for (const id of ["1", "2", "3"]) edge.group.script(id, "is dead");
    const answers = [
      "504 outcome_unknown unknown",
      ...Array(2).fill("503 unavailable not_applied"),
    ];
    for (const expected of answers) {
      const { value } = await inVirtualTime(() => edge.put("a"));
      expect(await gist(value)).toBe(expected);
    }
    expect(edge.group.asked).toBe("1 1");
    edge.group.script("2", "leads");
    expect((await edge.put("a")).status).toBe(200);
    expect(edge.group.asked).toBe("1 1 2");
  });

  test("another request's newer finding is not forgotten with it", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a");
    edge.group.script("1", "hangs", "follows 2").script("2", "leads");
    await inVirtualTime(async () => {
      const slow = edge.put("slow");
      // Meanwhile another one is told of the new leader; then the first is given up.
      await edge.put("quick");
      return slow;
    });
    edge.group.calls.length = 0;
    await edge.put("a");
    expect(edge.group.asked).toBe("2");
  });
});

describe("the deadline", () => {
  test("a leader that hangs leaves time for another one", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "applies, then hangs").script("2", "leads");
    const { value, tookMs } = await inVirtualTime(() => edge.send("PUT", "/keys/a?timeout=300"));
    expect(value.status).toBe(201);
    expect(tookMs).toBe(150);
  });

  test("of an odd number of ms can be halved, too", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "hangs").script("2", "leads");
    const { value, tookMs } = await inVirtualTime(() => edge.send("PUT", "/keys/a?timeout=301"));
    expect([value.status, tookMs]).toEqual([201, 151]);
  });

  test("an attempt takes no longer than an election, however long the request may", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "hangs").script("2", "leads");
    const { tookMs } = await inVirtualTime(() => edge.put("a"));
    expect(tookMs).toBe(600);
  });

  test("it is 5 s unless the request says less", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    for (const id of ["1", "2", "3"]) edge.group.script(id, "hangs");
    const { value, tookMs } = await inVirtualTime(() => edge.put("a"));
    expect(await gist(value)).toBe("504 outcome_unknown unknown");
    expect(tookMs).toBeGreaterThanOrEqual(4990);
    expect(tookMs).toBeLessThanOrEqual(5000);
  });

  test.each([50, 51, 77, 333, 1001])("of %d ms is kept, odd or even", async (timeoutMs) => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    for (const id of ["1", "2", "3"]) edge.group.script(id, "hangs");
    const path = `/keys/a?timeout=${timeoutMs}`;
    const { value, tookMs } = await inVirtualTime(() => edge.send("GET", path));
    expect(value.status).toBe(503);
    expect(tookMs).toBeGreaterThanOrEqual(timeoutMs - 10);
    expect(tookMs).toBeLessThanOrEqual(timeoutMs);
  });

  test.each([5, 50, 90])(
    "when all answer in %d ms that they don't lead, it stays certain",
    async (ms) => {
      for (const timeout of [200, 201, 250, 333, 1000, 5000]) {
        const edge = new EdgeUnderTest();
        edge.group.latencyMs = ms;
        for (const id of ["1", "2", "3"]) edge.group.script(id, "follows");
        const { value } = await inVirtualTime(() => edge.send("PUT", `/keys/a?timeout=${timeout}`));
        expect(await gist(value)).toBe("503 no_leader not_applied");
      }
    },
  );

  test("a search without a leader does not run hot", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    for (const id of ["1", "2", "3"]) edge.group.script(id, "follows");
    await inVirtualTime(() => edge.put("a"));
    // Of each of the three, 10 to 100 ms apart: about 90.
    expect(edge.group.pokes.length).toBeLessThan(3 * 200);
    expect(edge.group.asked).toBe("1");
  });

  test("with the timers of far regions it is slower still", async () => {
    const edge = new EdgeUnderTest({ electionMs: [2000, 4000] });
    await edge.believes("1");
    for (const id of ["1", "2", "3"]) edge.group.script(id, "follows");
    await inVirtualTime(() => edge.put("a"));
    expect(edge.group.pokes.length).toBeLessThan(3 * 60);
  });

  test("a floor that stays too old is no reason to go on for ever", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "expires");
    expect(await gist(await edge.put("a"))).toBe("503 overloaded not_applied");
    expect(edge.group.asked).toBe("1 1");
  });

  test("a write is not begun when there is no time for its answer", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.latencyMs = 60;
    edge.group.script("1", "follows 2").script("2", "follows 3").script("3", "leads");
    // After two answers of 60 ms there is half of a third one's time left.
    const path = "/keys/a?timeout=150";
    const { value } = await inVirtualTime(() => edge.send("PUT", path));
    expect(await gist(value)).toBe("503 no_leader not_applied");
    expect(edge.group.asked).toBe("1 2");
  });

  test("a write that is dropped again and again does not run hot", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "drops");
    await inVirtualTime(() => edge.put("a"));
    expect(edge.group.calls.length).toBeLessThan(200);
  });
});

describe("the floor of a write", () => {
  test("is 0 on a new edge, and then the newest command that any answer told of", async () => {
    const edge = EdgeUnderTest.withLeader();
    await edge.put("a");
    await edge.put("a");
    edge.group.table.pass(100);
    await edge.get("a");
    await edge.put("a");
    expect(floorsOf(edge)).toEqual([0, 1, "get", 102]);
  });

  test("that is too old is made anew at once, and kept for the next request", async () => {
    const edge = EdgeUnderTest.withLeader();
    edge.group.table.pass(windowSize + 1);
    const { value, tookMs } = await inVirtualTime(() => edge.put("a"));
    expect(value.status).toBe(201);
    expect(tookMs).toBe(0);
    await edge.put("a");
    expect(floorsOf(edge)).toEqual([0, windowSize + 1, windowSize + 2]);
  });

  test("that is just not too old is fine", async () => {
    const edge = EdgeUnderTest.withLeader();
    edge.group.table.pass(windowSize);
    expect((await edge.put("a")).status).toBe(201);
    expect(floorsOf(edge)).toEqual([0]);
  });

  test("stays what it was when the first attempt may have been carried out", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.script("1", "applies, then hangs", "leads").script("2", "leads");
    // Meanwhile the rest of the world fills the window, and this edge hears of it.
    const { value } = await inVirtualTime(async () => {
      const first = edge.put("a", "first");
      await new Promise((resolve) => setTimeout(resolve, 100));
      edge.group.table.pass(windowSize);
      await edge.put("b", "second");
      return first;
    });
    expect([...edge.group.table.effects.values()]).toEqual([1, 1]);
    expect(await gist(value)).toBe("504 outcome_unknown unknown");
  });

  test("that is too old after a lost attempt is at least learnt for the next request", async () => {
    const edge = new EdgeUnderTest();
    await edge.believes("1");
    edge.group.table.pass(windowSize + 1);
    edge.group.script("1", "is dead").script("2", "leads").script("3", "follows 2");
    const first = await inVirtualTime(() => edge.put("a"));
    expect(await gist(first.value)).toBe("504 outcome_unknown unknown");
    const second = await inVirtualTime(() => edge.put("a"));
    expect(await gist(second.value)).toBe("201");
  });
});
