import { describe, expect, test } from "vitest";
import httpApi from "../../docs/http-api.md?raw";
import { describeApi } from "../../src/edge/contract/document.ts";
import { type Operation, operations } from "../../src/edge/contract/operations.ts";
import { parameters } from "../../src/edge/contract/parameters.ts";
import { EdgeUnderTest, type ProblemBody } from "./edge-under-test.ts";

const edge = EdgeUnderTest.withLeader();

/** A path of an operation, with something for each part that it leaves open. */
const pathOf = ({ path }: Operation): string =>
  path.replace("{namespace}", edge.group.namespace).replaceAll(/\{\w+\}/g, "1");

async function ask(operation: Operation, query: string): Promise<ProblemBody> {
  const { method } = operation;
  const response = await edge.fetch(`${pathOf(operation)}${query}`, { method });
  return (await response.json()) as ProblemBody;
}

/** Those that look at no query at all. */
const isPlain = ({ query }: Operation): boolean => query === undefined;

describe.each(operations.map((each) => [`${each.method} ${each.path}`, each] as const))(
  "%s",
  (_, operation) => {
    test.skipIf(isPlain(operation))("takes the parameters that are described", async () => {
      const { code, detail } = await ask(operation, "?stranger=1");
      expect(code).toBe("bad_parameter");
      const [, names = ""] =
        /there is no parameter stranger here; there is (.*)$/.exec(detail) ?? [];
      expect(names.split(", ").toSorted()).toEqual([...(operation.query ?? [])].toSorted());
    });

    test("has the methods that are described, and no others", async () => {
      const response = await edge.fetch(pathOf(operation), { method: "PATCH" });
      const methods: string[] = operations
        .filter(({ path }) => path === operation.path)
        .map(({ method }) => method);
      const isStream = ["watch", "export"].includes(operation.id);
      const all = methods.includes("GET") && !isStream ? [...methods, "HEAD"] : methods;
      expect(response.status).toBe(405);
      expect(response.headers.get("Allow")?.split(", ").toSorted()).toEqual(all.toSorted());
    });

    test("is in docs/http-api.md", () => {
      const { path } = operation;
      const isTold = [path, path.replace("/v1/ns/{namespace}", "…")].some((each) =>
        httpApi.includes(`\`${each}`),
      );
      expect(isTold, path).toBe(true);
    });
  },
);

test("No two operations have one name", () => {
  const ids = operations.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test("Every parameter is one of some operation", () => {
  const used = new Set(operations.flatMap(({ query = [] }) => query));
  expect(Object.keys(parameters).filter((name) => !used.has(name as never))).toEqual([]);
});

test("/openapi.json is that description, all of whose references lead somewhere", async () => {
  const response = await edge.fetch("/openapi.json");
  expect(response.headers.get("Content-Type")).toBe("application/json");
  const text = await response.text();
  const document = JSON.parse(text) as Record<string, unknown>;
  expect(document).toEqual(JSON.parse(JSON.stringify(describeApi())));
  expect(document["openapi"]).toMatch(/^3\.1/);
  expect(Object.keys(document["paths"] as object)).toEqual([
    ...new Set(operations.map(({ path }) => path)),
  ]);
  for (const [, reference] of text.matchAll(/"\$ref": "#\/([^"]+)"/g)) {
    const target = reference!
      .split("/")
      .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], document);
    expect(target, reference).toBeDefined();
  }
});

test("/docs shows every operation", async () => {
  const page = await (await edge.fetch("/docs")).text();
  for (const { method, path, summary } of operations) {
    expect(page).toContain(`<h2>${method} ${path}</h2>`);
    expect(page).toContain(summary.replaceAll("'", "&#39;"));
  }
});

describe("A page of another origin", () => {
  const headers = { Origin: "https://shop.example" };

  test("may send what the API takes", async () => {
    const preflight = await edge.fetch("/v1/ns/shop/keys/a", {
      method: "OPTIONS",
      headers: { ...headers, "Access-Control-Request-Method": "PUT" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("Access-Control-Allow-Methods")).toContain("PUT");
    expect(preflight.headers.get("Access-Control-Allow-Headers")).toContain("If-Match");
  });

  test("sees the headers of answers, those of errors as well", async () => {
    for (const path of ["/livez", "/nowhere", "/v1/ns/NO/keys/a"]) {
      const response = await edge.fetch(path, { headers });
      expect(response.headers.get("Access-Control-Allow-Origin")).toBe("*");
      expect(response.headers.get("Access-Control-Expose-Headers")).toContain("KV-Revision");
      expect(response.headers.get("Server-Timing")).toMatch(/^edge;dur=\d+$/);
    }
  });
});
