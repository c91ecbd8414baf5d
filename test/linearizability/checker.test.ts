import { describe, expect, test } from "vitest";
import { type Verdict, checkLinearizability } from "./checker.ts";
import type { CasInput, Operation, Status, Value } from "./operation.ts";

interface When {
  readonly client?: string;
  readonly key?: string;
  readonly status?: Status;
  readonly rev?: number;
}

let clients = 0;
/** Each operation has a client of its own, unless told otherwise: real time alone orders them. */
const common = (call: number, end: number, when: When) =>
  ({ client: `x${clients++}`, key: "k", call, return: end, status: "ok", ...when }) as const;

const put = (input: Value, call: number, end: number, when: When = {}): Operation => ({
  op: "put",
  input,
  ...common(call, end, when),
});
const get = (output: Value | null, call: number, end: number, when: When = {}): Operation => ({
  op: "get",
  output,
  ...common(call, end, when),
});
const del = (output: boolean, call: number, end: number, when: When = {}): Operation => ({
  op: "delete",
  ...(when.status === "info" ? {} : { output }),
  ...common(call, end, when),
});
const cas = (
  input: CasInput,
  output: boolean,
  call: number,
  end: number,
  when: When = {},
): Operation => ({
  op: "cas",
  input,
  ...(when.status === "info" ? {} : { output }),
  ...common(call, end, when),
});
const info = { status: "info" } as const;

const cases: Readonly<Record<string, Readonly<Record<string, readonly [boolean, Operation[]]>>>> = {
  reads: {
    "of nothing": [true, [get(null, 1, 2)]],
    "of what was put": [true, [put("a", 1, 2), get("a", 3, 4)]],
    "of what is no longer there": [false, [put("a", 1, 2), put("b", 3, 4), get("a", 5, 6)]],
    "of either value during a put": [
      true,
      [put("a", 1, 2), put("b", 3, 9), get("a", 4, 5), get("b", 6, 7)],
    ],
    "that go back in time during a put": [
      false,
      [put("a", 1, 2), put("b", 3, 9), get("b", 4, 5), get("a", 6, 7)],
    ],
    "that touch a put at one instant": [true, [put("a", 5, 9), get("a", 1, 5)]],
    "from the future": [false, [put("a", 5, 9), get("a", 1, 4)]],
    "of a value never written": [false, [put("a", 1, 2), get("b", 3, 4)]],
    "of another key's value": [false, [put("a", 1, 2, { key: "other" }), get("a", 3, 4)]],
    "of numbers, which are no strings": [false, [put(1, 1, 2), get("1", 3, 4)]],
  },
  writes: {
    "that are lost": [false, [put("a", 1, 2), get(null, 3, 4)]],
    "that failed but are read": [false, [put("a", 1, 2, { status: "fail" }), get("a", 3, 4)]],
    "that failed and are not there": [true, [put("a", 1, 2, { status: "fail" }), get(null, 3, 4)]],
    "that take effect twice": [
      false,
      [put("a", 1, 2), get("a", 3, 4), put("b", 5, 6), get("b", 7, 8), get("a", 9, 10)],
    ],
    "of unknown outcome that appear late": [
      true,
      [put("a", 1, 2), put("b", 3, 4, info), get("a", 5, 6), get("b", 7, 8)],
    ],
    "of unknown outcome that never appear": [true, [put("b", 1, 2, info), get(null, 3, 4)]],
    "of unknown outcome that appear and disappear": [
      false,
      [put("a", 1, 2), put("b", 3, 4, info), get("b", 5, 6), get("a", 7, 8)],
    ],
    "of unknown outcome that appear before they were called": [
      false,
      [get("b", 1, 2), put("b", 3, 4, info)],
    ],
    "of unknown outcome whose client goes on": [
      true,
      [
        put("a", 1, 2, { client: "c", ...info }),
        get(null, 3, 4, { client: "c" }),
        get("a", 5, 6, { client: "c" }),
      ],
    ],
  },
  deletes: {
    "of nothing": [true, [del(false, 1, 2)]],
    "of nothing, said to be there": [false, [del(true, 1, 2)]],
    "of something": [true, [put("a", 1, 2), del(true, 3, 4), get(null, 5, 6)]],
    "of something, said not to be there": [false, [put("a", 1, 2), del(false, 3, 4)]],
    "that both delete one value": [false, [put("a", 1, 2), del(true, 3, 9), del(true, 3, 9)]],
    "that both delete, with an unknown put between": [
      true,
      [put("a", 1, 2), put("b", 1, 2, info), del(true, 3, 9), del(true, 3, 9)],
    ],
    "of unknown outcome that are seen": [
      true,
      [put("a", 1, 2), del(true, 3, 4, info), get(null, 5, 6)],
    ],
    "of unknown outcome that come undone": [
      false,
      [put("a", 1, 2), del(true, 3, 4, info), get(null, 5, 6), get("a", 7, 8)],
    ],
  },
  "a cas by value": {
    succeeds: [true, [put("a", 1, 2), cas(["a", "b"], true, 3, 4), get("b", 5, 6)]],
    "is refused": [true, [put("a", 1, 2), cas(["x", "b"], false, 3, 4), get("a", 5, 6)]],
    "succeeds without its value": [false, [put("a", 1, 2), cas(["x", "b"], true, 3, 4)]],
    "is refused in spite of its value": [false, [put("a", 1, 2), cas(["a", "b"], false, 3, 4)]],
    "is refused, for an unknown put may have come between": [
      true,
      [put("a", 1, 2), put("z", 1, 2, info), cas(["a", "b"], false, 3, 4)],
    ],
    "wins twice": [
      false,
      [put("a", 1, 2), cas(["a", "b"], true, 3, 9), cas(["a", "c"], true, 3, 9)],
    ],
    "is refused, but its value is read": [
      false,
      [put("a", 1, 2), cas(["x", "b"], false, 3, 4), get("b", 5, 6)],
    ],
    "of unknown outcome is seen": [
      true,
      [put("a", 1, 2), cas(["a", "b"], true, 3, 4, info), get("a", 5, 6), get("b", 7, 8)],
    ],
    "of unknown outcome comes too late for its value": [
      false,
      [put("a", 1, 2), cas(["a", "b"], true, 5, 6, info), put("c", 3, 4), get("b", 7, 8)],
    ],
  },
  "a cas by revision": {
    creates: [true, [cas({ from_rev: 0, to: "a" }, true, 1, 2), get("a", 3, 4)]],
    "creates what is there": [false, [put("a", 1, 2), cas({ from_rev: 0, to: "b" }, true, 3, 4)]],
    "may not create what is there": [
      true,
      [put("a", 1, 2), cas({ from_rev: 0, to: "b" }, false, 3, 4)],
    ],
    "finds its revision": [
      true,
      [put("a", 1, 2, { rev: 7 }), cas({ from_rev: 7, to: "b" }, true, 3, 4, { rev: 8 })],
    ],
    "finds another revision": [
      false,
      [put("a", 1, 2, { rev: 7 }), cas({ from_rev: 6, to: "b" }, true, 3, 4)],
    ],
    "is refused in spite of its revision": [
      false,
      [put("a", 1, 2, { rev: 7 }), cas({ from_rev: 7, to: "b" }, false, 3, 4)],
    ],
    "knows a revision that a read found": [
      false,
      [
        put("a", 1, 2, info),
        get("a", 3, 4, { rev: 7 }),
        cas({ from_rev: 7, to: "b" }, false, 5, 6),
      ],
    ],
    "finds a revision that only an unknown put can have": [
      true,
      [put("a", 1, 2, { rev: 7 }), put("z", 1, 2, info), cas({ from_rev: 9, to: "b" }, true, 3, 4)],
    ],
    "finds a revision that only an unknown create after an unknown delete can have": [
      true,
      [
        put("a", 1, 2, { rev: 7 }),
        del(true, 1, 2, info),
        cas({ from_rev: 0, to: "z" }, true, 1, 2, info),
        cas({ from_rev: 9, to: "b" }, true, 3, 4),
      ],
    ],
    "finds one revision twice": [
      false,
      [
        put("y", 1, 2, info),
        put("z", 1, 2, info),
        cas({ from_rev: 9, to: "b" }, true, 3, 4),
        cas({ from_rev: 9, to: "c" }, true, 5, 6),
      ],
    ],
  },
  revisions: {
    "that rise": [true, [put("a", 1, 9, { rev: 2 }), put("b", 1, 9, { rev: 1 }), get("a", 10, 11)]],
    "that the values contradict": [
      false,
      [put("a", 1, 9, { rev: 2 }), put("b", 1, 9, { rev: 1 }), get("b", 10, 11)],
    ],
    "that real time contradicts": [false, [put("a", 1, 2, { rev: 2 }), put("b", 3, 4, { rev: 1 })]],
    "of a put that a read finds otherwise": [
      false,
      [put("a", 1, 2, { rev: 2 }), get("a", 3, 4, { rev: 3 })],
    ],
    "of an unknown put that two reads find differently": [
      false,
      [put("a", 1, 2, info), get("a", 3, 4, { rev: 3 }), get("a", 5, 6, { rev: 4 })],
    ],
  },
};

describe.each(Object.entries(cases))("%s", (_, ofKind) => {
  test.each(Object.entries(ofKind).map(([name, [isFine, history]]) => ({ name, isFine, history })))(
    "$name: $isFine",
    ({ isFine, history }) => {
      const { type } = checkLinearizability(history);
      expect(type).toBe(isFine ? "linearizable" : "violation");
      // The order of the lines says nothing.
      expect(checkLinearizability(history.toReversed()).type).toBe(type);
    },
  );
});

test("an empty history is linearizable", () => {
  const nothing: Verdict = { type: "linearizable", operations: 0, keys: 0, info: 0, explored: 0 };
  expect(checkLinearizability([])).toEqual(nothing);
});

test("a verdict counts", () => {
  const history = [put("a", 1, 2), put("b", 1, 2, { key: "other" }), put("c", 1, 2, info)];
  expect(checkLinearizability(history)).toMatchObject({ operations: 3, keys: 2, info: 1 });
});

test("a violation is explained up to the answer that nothing explains", () => {
  const verdict = checkLinearizability([
    put("a", 1, 2, { client: "c1" }),
    put("b", 3, 4, { client: "c1" }),
    put("z", 3, 6, { client: "c3", ...info }),
    get("a", 5, 6, { client: "c2" }),
    get("a", 7, 8, { client: "c2" }),
    put("c", 7, 8, { client: "c1" }),
  ]);
  expect(verdict).toEqual({
    type: "violation",
    key: "k",
    explanation: `No order of the operations on k explains
  c2 get k -> a [5..6] ok
The longest order found has 1, and ends with
  c1 put k=a [1..2] ok
Then k holds a, and none of these can be next:
  c1 put k=b [3..4] ok: 1 still must find a, as c2 get k -> a [5..6] ok
Nor would these unknown ones help:
  c3 put k=z [3..6] info`,
  });
});

test.each<[string, Operation[], string]>([
  ["nobody", [get("x", 3, 4)], "Nobody ever wrote x."],
  [
    "a write that failed",
    [put("x", 1, 2, { client: "c1", status: "fail" }), get("x", 3, 4)],
    "That value was not written: c1 put k=x [1..2] fail",
  ],
  [
    "a later write",
    [put("x", 5, 6, { client: "c1" }), get("x", 3, 4)],
    "It was written later: c1 put k=x [5..6] ok",
  ],
])("a value of %s is told apart", (_, history, line) => {
  const verdict = checkLinearizability(history);
  expect(verdict.type === "violation" && verdict.explanation.split("\n")).toContain(line);
});
