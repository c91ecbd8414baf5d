import { expect } from "vitest";
import { createApp } from "../../src/edge/app.ts";
import type { EdgeBindings } from "../../src/edge/env.ts";
import type { Outcome, ProblemCode } from "../../src/edge/problem.ts";
import { FakeGroup, type FakeTable } from "../support/fake-group.ts";

let count = 0;

/** A body of problem+json. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ProblemCode;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  /** Only of `precondition_failed`: what a key has instead, or the conditions that did not hold. */
  readonly current_revision?: number | null;
  readonly failed?: readonly number[];
  /** Only of what a transaction is refused for: the operation that cannot be. */
  readonly operation?: number;
}

/** What each problem says. */
const common = new Set([
  "type",
  "title",
  "status",
  "detail",
  "instance",
  "code",
  "outcome",
  "retryable",
]);

/** What problems of some codes say besides, one way or another. */
const membersOf: Partial<Record<ProblemCode, readonly (readonly string[])[]>> = {
  precondition_failed: [["current_revision"], ["failed"]],
  lease_not_found: [[], ["operation"]],
  lock_held: [["current_revision"]],
  compacted: [["compact_revision"]],
  not_a_number: [["operation"]],
  out_of_range: [["operation"]],
  too_many_keys: [["operation"]],
  bad_body: [[], ["imported"]],
};

/** The app before a group of its own: what edges remember is shared by all apps of a process. */
export class EdgeUnderTest {
  readonly group: FakeGroup;
  readonly #app = createApp();
  readonly #env: EdgeBindings;

  constructor({ table, replicas, regions, electionMs: [minMs, maxMs] = [150, 300] }: Options = {}) {
    this.group = new FakeGroup(`edge-${count++}`, table);
    this.#env = {
      ...this.group.env(replicas, regions),
      ELECTION_MIN_MS: String(minMs),
      ELECTION_MAX_MS: String(maxMs),
    };
  }

  /** An edge before a group of which replica 1 leads, as it does for most tests. */
  static withLeader(options?: Options): EdgeUnderTest {
    const edge = new EdgeUnderTest(options);
    edge.group.script("1", "leads").script("2", "follows 1").script("3", "follows 1");
    return edge;
  }

  /** Lets it take a replica for the leader, and know of what is written by now: one request tells it. */
  async believes(id: string): Promise<void> {
    const { group } = this;
    const { latencyMs } = group;
    group.latencyMs = 0;
    group.choose = (replica) => (replica === id ? "leads" : "is dead");
    await this.get("which-leader");
    group.choose = null;
    group.latencyMs = latencyMs;
    for (const list of [group.calls, group.pokes, group.got]) list.length = 0;
  }

  /** A request to any path. */
  async fetch(path: string, init: RequestInit = {}, vars: Partial<EdgeBindings> = {}) {
    return this.#app.request(path, init, { ...this.#env, ...vars });
  }

  /** A request to a path below the namespace. */
  async send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    return this.fetch(`/v1/ns/${this.group.namespace}${path}`, { method, ...init });
  }

  async put(key: string, body: BodyInit | null = "value", headers: HeadersInit = {}) {
    // A Request made of a string would name a type for it.
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    return this.send("PUT", `/keys/${key}`, { body: bytes, headers });
  }

  async get(key: string, headers: HeadersInit = {}): Promise<Response> {
    return this.send("GET", `/keys/${key}`, { headers });
  }
}

interface Options {
  readonly table?: FakeTable;
  readonly replicas?: number;
  readonly regions?: string;
  readonly electionMs?: readonly [min: number, max: number];
}

/** Reads a response that must be a problem of the documented shape. */
export async function problemIn(response: Response): Promise<ProblemBody> {
  const text = await response.text();
  expect(response.headers.get("Content-Type"), text).toBe("application/problem+json");
  expect(response.headers.get("Cache-Control")).toBe("no-store");
  const problem = JSON.parse(text) as ProblemBody;
  const { code, status, retryable } = problem;
  const more = Object.keys(problem).filter((name) => !common.has(name));
  expect(membersOf[code] ?? [[]]).toContainEqual(more);
  expect(problem).toMatchObject({
    type: `/problems/${problem.code.replaceAll("_", "-")}`,
    title: expect.stringMatching(/^[A-Z]/),
    status: response.status,
    detail: expect.stringMatching(/./),
    instance: expect.stringMatching(/^\//),
    code: expect.stringMatching(/^[a-z_]+$/),
    outcome: expect.stringMatching(/^(?:not_applied|applied|unknown)$/),
    retryable: expect.any(Boolean),
  });
  const isToWait = status === 503 || (retryable && status < 500);
  expect(response.headers.get("Retry-After")).toBe(isToWait ? "1" : null);
  return problem;
}

/** A problem in one line: its status, code and outcome. */
export async function gist(response: Response): Promise<string> {
  if (response.status < 400) return String(response.status);
  const { status, code, outcome } = await problemIn(response);
  return `${status} ${code} ${outcome}`;
}
