import { expect, test } from "vitest";
import { Problem, type ProblemCode } from "../../src/edge/problem.ts";
import { Random } from "../../src/raft/random.ts";
import { problemIn } from "./edge-under-test.ts";
import { type Sent, StoreUnderTest, onRealStores, startMs } from "./store-under-test.ts";

onRealStores();

const seeds = 10;
const requestsOfEach = 400;

interface Shot extends Sent {
  readonly method: string;
  readonly path: string;
}

/** Makes requests that are well-formed, or nearly. */
class Grammar {
  readonly #random: Random;
  readonly #namespace: string;

  constructor(random: Random, namespace: string) {
    this.#random = random;
    this.#namespace = namespace;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.#random.between(0, choices.length - 1)]!;
  }

  /** True so many times in a hundred. */
  chance(percent: number): boolean {
    return this.#random.between(1, 100) <= percent;
  }

  many<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.#random.between(0, most) }, make);
  }

  /** Mostly one of the first, and now and then one of the others. */
  mostly<T>(good: readonly T[], odd: readonly T[]): T {
    return this.pick(this.chance(92) ? good : odd);
  }

  key(): string {
    const odd = [
      "",
      ".",
      "a/../b",
      "\ud800",
      "k".repeat(2048),
      "k".repeat(2049),
      "\0",
      "\u{10ffff}",
    ];
    return this.mostly(["a", "b", "a/1", "a/2", "n", "n", "é", "😀", "\uffff"], odd);
  }

  keyInPath(): string {
    const odd = [
      "",
      "%",
      "%ff",
      "%ED%A0%80",
      "a%2F..%2Fb",
      "//",
      "k".repeat(2049),
      "%00",
      "+",
      "a;b",
    ];
    return this.mostly(["a", "b", "a/1", "a%2F2", "n", "%C3%A9", "😀", "%F0%9F%98%80"], odd);
  }

  text(): string {
    return this.mostly(
      ["", "x", "1", "41", "-7", "abc", "é", "9007199254740991"],
      ["\ud800", "x".repeat(70_000), "\0", "9".repeat(17)],
    );
  }

  /** A value of JSON that may be anywhere. */
  anything(): unknown {
    const more = (): unknown => (this.chance(50) ? this.anything() : null);
    return this.pick<() => unknown>([
      () => null,
      () => this.chance(50),
      () => this.pick([0, 1, -1, 1.5, 1e21, 2 ** 53, -0]),
      () => this.text(),
      () => this.many(3, more),
      () =>
        Object.fromEntries(
          this.many(3, () => [this.pick(["op", "key", "x", "__proto__"]), more()]),
        ),
    ])();
  }

  query(): string {
    const params: Readonly<Record<string, readonly [readonly string[], readonly string[]]>> = {
      ttl: [
        ["5", "1500ms", "1h"],
        ["0", "", "x", "-1", "9".repeat(30)],
      ],
      expires: [[String(startMs / 1000 + 1000)], ["0", "x", "1e9"]],
      lease: [
        ["1", "2", "3"],
        ["", "x", "%ff", "9".repeat(500)],
      ],
      prefix: [
        ["a", "", "n", "a/"],
        ["%ff", "k".repeat(2049), "%F4%8F%BF%BF"],
      ],
      start: [
        ["a", "b"],
        ["%", "%ED%A0%80"],
      ],
      end: [
        ["b", "n"],
        ["", "%C0"],
      ],
      delimiter: [
        ["/", "a"],
        ["", "%F0%9F%98%80"],
      ],
      reverse: [["true", ""], ["1"]],
      limit: [
        ["1", "2", "1000"],
        ["0", "1001", "x", "-1"],
      ],
      cursor: [["WzEsImEiLG51bGxd"], ["", "x", "WzEsIlx1ZDgwMCIsbnVsbF0", "_"]],
      values: [["true", "false"], ["maybe"]],
      count: [["true"], ["2"]],
      timeout: [
        ["5s", "4000"],
        ["49", "9s", "x"],
      ],
      consistency: [
        ["linearizable", "any", "session", "bounded"],
        ["", "never"],
      ],
      max_staleness: [
        ["2s", "500ms"],
        ["0", "x", "2h"],
      ],
      revision: [
        ["1", "2", "3"],
        ["", "x", "9007199254740992", "9".repeat(16), "9".repeat(17)],
      ],
      keep: [["1h"], ["0", "x"]],
      token: [
        ["1", "2"],
        ["", "x", "9".repeat(16), "9".repeat(400)],
      ],
      nonsense: [["1"], [""]],
    };
    const given = this.many(2, () => {
      const name = this.pick(Object.keys(params));
      const [good, odd] = params[name]!;
      return `${name}=${this.mostly(good, odd)}`;
    });
    return given.length === 0 ? "" : `?${given.join("&")}`;
  }

  headers(): Record<string, string> {
    const values: Readonly<Record<string, readonly [readonly string[], readonly string[]]>> = {
      "If-Match": [
        ['"1"', '"2"', '"3"', "*"],
        ["", "1", 'W/"1"', '"1","2"', `"${"9".repeat(16)}"`, '"x"'],
      ],
      "If-None-Match": [["*"], ["", '"1"', 'W/"1"']],
      "Idempotency-Key": [
        ["k1", '"k2"', "k3", '"k\\"4"'],
        ["", '""', "é", "k".repeat(256)],
      ],
      "KV-Metadata": [
        ['{"a":1}', "1", "null"],
        ["", "{", "é", `"${"m".repeat(1023)}"`],
      ],
      "Content-Type": [
        ["text/plain", "application/json"],
        ["é", "t".repeat(257)],
      ],
      "Content-Encoding": [["gzip"], [""]],
      "KV-Consistency": [
        ["linearizable", "any", "session"],
        ["", "never"],
      ],
      "KV-Bookmark": [
        [1, 2, 999].map((revision) => `1.1.${revision}.${this.#namespace}`),
        ["", "x", `1.2.1.${this.#namespace}`, "1.1.1.other", `1.1.${"9".repeat(16)}.a`],
      ],
      Accept: [["application/x-ndjson", "*/*"], [""]],
      "If-Modified-Since": [["x"], [""]],
      "If-Range": [["x"], [""]],
    };
    return Object.fromEntries(
      this.many(2, () => {
        const name = this.pick([
          ...Object.keys(values),
          "If-Match",
          "Idempotency-Key",
          "Content-Type",
        ]);
        const [good, odd] = values[name]!;
        return [name, this.pick(this.chance(80) ? good : odd)] as const;
      }),
    );
  }

  /** An object some of whose fields are left out, or are something else, or too many. */
  fields(fields: Readonly<Record<string, unknown>>): object {
    const entries: (readonly [string, unknown])[] = Object.entries(fields)
      .filter(([, value]) => value !== undefined && !this.chance(1))
      .map(([name, value]) => [name, this.chance(1) ? this.anything() : value] as const);
    if (this.chance(1)) entries.push([this.pick(["key", "x", "op", "__proto__"]), this.anything()]);
    return Object.fromEntries(entries);
  }

  sometimes<T>(make: () => T): T | undefined {
    return this.chance(15) ? make() : undefined;
  }

  condition(): object {
    const key = this.key();
    const revision = this.mostly([0, 1, 2, 3, 4], [-1, 1.5, 2 ** 53, 2 ** 53 - 1]);
    return this.pick([
      () => this.fields({ key, revision }),
      () => this.fields({ key, exists: this.chance(50) }),
      () => this.fields({ key, value: this.text() }),
      () => this.fields({ key, value_b64: this.mostly(["", "eA=="], ["*", "A"]) }),
    ])();
  }

  operation(): object {
    const key = this.key();
    return this.pick([
      () => this.fields({ op: "get", key }),
      () => this.fields({ op: "delete", key }),
      () =>
        this.fields({ op: "delete_prefix", prefix: this.mostly(["a", "n", "é"], ["", "\ud800"]) }),
      () =>
        this.fields({
          op: "increment",
          key: this.chance(70) ? "n" : key,
          by: this.sometimes(() => this.mostly([1, -1, 0, 10], [1.5, 2 ** 53 - 1, "1"])),
        }),
      () =>
        this.fields({
          op: "put",
          key,
          ...(this.chance(80)
            ? { value: this.text() }
            : { value_b64: this.pick(["", "/w==", "?"]) }),
          content_type: this.sometimes(() => this.mostly(["a/b"], ["é", "x".repeat(300)])),
          metadata: this.sometimes(() => this.anything()),
          ttl: this.sometimes(() => this.mostly([5, "5s", 1.5], [0, "x", 1e30])),
          expires: this.sometimes(() => this.mostly([startMs / 1000 + 100_000], [0, "1"])),
          lease: this.sometimes(() => this.mostly(["1", "2"], ["", "\ud800", "x".repeat(99)])),
        }),
    ])();
  }

  /** JSON, and now and then something that was. */
  json(value: unknown): string | Uint8Array {
    const text = JSON.stringify(value);
    if (!this.chance(4)) return text;
    const at = this.#random.between(0, text.length);
    return this.pick<() => string | Uint8Array>([
      () => text.slice(0, at),
      () => text.slice(0, at) + this.pick(['"', "{", "[", ",", "\0", "é"]) + text.slice(at),
      () => new TextEncoder().encode(text).fill(0xff, at, at + 1),
    ])();
  }

  shot(): Shot {
    const headers = this.headers();
    const path = (rest: string): string => rest + (this.chance(70) ? "" : this.query());
    return this.pick<() => Shot>([
      () => ({
        method: this.mostly(["GET", "GET", "PUT", "PUT", "DELETE", "HEAD"], ["POST", "PATCH"]),
        path: path(`${this.mostly([""], ["/replicas/1", "/replicas/9"])}/keys/${this.keyInPath()}`),
        headers,
        body: this.text().toWellFormed(),
      }),
      () => ({
        method: this.mostly(["GET", "GET", "HEAD", "DELETE"], ["PUT", "POST"]),
        path: `/keys${this.query()}`,
        headers,
      }),
      () => ({
        method: "POST",
        path: path("/txn"),
        headers: this.chance(70) ? {} : headers,
        body: this.json(
          this.fields({
            if: this.chance(50) ? this.many(2, () => this.condition()) : undefined,
            then: this.many(4, () => this.operation()),
            else: this.chance(50) ? this.many(3, () => this.operation()) : undefined,
          }),
        ),
      }),
      () => ({
        method: this.mostly(["POST"], ["GET"]),
        path: path("/get"),
        headers,
        body: this.json(this.fields({ keys: this.many(4, () => this.key()) })),
      }),
      () => ({
        method: "POST",
        path: this.chance(80) ? "/leases?ttl=1h" : path("/leases"),
        headers,
      }),
      () => ({
        method: this.pick(["GET", "PUT", "DELETE"]),
        path: path(`/leases/${this.mostly(["1", "2", "3"], ["x", "%ff", "", "%"])}`),
        headers: this.chance(70) ? {} : headers,
      }),
      () => ({
        method: this.pick(["POST", "POST", "DELETE"]),
        path: this.chance(50)
          ? `/locks/${this.keyInPath()}?${this.pick(["ttl=1m", "token=1", "token=2"])}`
          : path(`/locks/${this.keyInPath()}`),
        headers: this.chance(70) ? {} : headers,
        body: this.text().toWellFormed(),
      }),
      () => ({
        method: this.pick(["GET", "PUT", "DELETE"]),
        path: this.chance(70) ? "/history?keep=1h" : path("/history"),
        headers: this.chance(70) ? {} : headers,
      }),
      () => ({
        method: this.pick(["GET", "POST"]),
        path: path(this.pick(["/cluster", "/export", "/nothing"])),
      }),
    ])();
  }
}

/** Those that can have a body in a Request. */
const fitForFetch = ({ method, path, headers, body }: Shot): Parameters<StoreUnderTest["send"]> => [
  method,
  path,
  {
    ...(headers && { headers }),
    ...(body === undefined || /GET|HEAD/.test(method) ? {} : { body }),
  },
];

/** Codes that a store which is well never has to answer with. */
const isNever = ({ status }: Response): boolean => status >= 500;

async function check(store: StoreUnderTest, shot: Shot): Promise<string> {
  const before = store.store.driver.machine.state;
  const response = await store.send(...fitForFetch(shot));
  const { state } = store.store.driver.machine;
  const isRead = /GET|HEAD/.test(shot.method);
  if (response.status >= 400 || isRead) expect(state.revision).toBe(before.revision);
  expect(isNever(response), `${response.status} ${await response.clone().text()}`).toBe(false);
  if (response.status < 400) {
    const text = await response.text();
    const isJson = response.headers.get("Content-Type") === "application/json";
    if (isJson && !shot.path.includes("/keys/") && text !== "") JSON.parse(text);
    const isReplay = response.headers.has("Idempotency-Replayed");
    const revision = response.headers.get("KV-Revision");
    if (!isRead && !isReplay && revision !== null) expect(revision).toBe(String(state.revision));
    return `${shot.method} ${response.status}`;
  }
  if (shot.method === "HEAD") return `HEAD ${response.status}`;
  const { code, outcome, status, retryable, instance } = await problemIn(response);
  expect(outcome).toBe("not_applied");
  const known = new Problem(code, "x").toResponse(instance);
  expect(await known.json()).toMatchObject({ status, retryable });
  return code;
}

const seen = new Map<string, number>();

test.each(Array.from({ length: seeds }, (_, i) => i + 1))(
  "whatever is asked, the answer is one of those that are documented: seed %d",
  async (seed) => {
    const store = new StoreUnderTest();
    const grammar = new Grammar(new Random(seed), store.store.namespace);
    await store.send("POST", "/leases?ttl=1h");
    for (let i = 0; i < requestsOfEach; i++) {
      if (grammar.chance(3)) {
        store.pass(grammar.pick([1, 1000, 6000, 3_600_000]));
        // What is due goes now, and not with a request.
        await store.revision();
      }
      const shot = grammar.shot();
      const what = await check(store, shot).catch((error: unknown) => {
        throw new Error(`request ${i}: ${JSON.stringify(shot).slice(0, 2000)}`, { cause: error });
      });
      seen.set(what, (seen.get(what) ?? 0) + 1);
      expect(store.store.faults, JSON.stringify(shot).slice(0, 2000)).toEqual([]);
    }
  },
);

test("all kinds of answers were among them", () => {
  const codes: readonly ProblemCode[] = [
    "bad_body",
    "bad_condition",
    "bad_content_type",
    "bad_cursor",
    "bad_idempotency_key",
    "bad_key",
    "bad_metadata",
    "bad_parameter",
    "idempotency_key_reused",
    "key_not_found",
    "key_too_long",
    "lease_not_found",
    "method_not_allowed",
    "not_a_number",
    "out_of_range",
    "precondition_failed",
    "replica_not_found",
    "route_not_found",
    "unsupported_condition",
    "unsupported_header",
  ];
  const successes = [
    "GET 200",
    "HEAD 200",
    "PUT 200",
    "PUT 201",
    "DELETE 200",
    "DELETE 204",
    "POST 200",
  ];
  for (const what of [...codes, ...successes])
    expect([what, seen.get(what) ?? 0]).not.toEqual([what, 0]);
  const good = successes.reduce((sum, what) => sum + (seen.get(what) ?? 0), 0);
  expect(good).toBeGreaterThan((seeds * requestsOfEach) / 4);
});
