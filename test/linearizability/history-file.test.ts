import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { appendOperation, parseHistory, readHistory } from "./history-file.ts";
import type { Operation } from "./operation.ts";

const folder = mkdtempSync(join(tmpdir(), "quorumkv-history-"));
afterAll(() => rmSync(folder, { recursive: true }));

const good = { client: "c1", op: "put", key: "k", input: "a", call: 1, return: 2, status: "ok" };
const line = (changes: object, without?: string): string => {
  const fields = Object.entries({ ...good, ...changes }).filter(([name]) => name !== without);
  return JSON.stringify(Object.fromEntries(fields));
};

const history: readonly Operation[] = [
  { client: "c1", op: "put", key: "k", input: "a", call: 1, return: 2, status: "ok", rev: 7 },
  { client: "c2", op: "get", key: "k", output: "a", call: 3, return: 4, status: "ok", rev: 7 },
  { client: "c2", op: "get", key: "x", output: null, call: 4, return: 5, status: "ok" },
  {
    client: "c1",
    op: "cas",
    key: "k",
    input: ["a", "b"],
    output: true,
    call: 5,
    return: 6,
    status: "ok",
  },
  {
    client: "c1",
    op: "cas",
    key: "k",
    input: { from_rev: 0, to: 1 },
    call: 7,
    return: 9,
    status: "info",
  },
  { client: "c2", op: "delete", key: "k", output: true, call: 8, return: 9, status: "ok" },
  { client: "c1", op: "put", key: "k", input: "c", call: 9, return: 10, status: "fail" },
  { client: "c1", op: "put", key: "k", input: "d", call: 11, return: Infinity, status: "info" },
];

test("what is written is read again", () => {
  const path = join(folder, "written.jsonl");
  for (const operation of history) appendOperation(path, operation);
  expect(readHistory(path)).toEqual(history);
});

test("an empty file is a history", () => {
  expect(parseHistory("")).toEqual([]);
});

test("what an unanswered operation seems to return is not taken for an answer", () => {
  const text = line({ op: "get", status: "info", output: "a", return: null }, "input");
  const { input: _, return: __, ...rest } = good;
  expect(parseHistory(text)).toEqual([{ ...rest, op: "get", status: "info", return: Infinity }]);
});

describe("a bad line is named", () => {
  test.each<[string, string]>([
    ["", "not JSON"],
    ["{", "not JSON"],
    ["[]", "not a JSON object"],
    [line({ op: "incr" }), 'op must be one of get, put, delete, cas, not "incr"'],
    [line({ status: "maybe" }), 'status must be one of ok, fail, info, not "maybe"'],
    [line({}, "client"), "client is missing"],
    [line({ client: 1 }), "client must be a string"],
    [line({}, "key"), "key is missing"],
    [line({}, "call"), "call is missing"],
    [line({ call: "1" }), "call must be a number"],
    [line({}, "return"), "return is missing"],
    [line({ status: "fail", return: null }), "return is missing"],
    [line({}, "status"), "status is missing"],
    [line({}, "input"), "input is missing"],
    [line({ input: {} }), "input must be a string or a number, not {}"],
    [line({ rev: -1 }), "rev must be a whole number from 0"],
    [line({ revision: 1 }), "unknown field revision"],
    [line({ op: "get" }), "output is missing; null when absent"],
    [line({ op: "delete" }), "output is missing"],
    [line({ op: "delete", output: "yes" }), "output must be true or false"],
    [line({ op: "cas", output: true }), "the input of a cas must be [from,to]"],
    [line({ op: "cas", output: true, input: ["a"] }), "the input of a cas must be [from,to]"],
    [line({ op: "cas", output: true, input: [null, "a"] }), "the first of input is missing"],
    [line({ op: "cas", input: ["x", "y"] }), "output is missing"],
    [line({ op: "cas", output: true, input: { from_rev: "1", to: "b" } }), "from_rev must be"],
    [line({ return: 0 }), "it returns at 0, before its call at 1"],
    [line({ call: 101, return: 102 }), "a is written to k again, after c1 put k=a [100..102] ok"],
    [
      line({ call: 101, return: 103, input: "b" }),
      "c1 has two operations under way at once, this and c1 put k=a [100..102] ok",
    ],
  ])("%s: %s", (bad, what) => {
    const text = `${line({ call: 100, return: 102 })}\n${bad}\n${line({ client: "c3", input: "z" })}\n`;
    expect(() => parseHistory(text)).toThrow(`line 2: ${what}`);
  });
});

test("a client goes on after it has given up, but not before", () => {
  const lost = line({ status: "info", call: 1, return: 5 });
  expect(parseHistory(`${lost}\n${line({ call: 5, return: 6, input: "b" })}`)).toHaveLength(2);
  const early = line({ call: 4, return: 6, input: "b" });
  expect(() => parseHistory(`${early}\n${lost}`)).toThrow("line 1: c1 has two operations");
});
