import { describe, expect, test } from "vitest";
import httpApi from "../../docs/http-api.md?raw";
import { type Outcome, Problem, type ProblemCode } from "../../src/edge/problem.ts";

/** Every code, and what its answer says. The compiler sees to it that none is missing. */
const codes: Readonly<Record<ProblemCode, readonly [status: number, retryable: boolean]>> = {
  bad_namespace: [400, false],
  bad_key: [400, false],
  bad_parameter: [400, false],
  bad_content_type: [400, false],
  bad_body: [400, false],
  bad_condition: [400, false],
  bad_metadata: [400, false],
  bad_idempotency_key: [400, false],
  bad_bookmark: [400, false],
  future_revision: [400, false],
  bad_cursor: [400, false],
  unsupported_condition: [400, false],
  unsupported_header: [400, false],
  key_not_found: [404, false],
  namespace_not_found: [404, false],
  lease_not_found: [404, false],
  replica_not_found: [404, false],
  route_not_found: [404, false],
  method_not_allowed: [405, false],
  membership_conflict: [409, false],
  idempotency_key_in_flight: [409, true],
  lock_held: [409, true],
  not_a_number: [409, false],
  out_of_range: [409, false],
  too_many_keys: [409, false],
  compacted: [410, false],
  precondition_failed: [412, false],
  body_too_large: [413, false],
  value_too_large: [413, false],
  key_too_long: [414, false],
  idempotency_key_reused: [422, false],
  too_many_uploads: [429, true],
  too_many_leases: [429, true],
  internal_error: [500, true],
  misconfigured: [500, false],
  no_leader: [503, true],
  upload_lost: [503, true],
  unavailable: [503, true],
  not_ready: [503, true],
  overloaded: [503, true],
  outcome_unknown: [504, true],
};

/** The rows of the error table in docs/http-api.md, by code. */
const documented = new Map(
  [...httpApi.matchAll(/^\| (\d{3}) \| `(\w+)` \| (.+?) \| (yes|no) \| (.+) \|$/gm)].map(
    ([, status, code, outcome, retryable, advice]) => [
      code!,
      { status: Number(status), outcome, retryable: retryable === "yes", advice },
    ],
  ),
);

const entries = Object.entries(codes) as [ProblemCode, readonly [number, boolean]][];

describe.each(entries)("%s", (code, [status, retryable]) => {
  test("has the shape of every problem", async () => {
    const response = new Problem(code, "what is wrong").toResponse("/v1/ns/shop/keys/a");
    expect(response.status).toBe(status);
    expect(response.headers.get("Content-Type")).toBe("application/problem+json");
    const isToWait = status === 503 || (retryable && status < 500);
    expect(response.headers.get("Retry-After")).toBe(isToWait ? "1" : null);
    expect(await response.json()).toEqual({
      type: `/problems/${code.replaceAll("_", "-")}`,
      title: expect.stringMatching(/^[A-Z].*[^.]$/),
      status,
      detail: "what is wrong",
      instance: "/v1/ns/shop/keys/a",
      code,
      outcome: "not_applied",
      retryable,
    });
  });

  test("is documented with its status, and whether it can be retried", () => {
    expect(documented.get(code)).toMatchObject({ status, retryable });
    const outcome =
      code === "internal_error"
        ? "reads `not_applied`, writes `unknown`"
        : `\`${code === "outcome_unknown" ? "unknown" : "not_applied"}\``;
    expect(documented.get(code)?.outcome).toBe(outcome);
  });
});

test("nothing is documented that there isn't", () => {
  expect([...documented.keys()].toSorted()).toEqual(Object.keys(codes).toSorted());
});

test.each<Outcome>(["not_applied", "applied", "unknown"])(
  "a problem can say %s",
  async (outcome) => {
    const response = new Problem("internal_error", "x", { outcome }).toResponse("/");
    expect(await response.json()).toMatchObject({ outcome });
  },
);

test("a problem can say more, in members and headers of its own", async () => {
  const headers = { Allow: "GET" };
  const extra = { current_revision: null };
  const response = new Problem("method_not_allowed", "x", { headers, extra }).toResponse("/");
  expect(response.headers.get("Allow")).toBe("GET");
  expect(await response.json()).toMatchObject({ code: "method_not_allowed", ...extra });
});
