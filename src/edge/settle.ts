import type { ServedBy } from "../protocol/client.ts";
import type { DefiniteResult, Forwarded, Refusal } from "./forward.ts";
import { Problem } from "./problem.ts";

export interface Settled {
  readonly result: DefiniteResult;
  readonly servedBy: ServedBy;
  /** The newest revision that the replica had; null when it does not say. */
  readonly revision: number | null;
  /** Whether it is the answer to an earlier request of the same name. */
  readonly isReplayed: boolean;
}

/** What happened, where something did. Throws the Problem that there is otherwise. */
export function settle(forwarded: Exclude<Forwarded, { type: "redirected" }>): Settled {
  switch (forwarded.type) {
    case "answered": {
      const { type: _, result, ...answer } = forwarded;
      if (result.type === "reused") throw reused();
      if (result.type === "forgotten") throw forgotten(result.from);
      if (result.type === "future") {
        const detail = `revision ${result.revision} is the newest, and a later one was asked for`;
        throw new Problem("future_revision", detail);
      }
      if (result.type !== "replayed") return { ...answer, result, isReplayed: false };
      return { ...answer, result: result.result as DefiniteResult, isReplayed: true };
    }
    case "refused": {
      const { code, detail } = refusals[forwarded.reason];
      throw new Problem(code, detail);
    }
    case "unknown":
      throw new Problem(
        "outcome_unknown",
        "the write was sent, but no answer came in time, so it may have taken effect or may yet: " +
          "send it again with the same Idempotency-Key if it had one, or else read to see",
        { outcome: "unknown" },
      );
  }
}

const refusals = {
  unavailable: {
    code: "unavailable",
    detail: "no replica could be reached in time; nothing was changed, so try again",
  },
  no_leader: {
    code: "no_leader",
    detail:
      "no leader was found in time, a majority may be out of reach; nothing was changed, so try again",
  },
  overloaded: {
    code: "overloaded",
    detail: "the leader has too much under way; nothing was changed, so try again, more slowly",
  },
  in_flight: {
    code: "idempotency_key_in_flight",
    detail: "a request with this Idempotency-Key is under way: ask again for what becomes of it",
  },
  too_old: {
    code: "not_ready",
    detail:
      "a replica runs older code, which does not know such requests: try again when it is upgraded",
  },
} as const satisfies Record<Refusal, { readonly code: string; readonly detail: string }>;

function forgotten(from: number | null): Problem {
  const detail =
    from === null
      ? "this namespace keeps no history, so only the present can be read; PUT …/history?keep=24h has it keep some"
      : `what was at that revision is not kept any more; from ${from} on it is`;
  return new Problem("compacted", detail, { extra: { compact_revision: from } });
}

const reused = (): Problem =>
  new Problem(
    "idempotency_key_reused",
    "this Idempotency-Key stands for another request: give each request a key of its own",
  );
