import { describe, expect, test } from "vitest";
import { EdgeUnderTest, gist } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

test("livez says that the Worker runs, even with settings that are wrong", async () => {
  const response = await new EdgeUnderTest().fetch("/livez", {}, { REPLICAS: "4" });
  expect([response.status, await response.text()]).toEqual([200, "ok\n"]);
});

describe("readyz", () => {
  const ready = async (edge: EdgeUnderTest, query: string, vars = {}): Promise<string> => {
    const response = await edge.fetch(`/readyz${query}`, {}, vars);
    return `${response.status} ${await response.text()}`;
  };

  test("checks the settings, and asks no replica", async () => {
    const edge = new EdgeUnderTest();
    expect(await ready(edge, "")).toBe("200 ok\n");
    expect(await ready(edge, "?verbose")).toBe("200 [+]config ok\nok\n");
    expect(edge.group.got).toEqual([]);
  });

  test("names the setting that is wrong, also when it is not asked to", async () => {
    const edge = EdgeUnderTest.withLeader();
    const [status, ...rest] = (await ready(edge, "?ns=shop", { REPLICAS: "4" })).split(" ");
    expect(status).toBe("503");
    expect(rest.join(" ")).toMatch(
      /^\[-\]config failed: REPLICAS must be odd.*\n\[-\]read in shop failed: REPLICAS.*\nnot ready\n$/,
    );
    expect(edge.group.got).toEqual([]);
  });

  test("of a namespace reads from its leader, whether the key has a value or not", async () => {
    const edge = EdgeUnderTest.withLeader();
    const { namespace } = edge.group;
    expect(await ready(edge, `?ns=${namespace}`)).toBe("200 ok\n");
    await edge.put("readyz");
    expect(await ready(edge, `?verbose&ns=${namespace}`)).toBe(
      `200 [+]config ok\n[+]read in ${namespace} ok\nok\n`,
    );
    expect(edge.group.calls.map(({ request }) => request.type)).toEqual(["get", "put", "get"]);
  });

  test("of a namespace without a leader says so, within its timeout", async () => {
    const edge = new EdgeUnderTest();
    for (const id of ["1", "2", "3"]) edge.group.script(id, "follows");
    const { namespace } = edge.group;
    const query = `?ns=${namespace}&timeout=300`;
    const { value, tookMs } = await inVirtualTime(() => ready(edge, query));
    expect(value).toBe(
      `503 [+]config ok\n[-]read in ${namespace} failed: no leader answered in time\nnot ready\n`,
    );
    expect(tookMs).toBeLessThanOrEqual(300);
  });

  test.each(["", "A", "-", "a%2Fb", "n".repeat(64)])("knows no namespace %j", async (name) => {
    const response = await new EdgeUnderTest().fetch(`/readyz?ns=${name}`);
    expect(await gist(response)).toBe("400 bad_namespace not_applied");
  });

  test.each(["?namespace=shop", "?ns=shop&timeout=1m"])("refuses %s", async (query) => {
    const response = await new EdgeUnderTest().fetch(`/readyz${query}`);
    expect(await gist(response)).toBe("400 bad_parameter not_applied");
  });
});

test.each(["/livez", "/readyz"])("a head of %s has no body", async (path) => {
  const response = await new EdgeUnderTest().fetch(path, { method: "HEAD" });
  expect([response.status, response.body]).toEqual([200, null]);
});
