import type { Context } from "hono";
import type { OperationResult, TransactionResult } from "../../kv/result.ts";
import type { QueryRequest } from "../../protocol/client.ts";
import { maxTransactionBytes } from "../../protocol/limits.ts";
import type { HeaderMap } from "../answer-headers.ts";
import { defined } from "../defined.ts";
import type { EdgeEnv } from "../env.ts";
import { readIdempotency } from "../idempotency.ts";
import { describeFound } from "../item-json.ts";
import { answerInJson, readTarget } from "../json-answer.ts";
import { readJson } from "../json-body.ts";
import { checkKey } from "../key-path.ts";
import { Problem } from "../problem.ts";
import { parseRevision } from "../query.ts";
import {
  type OperationBody,
  conditionOf,
  getBody,
  operationOf,
  transactionBody,
} from "../transaction-body.ts";
import { checkWriteHeaders } from "../write-headers.ts";

/** `POST …/txn`: conditions, and what to do when they hold or do not: at one revision. */
export async function postTransaction(c: Context<EdgeEnv>): Promise<Response> {
  const { raw } = c.req;
  const { destination } = readTarget(c);
  checkWriteHeaders(raw.headers, ["Idempotency-Key"]);
  const { body, bytes } = await readJson(raw, transactionBody, maxTransactionBytes);
  const isNamed = raw.headers.has("Idempotency-Key");
  const branches = {
    if: (body.if ?? []).map(conditionOf),
    then: body.then.map((each) => operationOf(each, isNamed)),
    else: (body.else ?? []).map((each) => operationOf(each, isNamed)),
  };
  const isReadOnly = [...branches.then, ...branches.else].every(({ type }) => type === "get");
  const idempotency = await readIdempotency(raw, bytes);
  const type = isReadOnly && idempotency === undefined ? "query" : "transaction";
  return answerInJson(
    c,
    destination,
    { type, ...branches, ...defined({ idempotency }) },
    {
      transaction: (result, headers) => {
        if (!result.succeeded && body.else === undefined) throw failed(result, headers);
        const { succeeded, revision, results } = result;
        const operations = (succeeded ? body.then : body.else) ?? [];
        const described = operations.map((operation, i) => describe(operation, results[i]!));
        return { succeeded, revision, results: described };
      },
    },
  );
}

/** `POST …/get`: many keys at one revision. */
export async function postGet(c: Context<EdgeEnv>): Promise<Response> {
  const { destination, query } = readTarget(c, ["revision"]);
  const at = parseRevision(query.revision);
  const { body } = await readJson(c.req.raw, getBody, maxTransactionBytes);
  const keys = body.keys.map(checkKey);
  const then = keys.map((key) => ({ type: "get" as const, key }));
  const request: QueryRequest = { type: "query", if: [], then, else: [], ...defined({ at }) };
  return answerInJson(c, destination, request, {
    transaction: ({ results, revision }) => ({
      keys: keys.map((name, i) => Object.assign({ name }, describeGet(results[i]!))),
      revision,
    }),
  });
}

function failed({ failed: places }: TransactionResult, headers: HeaderMap): Problem {
  const detail = `of the conditions, ${places.join(", ")} did not hold, and nothing was changed`;
  return new Problem("precondition_failed", detail, { headers, extra: { failed: places } });
}

function describe(operation: OperationBody, result: OperationResult): object {
  const named =
    operation.op === "delete_prefix" ? { prefix: operation.prefix } : { key: operation.key };
  const said = { op: operation.op, ...named };
  switch (result.type) {
    case "get":
    case "replaced":
      return { ...said, ...describeGet(result) };
    case "put":
      return { ...said, created: result.created };
    case "deleted":
      return { ...said, deleted: result.deleted };
    case "incremented":
      return { ...said, value: result.value };
  }
}

/** A value that is left out, since there is too much in one answer, is said to be. */
function describeGet(result: OperationResult): object {
  if (result.type === "replaced") {
    return { found: true, revision: result.revision, omitted: true };
  }
  if (result.type !== "get" || result.found === null) return { found: false };
  const isOmitted = result.found.value === null;
  return { found: true, ...describeFound(result.found), ...(isOmitted ? { omitted: true } : {}) };
}
