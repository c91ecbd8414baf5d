import * as z from "zod/mini";
import {
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
} from "zod-openapi";
import { problemKinds } from "../problem.ts";
import { answerHeaders, requestHeaders } from "./headers.ts";
import { type Operation, operations } from "./operations.ts";
import { type ParameterName, parameters } from "./parameters.ts";

/** The API's description, as OpenAPI 3.1. */
export function describeApi(): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const operation of operations) {
    const path = (paths[operation.path] ??= {});
    path[operation.method.toLowerCase() as "get"] = describeOperation(operation);
  }
  return createDocument({
    openapi: "3.1.1",
    info: {
      title: "quorumkv",
      version: "1",
      description:
        "A strongly consistent key-value store in several regions. Values are bodies, byte for byte; revisions are ETags; " +
        "every error says what became of a write. docs/http-api.md tells all.",
      license: { name: "MIT", identifier: "MIT" },
    },
    paths,
    components: { schemas: { Problem: problem }, headers },
  });
}

/** Which of them an answer has depends on what it answers, so all refer to the same list. */
const headers = Object.fromEntries(
  Object.entries(answerHeaders).map(([name, description]) => [
    name,
    { description, schema: { type: "string" as const } },
  ]),
);
const headerRefs = Object.fromEntries(
  Object.keys(answerHeaders).map((name) => [name, { $ref: `#/components/headers/${name}` }]),
);

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.enum(Object.keys(problemKinds) as [string, ...string[]]),
  outcome: z.enum(["not_applied", "applied", "unknown"]),
  retryable: z.boolean(),
});

function describeOperation(operation: Operation): ZodOpenApiOperationObject {
  const { id, summary, path, query = [], answers } = operation;
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const success = Object.entries(answers).map(([status, { description, type }]) => [
    status,
    {
      description,
      headers: headerRefs,
      ...(type === undefined ? {} : { content: { [type]: { schema: anything } } }),
    },
  ]);
  return {
    operationId: id,
    summary,
    requestParams: {
      path: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))),
      query: z.object(
        Object.fromEntries(query.map((name: ParameterName) => [name, optionalParameter(name)])),
      ),
      header: z.object(
        Object.fromEntries(
          (operation.headers ?? []).map((name) => [
            name,
            optional(z.string(), requestHeaders[name]),
          ]),
        ),
      ),
    },
    ...bodyOf(operation),
    responses: {
      ...(Object.fromEntries(success) as object),
      default: {
        description: "what went wrong, and what became of the request",
        content: { "application/problem+json": { schema: problem } },
      },
    },
  };
}

const anything = z.any();

function bodyOf({ body }: Operation): Pick<ZodOpenApiOperationObject, "requestBody"> {
  if (body === undefined) return {};
  if (body === "bytes") return { requestBody: { content: { "*/*": { schema: anything } } } };
  if (body === "ndjson") {
    return { requestBody: { content: { "application/x-ndjson": { schema: anything } } } };
  }
  const content =
    "example" in body ? { schema: anything, example: body.example } : { schema: body };
  return { requestBody: { required: true, content: { "application/json": content } } };
}

const optionalParameter = (name: ParameterName) =>
  optional(parameters[name].schema, parameters[name].description);

/** A schema with a description of its own, though others may use the same. */
const optional = (schema: z.ZodMiniType, description: string) =>
  z.optional(schema).check(z.describe(description));
