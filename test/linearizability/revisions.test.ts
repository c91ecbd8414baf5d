import { expect, test } from "vitest";
import type { Operation } from "./operation.ts";
import { checkRevisions } from "./revisions.ts";

interface At {
  readonly call: number;
  readonly return: number;
  readonly rev: number;
}

const at = (call: number, end: number, rev: number): At => ({ call, return: end, rev });
const put = (key: string, when: At): Operation => ({
  client: "c1",
  op: "put",
  key,
  input: `${key}${when.rev}`,
  status: "ok",
  ...when,
});
const get = (key: string, output: string | null, when: At): Operation => ({
  client: "c2",
  op: "get",
  key,
  output,
  status: "ok",
  ...when,
});
const del = (key: string, output: boolean, when: At): Operation => ({
  client: "c3",
  op: "delete",
  key,
  output,
  status: "ok",
  ...when,
});

test.each<[string, Operation[]]>([
  ["rise", [put("a", at(1, 2, 1)), put("b", at(3, 4, 2)), get("a", "a1", at(5, 6, 1))]],
  ["of concurrent writes are in any order", [put("a", at(1, 3, 2)), put("b", at(2, 4, 1))]],
  ["of writes that touch are in any order", [put("a", at(1, 2, 2)), put("b", at(2, 3, 1))]],
  ["of nothing found are the store's", [put("a", at(1, 2, 1)), get("b", null, at(3, 4, 1))]],
  ["of nothing deleted are the store's", [put("a", at(1, 2, 1)), del("b", false, at(3, 4, 1))]],
])("revisions may be so: they %s", (_, history) => {
  expect(checkRevisions(history)).toBeNull();
});

test.each<[string, string, Operation[]]>([
  ["fall from write to write", "not above", [put("a", at(1, 2, 2)), put("b", at(3, 4, 1))]],
  [
    "fall from a read to a write",
    "not above",
    [get("a", "x", at(1, 2, 5)), del("b", true, at(3, 4, 4))],
  ],
  [
    "fall from an absence to a write",
    "not above",
    [get("a", null, at(1, 2, 5)), put("b", at(3, 4, 5))],
  ],
  ["fall to an absence", "the store's", [put("a", at(1, 2, 2)), get("b", null, at(3, 4, 1))]],
  ["fall to a delete of nothing", "fell", [put("a", at(1, 2, 2)), del("b", false, at(3, 4, 1))]],
  ["are of two keys", "one revision", [put("a", at(1, 9, 1)), put("b", at(1, 9, 1))]],
  [
    "are of two deletes",
    "one revision",
    [del("a", true, at(1, 9, 1)), del("a", true, at(1, 9, 1))],
  ],
  [
    "are of a write and a read of another",
    "one revision",
    [put("a", at(1, 9, 1)), get("a", "x", at(1, 9, 1))],
  ],
])("revisions may not be so: they %s", (_, what, history) => {
  expect(checkRevisions(history)).toContain(what);
});

test("both operations are shown", () => {
  expect(checkRevisions([put("a", at(1, 2, 2)), put("b", at(3, 4, 1))])).toBe(
    "Revisions contradict: a write's revision is not above one seen before.\n" +
      "  c1 put a=a2 [1..2] ok rev 2\n  c1 put b=b1 [3..4] ok rev 1",
  );
});

test("what was not answered says nothing", () => {
  const lost: Operation = { ...put("b", at(3, 4, 1)), status: "info" };
  expect(checkRevisions([put("a", at(1, 2, 2)), lost])).toBeNull();
});
