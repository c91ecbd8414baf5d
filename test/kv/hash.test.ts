import { describe, expect, test } from "vitest";
import type { Command } from "../../src/kv/command.ts";
import { Hash } from "../../src/kv/hash.ts";
import { windowSize } from "../../src/kv/request-window.ts";
import { MachineBench, utf8 } from "../support/machine-bench.ts";

const put: Command = {
  type: "put",
  requestId: "1",
  floor: 0,
  key: "k",
  value: utf8("v"),
  contentType: "a/b",
};
const history: readonly Command[] = [put, { type: "delete", requestId: "2", floor: 0, key: "k" }];

function hashAfter(commands: readonly Command[], restartAfter = -1): string {
  const bench = new MachineBench();
  commands.forEach((command, i) => {
    bench.apply(command);
    if (i === restartAfter) bench.restart();
  });
  return bench.state.hash;
}

/** Histories of which no two may have one hash. */
const histories: Record<string, readonly Command[]> = {
  nothing: [],
  "a put": [put],
  "another value": [{ ...put, value: utf8("w") }],
  "an empty value": [{ ...put, value: utf8("") }],
  "a value that ends in a zero byte": [{ ...put, value: utf8("v\0") }],
  "another key": [{ ...put, key: "l" }],
  "another request": [{ ...put, requestId: "2" }],
  "another content type": [{ ...put, contentType: "a/c" }],
  "an empty content type": [{ ...put, contentType: "" }],
  "no content type": [{ ...put, contentType: null }],
  "a border between fields elsewhere": [{ ...put, requestId: "1k", key: "" }],
  "a delete of nothing": [{ type: "delete", requestId: "1", floor: 0, key: "k" }],
  "a put and a delete": history,
  "the delete first": history.toReversed(),
  "two puts": [put, { ...put, requestId: "2" }],
  "the two puts the other way round": [{ ...put, requestId: "2" }, put],
};

test("Replicas that applied different things have different hashes", () => {
  const seen = new Map<string, string>();
  for (const [name, commands] of Object.entries(histories)) {
    const hash = hashAfter(commands);
    expect(hash).toMatch(/^2\.[0-9a-f]{16}$/);
    expect(seen.get(hash), `the same hash as ${name}`).toBeUndefined();
    seen.set(hash, name);
  }
});

describe.each(Object.entries(histories))(
  "Replicas that applied the same have equal hashes: %s",
  (_, commands) => {
    test("however it was cut into entries", () => {
      const bench = new MachineBench();
      bench.apply(...commands);
      bench.apply();
      expect(bench.state.hash).toBe(hashAfter(commands));
    });

    test("when one of them restarted half way", () => {
      expect(hashAfter(commands, 0)).toBe(hashAfter(commands));
    });
  },
);

test("What was not applied leaves no trace in the hash: a duplicate, an expired request", () => {
  const bench = new MachineBench();
  bench.fill(windowSize + 2);
  const { hash } = bench.state;
  expect(bench.run("delete a #1")).toBe("nothing to delete r0");
  const { hash: afterDelete } = bench.state;
  expect(afterDelete).not.toBe(hash);
  expect(bench.run("delete a #1")).toBe("nothing to delete r0");
  expect(bench.run("put a x #2 >1")).toBe("expired");
  expect(bench.state.hash).toBe(afterDelete);
});

test("A hash goes on from its text as if it had never been text", () => {
  const whole = new Hash();
  let text = new Hash().toString();
  for (const value of [0, 1, -1, 2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    whole.number(value).string(`text ${value} 🙂`);
    text = new Hash(text).number(value).string(`text ${value} 🙂`).toString();
    expect(text).toBe(whole.toString());
  }
});

test("Numbers that differ only above 32 bits have different hashes", () => {
  const hashes = [1, 2 ** 32 + 1, 2 ** 40 + 1].map((n) => new Hash().number(n).toString());
  expect(new Set(hashes).size).toBe(3);
});

test("A flip of any one bit of a long value shows", () => {
  const value = new Uint8Array(4096);
  const hashes = new Set([new Hash().bytes(value).toString()]);
  for (let bit = 0; bit < 8 * value.length; bit += 37) {
    value[bit >> 3]! ^= 1 << (bit & 7);
    hashes.add(new Hash().bytes(value).toString());
    value[bit >> 3]! ^= 1 << (bit & 7);
  }
  expect(hashes.size).toBe(1 + Math.ceil((8 * value.length) / 37));
});
