/**
 * Every error this API answers with, as problem+json (RFC 9457). docs/http-api.md says what to do
 * about each.
 */

interface Kind {
  readonly status: 400 | 404 | 405 | 409 | 413 | 414 | 500 | 503 | 504;
  readonly title: string;
  /** Whether the same request may succeed later, without change. */
  readonly retryable: boolean;
}

const kinds = {
  bad_namespace: { status: 400, title: "Bad namespace name", retryable: false },
  bad_key: { status: 400, title: "Bad key", retryable: false },
  bad_parameter: { status: 400, title: "Bad query parameter", retryable: false },
  bad_content_type: { status: 400, title: "Bad content type", retryable: false },
  bad_body: { status: 400, title: "Bad request body", retryable: false },
  unsupported_condition: { status: 400, title: "Condition not supported yet", retryable: false },
  unsupported_header: { status: 400, title: "Header not supported", retryable: false },
  key_not_found: { status: 404, title: "Key not found", retryable: false },
  namespace_not_found: { status: 404, title: "Namespace not found", retryable: false },
  replica_not_found: { status: 404, title: "Replica not found", retryable: false },
  route_not_found: { status: 404, title: "No such path", retryable: false },
  method_not_allowed: { status: 405, title: "Method not allowed", retryable: false },
  membership_conflict: { status: 409, title: "Members cannot change so", retryable: false },
  value_too_large: { status: 413, title: "Value too large", retryable: false },
  key_too_long: { status: 414, title: "Key too long", retryable: false },
  internal_error: { status: 500, title: "Internal error", retryable: true },
  misconfigured: { status: 500, title: "Misconfigured", retryable: false },
  no_leader: { status: 503, title: "No leader", retryable: true },
  unavailable: { status: 503, title: "Replicas unavailable", retryable: true },
  not_ready: { status: 503, title: "Replica not ready", retryable: true },
  overloaded: { status: 503, title: "Overloaded", retryable: true },
  outcome_unknown: { status: 504, title: "Outcome unknown", retryable: true },
} as const satisfies Record<string, Kind>;

export type ProblemCode = keyof typeof kinds;

/**
 * What became of the request: nothing was changed, the change was made, or nobody here can tell. A
 * read never changes anything.
 */
export type Outcome = "not_applied" | "applied" | "unknown";

/**
 * An error to answer with. Thrown where a request is found wanting; app.ts turns it into a
 * response.
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly outcome: Outcome;
  readonly headers: Readonly<Record<string, string>>;

  /** @param detail what is wrong with this request, and what to do about it. */
  constructor(
    code: ProblemCode,
    detail: string,
    { outcome = "not_applied", headers = {} }: Partial<Pick<Problem, "outcome" | "headers">> = {},
  ) {
    super(detail);
    this.code = code;
    this.outcome = outcome;
    this.headers = headers;
  }

  /** @param instance the path of the request. */
  toResponse(instance: string): Response {
    const { status, title, retryable } = kinds[this.code];
    const body = {
      type: `/problems/${this.code.replaceAll("_", "-")}`,
      title,
      status,
      detail: this.message,
      instance,
      code: this.code,
      outcome: this.outcome,
      retryable,
    };
    return new Response(`${JSON.stringify(body)}\n`, {
      status,
      headers: {
        "Content-Type": "application/problem+json",
        ...(status === 503 ? { "Retry-After": "1" } : {}),
        ...this.headers,
      },
    });
  }
}
