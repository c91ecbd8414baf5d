import type { Context } from "hono";
import type { EdgeEnv } from "../env.ts";
import { parseTtl, secondsOf } from "../expiry.ts";
import { onlyIdempotency } from "../idempotency.ts";
import { answerInJson, readTarget } from "../json-answer.ts";
import { Problem } from "../problem.ts";

/** `GET …/history`: how long what is replaced is kept, and the oldest revision that can be read. */
export async function getHistory(c: Context<EdgeEnv>): Promise<Response> {
  const { destination } = readTarget(c);
  return answerInJson(c, destination, { type: "retention" }, { retention: describe });
}

/** `PUT …/history?keep=`: from now on what is replaced is kept for so long. */
export async function putHistory(c: Context<EdgeEnv>): Promise<Response> {
  const { destination, query } = readTarget(c, ["keep"]);
  if (query.keep === undefined) {
    throw new Problem("bad_parameter", "keep says for how long, like keep=24h");
  }
  const keepMs = parseTtl(query.keep, "bad_parameter");
  const draft = { type: "retain", keepMs, ...(await onlyIdempotency(c.req.raw)) } as const;
  return answerInJson(c, destination, draft, { retained: describe });
}

/** `DELETE …/history`: no more is kept, and what is there goes. */
export async function deleteHistory(c: Context<EdgeEnv>): Promise<Response> {
  const { destination } = readTarget(c);
  const draft = { type: "retain", keepMs: null, ...(await onlyIdempotency(c.req.raw)) } as const;
  return answerInJson(c, destination, draft, { retained: describe });
}

interface Retention {
  readonly keepMs: number | null;
  readonly from: number | null;
  readonly revision: number;
}

const describe = ({ keepMs, from, revision }: Retention): object => ({
  keep: keepMs === null ? null : secondsOf(keepMs),
  readable_from: from,
  revision,
});
