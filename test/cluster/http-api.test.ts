/** Every row of the tables in docs/http-api.md, tried on a real cluster. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { HttpApi } from "../support/http-api.ts";

let cluster: Cluster;
let api: HttpApi;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 3 });
  api = new HttpApi(cluster.url);
});

afterAll(() => cluster.stop());

const MiB = 1024 * 1024;
const put = (key: string) => ({ op: "put", key, value: "1" });

/** What shows each row, by its section and its first cell, or its code. */
const rows: Readonly<Record<string, () => Promise<void>>> = {
  'Conditions: `If-Match: "42"`': async () => {
    const tag = (await api.put("c1", "a")).headers.get("ETag")!;
    expect((await api.put("c1", "b", { "If-Match": tag })).status).toBe(200);
    expect((await api.put("c1", "c", { "If-Match": tag })).status).toBe(412);
    expect((await api.delete("c1", { "If-Match": tag })).status).toBe(412);
  },
  "Conditions: `If-Match: *`": async () => {
    expect((await api.put("c2", "a", { "If-Match": "*" })).status).toBe(412);
    await api.put("c2", "a");
    expect((await api.put("c2", "b", { "If-Match": "*" })).status).toBe(200);
  },
  "Conditions: `If-None-Match: *`": async () => {
    expect((await api.put("c3", "a", { "If-None-Match": "*" })).status).toBe(201);
    expect((await api.put("c3", "b", { "If-None-Match": "*" })).status).toBe(412);
  },
  'Conditions: `If-None-Match: "42"`, or a list of tags': async () => {
    const tag = (await api.put("c4", "a")).headers.get("ETag")!;
    expect((await api.get("c4", { "If-None-Match": `"0", ${tag}` })).status).toBe(304);
    expect((await api.get("c4", { "If-None-Match": '"0"' })).text).toBe("a");
  },

  "Headers of answers: `ETag`": async () => {
    const { headers } = await api.put("h1", "a");
    expect(headers.get("ETag")).toBe(`"${headers.get("KV-Revision")}"`);
    expect((await api.get("h1")).headers.get("ETag")).toBe(headers.get("ETag"));
  },
  "Headers of answers: `KV-Revision`": async () => {
    const revision = Number((await api.put("h2", "a")).headers.get("KV-Revision"));
    expect(Number((await api.get("nothing")).headers.get("KV-Revision"))).toBe(revision);
    expect(Number((await api.delete("h2")).headers.get("KV-Revision"))).toBe(revision + 1);
    expect(Number((await api.delete("h2")).headers.get("KV-Revision"))).toBe(revision + 1);
  },
  "Headers of answers: `KV-Create-Revision`": async () => {
    const first = (await api.put("h3", "a")).headers.get("KV-Revision");
    await api.put("h3", "b");
    expect((await api.get("h3")).headers.get("KV-Create-Revision")).toBe(first);
  },
  "Headers of answers: `KV-Version`": async () => {
    for (const value of ["a", "b", "c"]) await api.put("h4", value);
    expect((await api.get("h4")).headers.get("KV-Version")).toBe("3");
  },
  "Headers of answers: `KV-Deleted`": async () => {
    await api.put("h5", "a");
    expect((await api.delete("h5")).headers.get("KV-Deleted")).toBe("1");
    expect((await api.delete("h5")).headers.get("KV-Deleted")).toBe("0");
  },
  "Headers of answers: `KV-Metadata`": async () => {
    await api.put("h6", "a", { "KV-Metadata": '{"by": "ann"}' });
    expect((await api.get("h6")).headers.get("KV-Metadata")).toBe('{"by": "ann"}');
  },
  "Headers of answers: `KV-Expires`": async () => {
    const expires = Math.ceil(Date.now() / 1000) + 1000;
    await api.send("PUT", `/keys/h7?expires=${expires}`, "a");
    expect((await api.get("h7")).headers.get("KV-Expires")).toBe(String(expires));
  },
  "Headers of answers: `KV-Lease`": async () => {
    const { lease } = (await api.send("POST", "/leases?ttl=60s")).json as { lease: string };
    await api.send("PUT", `/keys/h8?lease=${lease}`, "a");
    expect((await api.get("h8")).headers.get("KV-Lease")).toBe(lease);
  },
  "Headers of answers: `Idempotency-Replayed`": async () => {
    const name = { "Idempotency-Key": "h9" };
    expect((await api.put("h9", "a", name)).headers.has("Idempotency-Replayed")).toBe(false);
    const again = await api.put("h9", "a", name);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expect(again.status).toBe(201);
  },
  "Headers of answers: `KV-Consistency`": async () => {
    expect((await api.get("nothing")).headers.get("KV-Consistency")).toBe("linearizable");
  },
  "Headers of answers: `KV-Staleness-Ms`": async () => {
    expect((await api.get("nothing")).headers.get("KV-Staleness-Ms")).toBe("0");
  },
  "Headers of answers: `KV-Bookmark`": async () => {
    expect((await api.put("h12", "a")).headers.get("KV-Bookmark")).toMatch(/\.default$/);
    expect((await api.get("nothing")).headers.get("KV-Bookmark")).toMatch(/\.default$/);
  },
  "Headers of answers: `KV-Served-By`": async () => {
    expect((await api.get("nothing")).headers.get("KV-Served-By")).toMatch(/^local\/\w+\/[123]$/);
  },
  "Headers of answers: `Retry-After`": async () => {
    await api.send("POST", "/locks/h10?ttl=60s");
    const held = await api.send("POST", "/locks/h10?ttl=60s");
    expect(held.headers.get("Retry-After")).toBe("1");
  },
  "Headers of answers: `Server-Timing`": async () => {
    expect((await api.get("nothing")).headers.get("Server-Timing")).toMatch(/^edge;dur=\d+$/);
  },
  "Headers of answers: `Cache-Control`": async () => {
    await api.put("h11", "a");
    expect((await api.get("h11")).headers.get("Cache-Control")).toBe("no-store, no-transform");
    expect((await api.get("nothing")).headers.get("Cache-Control")).toBe("no-store");
  },

  "Query parameters: `consistency`": async () => {
    await api.put("q0", "a");
    for (const level of ["linearizable", "session", "any"]) {
      const { headers, status } = await api.send("GET", `/keys/q0?consistency=${level}`);
      expect([status, headers.has("KV-Consistency")]).toEqual([200, true]);
    }
    await api.fails("bad_parameter", "PUT", "/v1/ns/default/keys/a?consistency=any", "a");
  },
  "Query parameters: `max_staleness`": async () => {
    const bounded = "/keys/q0?consistency=bounded";
    expect((await api.send("GET", `${bounded}&max_staleness=2s`)).status).toBeLessThan(405);
    await api.fails("bad_parameter", "GET", `/v1/ns/default${bounded}`);
  },
  "Query parameters: `timeout`": async () => {
    for (const timeout of ["800", "800ms", "2s", "50"]) {
      expect((await api.send("GET", `/keys?timeout=${timeout}`)).status).toBe(200);
    }
  },
  "Query parameters: `ttl`": async () => {
    for (const ttl of ["60", "90s", "1500ms", "5m", "2h", "7d"]) {
      expect((await api.send("PUT", `/keys/q1?ttl=${ttl}`, "a")).status).toBeLessThan(202);
    }
  },
  "Query parameters: `expires`": async () => {
    const soon = (Date.now() + 5000) / 1000;
    expect((await api.send("PUT", `/keys/q2?expires=${soon}`, "a")).status).toBe(201);
    expect((await api.send("PUT", "/keys/q2?expires=1", "a")).json).toMatchObject({
      code: "bad_parameter",
    });
  },
  "Query parameters: `lease`": async () => {
    const { json } = await api.send("PUT", "/keys/q3?lease=nobody", "a");
    expect(json).toMatchObject({ code: "lease_not_found" });
  },
  "Query parameters: `revision`": async () => {
    const old = new HttpApi(cluster.url, "kept");
    await old.send("PUT", "/history?keep=1h");
    await old.put("a", "1");
    await old.put("a", "2");
    expect((await old.send("GET", "/keys/a?revision=1")).text).toBe("1");
  },

  "Lists: `prefix`": async () => expect(await api.names("prefix=list/")).toEqual(listed),
  "Lists: `start`, `end`": async () => {
    expect(await api.names("start=list/b&end=list/d")).toEqual(["list/b/1", "list/b/2", "list/c"]);
  },
  "Lists: `limit`": async () => {
    expect(await api.names("prefix=list/&limit=2")).toEqual(listed.slice(0, 2));
  },
  "Lists: `cursor`": async () => {
    const { json } = await api.send("GET", "/keys?prefix=list/&limit=2");
    const { cursor } = json as { cursor: string };
    expect(await api.names(`prefix=list/&cursor=${cursor}`)).toEqual(listed.slice(2));
  },
  "Lists: `reverse`": async () => {
    expect(await api.names("prefix=list/&reverse")).toEqual(listed.toReversed());
  },
  "Lists: `delimiter`": async () => {
    const { json } = await api.send("GET", "/keys?prefix=list/&delimiter=/");
    expect(json).toMatchObject({ prefixes: ["list/b/"], keys: [{}, {}, {}] });
  },
  "Lists: `values`": async () => {
    const { json } = await api.send("GET", "/keys?prefix=list/a&values");
    expect(json).toMatchObject({ keys: [{ name: "list/a", value: "1" }] });
  },
  "Lists: `count`": async () => {
    const { json } = await api.send("GET", "/keys?prefix=list/&count");
    expect(json).toMatchObject({ count: listed.length, count_complete: true, cursor: null });
  },

  'Transactions: `"revision":12`': async () => {
    const revision = Number((await api.put("t1", "x")).headers.get("KV-Revision"));
    expect(await api.holds({ key: "t1", revision })).toBe(true);
    expect(await api.holds({ key: "t1", revision: revision + 1 })).toBe(false);
    expect(await api.holds({ key: "nothing", revision: 0 })).toBe(true);
  },
  'Transactions: `"create_revision":9`': async () => {
    const created = Number((await api.put("t2", "x")).headers.get("KV-Revision"));
    await api.put("t2", "y");
    expect(await api.holds({ key: "t2", create_revision: created })).toBe(true);
  },
  'Transactions: `"exists":true` or `false`': async () => {
    expect(await api.holds({ key: "nothing", exists: false })).toBe(true);
    expect(await api.holds({ key: "nothing", exists: true })).toBe(false);
  },
  'Transactions: `"value":"x"` or `"value_b64":"eA=="`': async () => {
    await api.put("t3", "x");
    expect(await api.holds({ key: "t3", value: "x" })).toBe(true);
    expect(await api.holds({ key: "t3", value_b64: "eA==" })).toBe(true);
    expect(await api.holds({ key: "t3", value: "y" })).toBe(false);
  },
  "How old a read may be: `linearizable`": async () => {
    const { headers } = await api.send("GET", "/keys/q0?consistency=linearizable");
    expect(headers.get("KV-Consistency")).toBe("linearizable");
  },
  "How old a read may be: `bounded`, with `max_staleness`": async () => {
    const { headers } = await api.send("GET", "/keys/q0?consistency=bounded&max_staleness=1m");
    expect(["bounded", "linearizable"]).toContain(headers.get("KV-Consistency"));
    expect(Number(headers.get("KV-Staleness-Ms"))).toBeLessThan(60_000);
  },
  "How old a read may be: `session`, with the header `KV-Bookmark`": async () => {
    const bookmark = (await api.put("q9", "mine")).headers.get("KV-Bookmark")!;
    const { text } = await api.send("GET", "/keys/q9?consistency=session", null, {
      "KV-Bookmark": bookmark,
    });
    expect(text).toBe("mine");
  },
  "How old a read may be: `any`": async () => {
    const { headers } = await api.send("GET", "/keys/q0?consistency=any");
    expect(headers.has("KV-Served-By")).toBe(true);
  },

  "Transactions: `get`": async () => {
    await api.put("t4", "x");
    expect(
      await api.transact({ op: "get", key: "t4" }, { op: "get", key: "nothing" }),
    ).toMatchObject([{ found: true, value: "x" }, { found: false }]);
  },
  "Transactions: `put`": async () => {
    expect(
      await api.transact({
        op: "put",
        key: "t5",
        value: "x",
        content_type: "a/b",
        metadata: [1],
        ttl: "1h",
      }),
    ).toEqual([{ op: "put", key: "t5", created: true }]);
    expect((await api.get("t5")).headers.get("Content-Type")).toBe("a/b");
  },
  "Transactions: `delete`": async () => {
    await api.put("t6", "x");
    expect(await api.transact({ op: "delete", key: "t6" })).toMatchObject([{ deleted: 1 }]);
    expect(await api.transact({ op: "delete", key: "t6" })).toMatchObject([{ deleted: 0 }]);
  },
  "Transactions: `delete_prefix`": async () => {
    await api.transact(put("t7/a"), put("t7/b"));
    expect(await api.transact({ op: "delete_prefix", prefix: "t7/" })).toMatchObject([
      { deleted: 2 },
    ]);
  },
  "Transactions: `increment`": async () => {
    expect(await api.transact({ op: "increment", key: "t8" })).toMatchObject([{ value: 1 }]);
    expect(await api.transact({ op: "increment", key: "t8", by: -3 })).toMatchObject([
      { value: -2 },
    ]);
  },

  "Watching: `key`, `prefix`": async () => {
    await api.transact(put("w1"), put("w1/a"));
    expect(await api.watched("key=w1")).toEqual(["w1"]);
    expect(await api.watched("prefix=w1")).toEqual(["w1", "w1/a"]);
  },
  "Watching: `from`": async () => {
    const from = (await api.put("w2", "a")).headers.get("KV-Revision");
    await api.put("w2", "b");
    const { json } = await api.send("GET", `/watch?key=w2&from=${from}&wait=1s`);
    expect(json).toMatchObject({ events: [{ value: "b" }] });
  },
  "Watching: `wait`": async () => {
    const { json } = await api.send("GET", "/watch?key=nobody&wait=50ms");
    expect(json).toMatchObject({ events: [] });
  },

  "Limits: Key": async () => {
    expect((await api.put("k".repeat(2048), "a")).status).toBe(201);
    expect((await api.put("k".repeat(2049), "a")).status).toBe(414);
  },
  "Limits: Value": async () => {
    const big = new Uint8Array(25 * MiB).fill(7);
    expect((await api.put("l1", big)).status).toBe(201);
    expect((await api.get("l1")).size).toBe(big.byteLength);
    expect((await api.put("l1", new Uint8Array(25 * MiB + 1))).status).toBe(413);
    expect((await api.delete("l1")).status).toBe(204);
  },
  "Limits: Metadata": async () => {
    const json = (length: number): string => `"${"m".repeat(length - 2)}"`;
    expect((await api.put("l2", "a", { "KV-Metadata": json(1024) })).status).toBe(201);
    expect((await api.put("l2", "a", { "KV-Metadata": json(1025) })).status).toBe(400);
  },
  "Limits: `ttl`, `expires`": async () => {
    for (const [ttl, status] of [
      ["1s", 201],
      ["3660d", 200],
      ["999ms", 400],
      ["3661d", 400],
    ]) {
      expect((await api.send("PUT", `/keys/l3?ttl=${ttl}`, "a")).status, String(ttl)).toBe(status);
    }
  },
  "Limits: Idempotency-Key": async () => {
    expect((await api.put("l4", "a", { "Idempotency-Key": "i".repeat(255) })).status).toBe(201);
    expect((await api.put("l4", "a", { "Idempotency-Key": "i".repeat(256) })).status).toBe(400);
  },
  "Limits: Transaction": async () => {
    const many = (count: number) => Array.from({ length: count }, () => ({ op: "get", key: "a" }));
    expect((await api.send("POST", "/txn", JSON.stringify({ then: many(128) }))).status).toBe(200);
    expect((await api.send("POST", "/txn", JSON.stringify({ then: many(129) }))).status).toBe(400);
    expect((await api.send("POST", "/txn", " ".repeat(MiB + 1))).status).toBe(413);
  },
  "Limits: Content type": async () => {
    expect((await api.put("l5", "a", { "Content-Type": "t".repeat(256) })).status).toBe(201);
    expect((await api.put("l5", "a", { "Content-Type": "t".repeat(257) })).status).toBe(400);
  },
  "Limits: Namespace": async () => {
    expect((await new HttpApi(cluster.url, "n".repeat(63)).get("a")).status).toBe(404);
    expect((await new HttpApi(cluster.url, "n".repeat(64)).get("a")).status).toBe(400);
  },
  "Limits: `timeout`": async () => {
    for (const [timeout, status] of [
      ["50", 404],
      ["5000", 404],
      ["49", 400],
      ["5001", 400],
    ]) {
      expect((await api.send("GET", `/keys/nothing?timeout=${timeout}`)).status).toBe(status);
    }
  },
  "Limits: Keys of one `delete_prefix` or DELETE of a range": async () => {
    for (let from = 0; from < 1001; from += 91) {
      await api.transact(...Array.from({ length: 91 }, (_, i) => put(`many/${from + i}`)));
    }
    const refusal = await api.send(
      "POST",
      "/txn",
      '{"then":[{"op":"delete_prefix","prefix":"many/"}]}',
    );
    expect(refusal.json).toMatchObject({ code: "too_many_keys", operation: 0 });
    expect((await api.send("DELETE", "/keys?prefix=many/")).json).toMatchObject({
      deleted: 1000,
      complete: false,
    });
    expect((await api.send("DELETE", "/keys?prefix=many/")).json).toMatchObject({
      deleted: 1,
      complete: true,
    });
  },

  "Errors: bad_namespace": () => api.fails("bad_namespace", "GET", "/v1/ns/-/keys/a"),
  "Errors: bad_key": () => api.fails("bad_key", "GET", "/v1/ns/a/keys/%ff"),
  "Errors: bad_parameter": () => api.fails("bad_parameter", "GET", "/v1/ns/a/keys/a?b=c"),
  "Errors: bad_content_type": () =>
    api.fails("bad_content_type", "PUT", "/v1/ns/a/keys/a", "a", { "Content-Type": "é" }),
  "Errors: bad_body": () => api.fails("bad_body", "POST", "/v1/ns/a/txn", "{"),
  "Errors: bad_condition": () =>
    api.fails("bad_condition", "PUT", "/v1/ns/a/keys/a", "a", { "If-Match": "1" }),
  "Errors: bad_metadata": () =>
    api.fails("bad_metadata", "PUT", "/v1/ns/a/keys/a", "a", { "KV-Metadata": "{" }),
  "Errors: bad_idempotency_key": () =>
    api.fails("bad_idempotency_key", "PUT", "/v1/ns/a/keys/a", "a", { "Idempotency-Key": '""' }),
  "Errors: bad_bookmark": () =>
    api.fails("bad_bookmark", "GET", "/v1/ns/a/keys/a?consistency=session", null, {
      "KV-Bookmark": "x",
    }),
  "Errors: future_revision": () =>
    api.fails("future_revision", "GET", "/v1/ns/a/keys/a?revision=99999"),
  "Errors: bad_cursor": () => api.fails("bad_cursor", "GET", "/v1/ns/a/keys?cursor=x"),
  "Errors: unsupported_condition": () =>
    api.fails("unsupported_condition", "PUT", "/v1/ns/a/keys/a", "a", {
      "If-Unmodified-Since": "Sat, 28 Nov 2026 12:00:00 GMT",
    }),
  "Errors: unsupported_header": () =>
    api.fails("unsupported_header", "PUT", "/v1/ns/a/keys/a", "a", { "Content-Encoding": "gzip" }),
  "Errors: key_not_found": () => api.fails("key_not_found", "GET", "/v1/ns/a/keys/nothing"),
  "Errors: namespace_not_found": () =>
    api.fails("namespace_not_found", "GET", "/v1/ns/never-used/cluster"),
  "Errors: lease_not_found": () => api.fails("lease_not_found", "PUT", "/v1/ns/a/leases/0"),
  "Errors: replica_not_found": () =>
    api.fails("replica_not_found", "GET", "/v1/ns/a/replicas/9/keys/a"),
  "Errors: route_not_found": () => api.fails("route_not_found", "GET", "/v9"),
  "Errors: method_not_allowed": () => api.fails("method_not_allowed", "POST", "/v1/ns/a/keys/a"),
  "Errors: membership_conflict": () =>
    api.fails("membership_conflict", "POST", "/v1/ns/default/cluster/rebuild", rebuilding),
  "Errors: lock_held": async () => {
    await api.send("POST", "/locks/e1?ttl=60s");
    await api.fails("lock_held", "POST", "/v1/ns/default/locks/e1?ttl=60s");
  },
  "Errors: not_a_number": async () => {
    await api.put("e2", "two");
    await api.fails("not_a_number", "POST", "/v1/ns/default/txn", counting("e2"));
  },
  "Errors: out_of_range": async () => {
    await api.put("e3", "9007199254740991");
    await api.fails("out_of_range", "POST", "/v1/ns/default/txn", counting("e3"));
  },
  "Errors: precondition_failed": () =>
    api.fails("precondition_failed", "PUT", "/v1/ns/a/keys/nothing", "a", { "If-Match": "*" }),
  "Errors: body_too_large": () =>
    api.fails("body_too_large", "POST", "/v1/ns/a/get", " ".repeat(MiB + 1)),
  "Errors: key_too_long": () =>
    api.fails("key_too_long", "GET", `/v1/ns/a/keys/${"k".repeat(2049)}`),
  "Errors: idempotency_key_reused": async () => {
    await api.put("e4", "a", { "Idempotency-Key": "e4" });
    await api.fails("idempotency_key_reused", "PUT", "/v1/ns/default/keys/e4", "b", {
      "Idempotency-Key": "e4",
    });
  },
  "Errors: compacted": () => api.fails("compacted", "GET", "/v1/ns/default/keys/a?revision=1"),
};

const rebuilding = JSON.stringify({
  survivor: "1",
  lost: ["2", "3"],
  confirm: "I accept that acknowledged writes may be lost",
});
const counting = (key: string): string => JSON.stringify({ then: [{ op: "increment", key }] });

const listed = ["list/a", "list/b/1", "list/b/2", "list/c", "list/ä"];

/** Rows that need faults, time, or more than is quick, and where they are shown. */
const elsewhere: Readonly<Record<string, string>> = {
  "Errors: too_many_keys": "Limits: Keys of one `delete_prefix` or DELETE of a range",
  "Errors: value_too_large": "Limits: Value",
  "Errors: idempotency_key_in_flight": "test/edge/idempotency.test.ts",
  "Errors: too_many_leases": "test/edge/leases.test.ts",
  "Errors: too_many_uploads": "test/edge/large-value.test.ts",
  "Errors: upload_lost": "test/edge/large-value.test.ts",
  "Errors: internal_error": "test/edge/app.test.ts",
  "Errors: misconfigured": "test/edge/app.test.ts",
  "Errors: no_leader": "test/edge/outcomes.test.ts",
  "Errors: unavailable": "test/edge/outcomes.test.ts",
  "Errors: not_ready": "test/cluster/versions.test.ts",
  "Errors: overloaded": "test/edge/outcomes.test.ts",
  "Errors: outcome_unknown": "test/edge/outcomes.test.ts",
  "Limits: Large values on their way in": "test/kv/uploads.test.ts",
  "Limits: Leases": "test/edge/leases.test.ts",
  "Limits: Watches": "test/replica/watch-streams.test.ts",
  "Limits: Edge's retries of one write": "test/kv/request-window.test.ts",
};

/** Tables that are about something else than requests, or whose rows test/edge/contract.test.ts goes through. */
const others = new Set(["HTTP API", "Sending a write again", "Local clusters only", "Not yet"]);

describe("docs/http-api.md", () => {
  beforeAll(async () => {
    await api.transact(...listed.map(put));
  });

  test.each(documentedRows().map((row) => [row]))("%s", async (row) => {
    const shown = elsewhere[row];
    if (shown === undefined) {
      expect(Object.keys(rows)).toContain(row);
      await rows[row]!();
    } else if (shown.startsWith("test/")) {
      const code = row.replace("Errors: ", "");
      const text = readFileSync(join(import.meta.dirname, "../..", shown), "utf8");
      if (row !== code) expect(text).toContain(code);
    } else {
      expect(Object.keys(rows)).toContain(shown);
    }
  });
});

/** The rows of all tables: the section and the first cell, or the code of an error. */
function documentedRows(): string[] {
  const text = readFileSync(join(import.meta.dirname, "../../docs/http-api.md"), "utf8");
  const found: string[] = [];
  let section = "";
  let isHead = true;
  for (const line of text.split("\n")) {
    const heading = /^#+ (.*)$/.exec(line);
    if (heading !== null) section = heading[1]!;
    if (!line.startsWith("|")) isHead = true;
    else if (line.startsWith("|---")) isHead = false;
    else if (!isHead && !others.has(section)) {
      const cells = line.slice(2).split(" | ");
      const name = section === "Errors" ? cells[1]!.replaceAll("`", "") : cells[0]!;
      found.push(`${section}: ${name}`);
    }
  }
  return found;
}
