import { describe, expect, test } from "vitest";
import { parseTimeout, readQuery } from "../../src/edge/query.ts";
import { EdgeUnderTest, problemIn } from "./edge-under-test.ts";

const timeoutOf = (query: string): number =>
  parseTimeout(readQuery(`https://kv/a${query}`, ["timeout", "consistency"]).timeout);

describe("a timeout", () => {
  test.each([
    ["", 5000],
    ["?timeout=50", 50],
    ["?timeout=800", 800],
    ["?timeout=800ms", 800],
    ["?timeout=2s", 2000],
    ["?timeout=5s", 5000],
    ["?timeout=5000", 5000],
    ["?timeout=0.05s", 50],
    ["?timeout=1.5s", 1500],
    ["?timeout=000100", 100],
    ["?timeout=%38%30%30", 800],
    ["?consistency=linearizable&timeout=1s", 1000],
    ["?timeout=1s#timeout=2s", 1000],
  ])("given as %j is %d ms", (query, timeoutMs) => {
    expect(timeoutOf(query)).toBe(timeoutMs);
  });

  test.each(["?timeout=100.5", "?timeout=0.0505s", "?timeout=1.0001s"])(
    "of %s is a whole number of ms, as timers take",
    (query) => {
      expect(Number.isInteger(timeoutOf(query))).toBe(true);
    },
  );

  test.each(
    [
      "",
      "0",
      "49",
      "49.999",
      "49ms",
      "0.0499s",
      "5001",
      "5000.001",
      "5.001s",
      "6s",
      "60",
      "-100",
      "+100",
      " 100",
      "100 ",
      "1e3",
      "0x64",
      "100.",
      ".5s",
      "1,5s",
      "1_000",
      "1S",
      "100MS",
      "1m",
      "1 s",
      "soon",
      "NaN",
      "Infinity",
      "9999999",
      "١٠٠",
      "100\n",
    ].filter((text) => text !== "60"),
  )("of %j is refused", async (text) => {
    const edge = EdgeUnderTest.withLeader();
    for (const method of ["GET", "PUT", "DELETE"]) {
      const path = `/keys/a?timeout=${encodeURIComponent(text)}`;
      const problem = await problemIn(await edge.send(method, path));
      expect(problem).toMatchObject({ status: 400, code: "bad_parameter", outcome: "not_applied" });
    }
    expect(edge.group.calls).toEqual([]);
  });
});

test("a write is linearizable, and nothing else may be asked of it", async () => {
  const edge = EdgeUnderTest.withLeader();
  expect((await edge.send("PUT", "/keys/a?consistency=linearizable")).status).toBe(201);
  for (const other of ["any", "session", "bounded&max_staleness=2s"]) {
    for (const method of ["PUT", "DELETE"]) {
      const problem = await problemIn(await edge.send(method, `/keys/a?consistency=${other}`));
      expect(problem).toMatchObject({ status: 400, code: "bad_parameter" });
    }
  }
});

test.each(["", "strong", "Linearizable", "linearizable ", "any,session"])(
  "there is no consistency %j",
  async (other) => {
    const edge = EdgeUnderTest.withLeader();
    for (const method of ["GET", "PUT"]) {
      const path = `/keys/a?consistency=${encodeURIComponent(other)}`;
      const problem = await problemIn(await edge.send(method, path));
      expect(problem).toMatchObject({ status: 400, code: "bad_parameter" });
    }
  },
);

test.each(["%ff", "%", "%zz", "a%E2%82", "%ED%A0%80"])(
  "a query that is no UTF-8 is refused, not read as something else: %s",
  async (text) => {
    const edge = EdgeUnderTest.withLeader();
    for (const query of [`?timeout=${text}`, `?prefix=${text}`, `?${text}=1`]) {
      for (const path of ["/keys/a", "/keys"]) {
        const problem = await problemIn(await edge.send("DELETE", `${path}${query}`));
        expect(problem).toMatchObject({ status: 400, code: "bad_parameter" });
      }
    }
    expect(edge.group.calls).toEqual([]);
  },
);

test.each([
  "?timeOut=1s",
  "?Timeout=1s",
  "?x",
  "?=",
  "?prefix=a",
  "?timeout=1s&wait=1",
  "?__proto__=1",
  "?timeout=1s?consistency=linearizable",
])("a parameter that nobody knows is refused, not ignored: %s", async (query) => {
  const edge = EdgeUnderTest.withLeader();
  for (const method of ["GET", "PUT", "DELETE"]) {
    const problem = await problemIn(await edge.send(method, `/keys/a${query}`));
    expect(problem).toMatchObject({ status: 400, code: "bad_parameter", outcome: "not_applied" });
  }
  expect(edge.group.calls).toEqual([]);
});

test.each([
  "?consistency=linearizable&consistency=any",
  "?consistency=linearizable&consistency=linearizable",
  "?timeout=1s&timeout=2s",
  "?timeout=1s&timeout=soon",
])("a parameter given twice is refused: %s", async (query) => {
  const edge = EdgeUnderTest.withLeader();
  const problem = await problemIn(await edge.send("GET", `/keys/a${query}`));
  expect(problem).toMatchObject({ status: 400, code: "bad_parameter" });
  expect(edge.group.calls).toEqual([]);
});

test.each(["?", "?&", "?&&"])("an empty query asks for nothing: %s", async (query) => {
  expect((await EdgeUnderTest.withLeader().send("PUT", `/keys/a${query}`)).status).toBe(201);
});
