import * as z from "zod/mini";
import type { Operation } from "../kv/command.ts";
import type { Condition, KeyCondition } from "../kv/condition.ts";
import { withPrefix } from "../kv/key-range.ts";
import { fromBase64 } from "../protocol/json-value.ts";
import { maxContentTypeBytes, maxTransactionOperations } from "../protocol/limits.ts";
import { defined } from "./defined.ts";
import { parseExpiry } from "./expiry.ts";
import { checkKey, checkPart } from "./key-path.ts";
import { metadataOf } from "./metadata.ts";
import { Problem } from "./problem.ts";

/** What the JSON of a transaction may look like. */

export const text = z
  .string()
  .check(z.refine((value) => value.isWellFormed(), "is no Unicode text"));

/** As in a header: see write-headers.ts. */
export const contentType = z
  .string()
  .check(z.maxLength(maxContentTypeBytes), z.regex(/^[\t\x20-\x7e]*$/));

const number = z.int();

/** A value as text, or in base64. */
const value = { value: z.optional(text), value_b64: z.optional(z.base64()) };

const condition = z.strictObject({
  key: text,
  /** That of the value it has, 0 if it has none. */
  revision: z.optional(number),
  /** Since when it has had values without a break: a lock's token. */
  create_revision: z.optional(number),
  exists: z.optional(z.boolean()),
  ...value,
});

const operation = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("get"), key: text }),
  z.strictObject({
    op: z.literal("put"),
    key: text,
    ...value,
    content_type: z.optional(contentType),
    // JSON of any kind, and not to be gone through: it may be deep.
    metadata: z.optional(z.unknown()),
    ttl: z.optional(z.union([z.number(), z.string()])),
    expires: z.optional(z.number()),
    lease: z.optional(text.check(z.maxLength(64))),
  }),
  z.strictObject({ op: z.literal("delete"), key: text }),
  z.strictObject({ op: z.literal("delete_prefix"), prefix: text }),
  z.strictObject({ op: z.literal("increment"), key: text, by: z.optional(number) }),
]);

const list = <T extends z.core.SomeType>(items: T) =>
  z.array(items).check(z.maxLength(maxTransactionOperations));

export const transactionBody = z.strictObject({
  if: z.optional(list(condition)),
  then: list(operation),
  else: z.optional(list(operation)),
});

export type TransactionBody = z.infer<typeof transactionBody>;
export type OperationBody = z.infer<typeof operation>;

export const getBody = z.strictObject({ keys: list(text) });

/** A condition as the state machine knows it. */
export function conditionOf(body: z.infer<typeof condition>): KeyCondition {
  const { key, ...said } = body;
  if (Object.values(said).filter((each) => each !== undefined).length !== 1) {
    const detail = `the condition on ${JSON.stringify(key)} must have one of revision, create_revision, exists, value and value_b64`;
    throw new Problem("bad_body", detail);
  }
  return { key: checkKey(key), condition: conditionIn(body) };
}

function conditionIn(body: z.infer<typeof condition>): Condition {
  const { revision, exists, create_revision: created } = body;
  if (revision === 0 || exists === false) return { type: "absent" };
  if (exists === true) return { type: "exists" };
  if (created !== undefined) return { type: "created", revision: created };
  if (revision !== undefined) return { type: "revision", revision };
  return { type: "value", value: bytesOf(body) };
}

/**
 * An operation as the state machine knows it.
 *
 * @param mayBeOver as of `parseExpiry`.
 */
export function operationOf(body: OperationBody, mayBeOver: boolean): Operation {
  switch (body.op) {
    case "get":
    case "delete":
      return { type: body.op, key: checkKey(body.key) };
    case "increment":
      return { type: "increment", key: checkKey(body.key), by: body.by ?? 1 };
    case "delete_prefix":
      return { type: "deleteRange", range: withPrefix(checkPart(body.prefix)) };
    case "put":
      return putOf(body, mayBeOver);
  }
}

function putOf(body: OperationBody & { readonly op: "put" }, mayBeOver: boolean): Operation {
  if ((body.value === undefined) === (body.value_b64 === undefined)) {
    const detail = `the put of ${JSON.stringify(body.key)} must have one of value and value_b64`;
    throw new Problem("bad_body", detail);
  }
  const wanted = {
    ttl: body.ttl === undefined ? undefined : String(body.ttl),
    expires: body.expires === undefined ? undefined : String(body.expires),
    lease: body.lease,
  };
  return {
    type: "put",
    key: checkKey(body.key),
    value: bytesOf(body),
    contentType: body.content_type || null,
    ...defined({
      metadata: body.metadata === undefined ? undefined : metadataOf(body.metadata),
      expiry: parseExpiry(wanted, "bad_body", mayBeOver),
    }),
  };
}

interface Value {
  readonly value?: string | undefined;
  readonly value_b64?: string | undefined;
}

const bytesOf = ({ value: plain, value_b64 }: Value): Uint8Array =>
  plain !== undefined ? new TextEncoder().encode(plain) : fromBase64(value_b64 ?? "");
