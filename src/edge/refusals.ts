import type { Refused, Refusal } from "../kv/result.ts";
import type { HeaderMap } from "./answer-headers.ts";
import { Problem, type ProblemCode } from "./problem.ts";

const problems: Readonly<Record<Refusal, { readonly code: ProblemCode; readonly detail: string }>> =
  {
    no_lease: { code: "lease_not_found", detail: "there is no such lease, or it has ended" },
    not_a_number: {
      code: "not_a_number",
      detail:
        "only a whole number in decimal digits can be counted up, and the value is something else",
    },
    out_of_range: {
      code: "out_of_range",
      detail: "the number would leave the range from -9007199254740991 to 9007199254740991",
    },
    too_many_keys: {
      code: "too_many_keys",
      detail: "a transaction deletes 1000 keys of a prefix at most: delete them first, without one",
    },
    too_many_uploads: {
      code: "too_many_uploads",
      detail:
        "as many large values as may be are on their way in: try again when some have arrived",
    },
    no_upload: {
      code: "upload_lost",
      detail: "parts of the value were on their way for more than a minute: send it again, whole",
    },
    too_many_leases: {
      code: "too_many_leases",
      detail:
        "there are 10,000 leases already: let many keys share one, or wait until some have ended",
    },
  };

/** Why nothing was changed. */
export function refusalOf({ reason, at }: Refused, headers: HeaderMap): Problem {
  const { code, detail } = problems[reason];
  const where = at === null ? "" : ` (operation ${at})`;
  return new Problem(code, `${detail}${where}; nothing was changed`, {
    headers,
    extra: at === null ? {} : { operation: at },
  });
}
