import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { formatOperation } from "./history-file.ts";
import type { Operation } from "./operation.ts";
import { describeVerdict } from "./report.ts";

const folder = mkdtempSync(join(tmpdir(), "quorumkv-check-"));
afterAll(() => rmSync(folder, { recursive: true }));

const common = { key: "k", status: "ok" } as const;
const put = { ...common, client: "c1", op: "put", input: "a", call: 1, return: 2, rev: 7 } as const;
const get = { ...common, client: "c2", op: "get", output: "a", call: 3, return: 4 } as const;
const lost = { client: "c1", op: "delete", key: "k", call: 5, return: 6, status: "info" } as const;

const run = (...args: string[]): { status: number | null; out: string; err: string } => {
  const main = join(import.meta.dirname, "main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
  });
  return { status, out: stdout, err: stderr };
};
const file = (name: string, operations: readonly Operation[]): string => {
  const path = join(folder, name);
  writeFileSync(path, operations.map(formatOperation).join(""));
  return path;
};

test("the command says that a history is linearizable", () => {
  expect(run(file("fine.jsonl", [put, get, lost]))).toMatchObject({
    status: 0,
    out: expect.stringMatching(/^Linearizable: 3 operations on 1 keys, 1 of unknown outcome/),
  });
});

test("the command says why one is not", () => {
  const { status, out } = run(file("stale.jsonl", [put, { ...get, output: null }]));
  expect(status).toBe(1);
  expect(out).toMatch(
    /^Not linearizable\.\nNo order of the operations on k explains\n {2}c2 get k/,
  );
});

test("the command says that revisions contradict each other", () => {
  const other = { ...put, key: "other", call: 3, return: 4, rev: 6 };
  const { status, out } = run(file("revisions.jsonl", [put, other]));
  expect(status).toBe(1);
  expect(out).toMatch(/^Linearizable: .*\nRevisions contradict: a write's revision is not above/);
});

test("the command says what it cannot read", () => {
  writeFileSync(join(folder, "bad.jsonl"), "{}\n");
  expect(run(join(folder, "bad.jsonl"))).toMatchObject({
    status: 1,
    err: expect.stringContaining("bad.jsonl: line 1: op is missing"),
  });
  expect(run(join(folder, "none.jsonl"))).toMatchObject({ status: 1 });
  expect(run()).toMatchObject({ status: 1, err: expect.stringContaining("Usage") });
});

test("having given up is neither success nor failure", () => {
  expect(describeVerdict({ type: "gaveUp", key: "k" })).toMatchObject({ exitCode: 2 });
});
