/**
 * Every error this API answers with, as problem+json (RFC 9457). docs/http-api.md says what to do
 * about each.
 */

interface Kind {
  readonly status: 400 | 404 | 405 | 409 | 410 | 412 | 413 | 414 | 422 | 429 | 500 | 503 | 504;
  readonly title: string;
  /** Whether the same request may succeed later, without change. */
  readonly retryable: boolean;
}

export const problemKinds = {
  bad_namespace: { status: 400, title: "Bad namespace name", retryable: false },
  bad_key: { status: 400, title: "Bad key", retryable: false },
  bad_parameter: { status: 400, title: "Bad query parameter", retryable: false },
  bad_content_type: { status: 400, title: "Bad content type", retryable: false },
  bad_body: { status: 400, title: "Bad request body", retryable: false },
  bad_condition: { status: 400, title: "Bad condition", retryable: false },
  bad_metadata: { status: 400, title: "Bad metadata", retryable: false },
  bad_idempotency_key: { status: 400, title: "Bad idempotency key", retryable: false },
  bad_bookmark: { status: 400, title: "Bad bookmark", retryable: false },
  future_revision: { status: 400, title: "Revision yet to come", retryable: false },
  bad_cursor: { status: 400, title: "Bad cursor", retryable: false },
  unsupported_condition: { status: 400, title: "Condition not supported", retryable: false },
  unsupported_header: { status: 400, title: "Header not supported", retryable: false },
  key_not_found: { status: 404, title: "Key not found", retryable: false },
  namespace_not_found: { status: 404, title: "Namespace not found", retryable: false },
  lease_not_found: { status: 404, title: "Lease not found", retryable: false },
  replica_not_found: { status: 404, title: "Replica not found", retryable: false },
  route_not_found: { status: 404, title: "No such path", retryable: false },
  method_not_allowed: { status: 405, title: "Method not allowed", retryable: false },
  membership_conflict: { status: 409, title: "Members cannot change so", retryable: false },
  idempotency_key_in_flight: { status: 409, title: "Request under way", retryable: true },
  lock_held: { status: 409, title: "Lock held", retryable: true },
  not_a_number: { status: 409, title: "Not a number", retryable: false },
  out_of_range: { status: 409, title: "Number out of range", retryable: false },
  too_many_keys: { status: 409, title: "Too many keys", retryable: false },
  compacted: { status: 410, title: "Compacted", retryable: false },
  precondition_failed: { status: 412, title: "Precondition failed", retryable: false },
  body_too_large: { status: 413, title: "Request body too large", retryable: false },
  value_too_large: { status: 413, title: "Value too large", retryable: false },
  key_too_long: { status: 414, title: "Key too long", retryable: false },
  idempotency_key_reused: { status: 422, title: "Idempotency key reused", retryable: false },
  too_many_uploads: { status: 429, title: "Too many uploads", retryable: true },
  too_many_leases: { status: 429, title: "Too many leases", retryable: true },
  internal_error: { status: 500, title: "Internal error", retryable: true },
  misconfigured: { status: 500, title: "Misconfigured", retryable: false },
  no_leader: { status: 503, title: "No leader", retryable: true },
  upload_lost: { status: 503, title: "Upload lost", retryable: true },
  unavailable: { status: 503, title: "Replicas unavailable", retryable: true },
  not_ready: { status: 503, title: "Replica not ready", retryable: true },
  overloaded: { status: 503, title: "Overloaded", retryable: true },
  outcome_unknown: { status: 504, title: "Outcome unknown", retryable: true },
} as const satisfies Record<string, Kind>;

export type ProblemCode = keyof typeof problemKinds;

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
  /** Members of the body that only problems of this code have. */
  readonly extra: Readonly<Record<string, unknown>>;

  /** @param detail what is wrong with this request, and what to do about it. */
  constructor(
    code: ProblemCode,
    detail: string,
    {
      outcome = "not_applied",
      headers = {},
      extra = {},
    }: Partial<Pick<Problem, "outcome" | "headers" | "extra">> = {},
  ) {
    super(detail);
    this.code = code;
    this.outcome = outcome;
    this.headers = headers;
    this.extra = extra;
  }

  /** The body of the response. */
  describe(instance: string): object {
    const { status, title, retryable } = problemKinds[this.code];
    return {
      type: `/problems/${this.code.replaceAll("_", "-")}`,
      title,
      status,
      detail: this.message,
      instance,
      code: this.code,
      outcome: this.outcome,
      retryable,
      ...this.extra,
    };
  }

  /** @param instance the path of the request. */
  toResponse(instance: string): Response {
    const { status, retryable } = problemKinds[this.code];
    const isWorthAnother = status === 503 || (retryable && status < 500);
    return new Response(`${JSON.stringify(this.describe(instance))}\n`, {
      status,
      headers: {
        "Content-Type": "application/problem+json",
        ...(isWorthAnother ? { "Retry-After": "1" } : {}),
        ...this.headers,
      },
    });
  }
}
