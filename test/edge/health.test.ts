import { expect, test } from "vitest";
import { EdgeUnderTest, gist } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

test("livez says that the Worker runs, even with settings that are wrong", async () => {
  const response = await new EdgeUnderTest().fetch("/livez", {}, { REPLICAS: "4" });
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("ok\n");
});

test("readyz checks the settings, and asks no replica", async () => {
  const edge = new EdgeUnderTest();
  const response = await edge.fetch("/readyz");
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("[+]settings ok\nready\n");
  expect(edge.group.got).toEqual([]);
});

test("readyz names the setting that is wrong", async () => {
  const response = await new EdgeUnderTest().fetch("/readyz", {}, { REPLICAS: "4" });
  expect(response.status).toBe(503);
  expect(await response.text()).toMatch(/^\[-\]settings failed: REPLICAS must be odd.*\nnot ready/);
});

test("readyz of a namespace reads from its leader", async () => {
  const edge = EdgeUnderTest.withLeader();
  const { namespace } = edge.group;
  const response = await edge.fetch(`/readyz?ns=${namespace}`);
  expect(response.status).toBe(200);
  expect(await response.text()).toBe(`[+]settings ok\n[+]read in ${namespace} ok\nready\n`);
  expect(edge.group.calls.map(({ request }) => request.type)).toEqual(["get"]);
});

test("readyz of a namespace without a leader says so after two seconds", async () => {
  const edge = new EdgeUnderTest();
  for (const id of ["1", "2", "3"]) edge.group.script(id, "follows");
  const { namespace } = edge.group;
  const { value, tookMs } = await inVirtualTime(async () => edge.fetch(`/readyz?ns=${namespace}`));
  expect(value.status).toBe(503);
  const text = await value.text();
  expect(text).toContain(`[-]read in ${namespace} failed: no leader answered in time\nnot ready\n`);
  expect(tookMs).toBeLessThanOrEqual(2000);
});

test("readyz with wrong settings fails in the namespace too", async () => {
  const edge = EdgeUnderTest.withLeader();
  const response = await edge.fetch("/readyz?ns=shop", {}, { HEARTBEAT_MS: "soon" });
  expect(response.status).toBe(503);
  expect(edge.group.got).toEqual([]);
});

test.each(["", "A", "-", "a%2Fb", "n".repeat(64)])("readyz knows no namespace %j", async (name) => {
  const response = await new EdgeUnderTest().fetch(`/readyz?ns=${name}`);
  expect(await gist(response)).toBe("400 bad_namespace not_applied");
});

test.each(["/livez", "/readyz"])("a head of %s has no body", async (path) => {
  const response = await new EdgeUnderTest().fetch(path, { method: "HEAD" });
  expect([response.status, response.body]).toEqual([200, null]);
});
