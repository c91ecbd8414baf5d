import { describe, expect, test } from "vitest";
import type { Command } from "../../src/kv/command.ts";
import { Hash } from "../../src/kv/hash.ts";
import { firstHash, formulaOf, hashAfter } from "../../src/kv/running-hash.ts";
import type { Change } from "../../src/kv/staging.ts";
import type { Row } from "../../src/kv/table.ts";
import { MachineBench, utf8 } from "../support/machine-bench.ts";
import { bare } from "../support/row.ts";

const put = (requestId: string, key = "k"): Command => ({
  type: "put",
  requestId,
  floor: 0,
  key,
  value: utf8(requestId),
  contentType: null,
});
const drop: Command = { type: "delete", requestId: "d", floor: 0, key: "k" };
const row: Row = {
  value: utf8("v"),
  contentType: "a/b",
  ...bare,
  createRevision: 1,
  modRevision: 2,
  version: 3,
};

/** What a command changes that finds this row. */
const replacing = (before: Row | null): Change[] => [{ key: "k", before, after: null }];

/** Rows of which none may look like another. */
const rows: Record<string, Row | null> = {
  "the row": row,
  "no row": null,
  "another value": { ...row, value: utf8("w") },
  "a longer value": { ...row, value: utf8("v\0") },
  "another content type": { ...row, contentType: "a/c" },
  "an empty content type": { ...row, contentType: "" },
  "no content type": { ...row, contentType: null },
  metadata: { ...row, metadata: "{}" },
  "other metadata": { ...row, metadata: "[]" },
  "a time to go": { ...row, expiresMs: 1 },
  "a later time to go": { ...row, expiresMs: 2 },
  "a lease": { ...row, lease: "1" },
  "another creation": { ...row, createRevision: 2 },
  "another revision": { ...row, modRevision: 3 },
  "another version": { ...row, version: 4 },
};

describe("A row that something else has changed shows", () => {
  test.each([
    ["when it is replaced", put("1")],
    ["when it is deleted", drop],
  ] as const)("%s", (_, command) => {
    const result = { type: "put", created: false, revision: 9 } as const;
    const hashes = Object.values(rows).map((each) =>
      hashAfter(firstHash, command, result, replacing(each)),
    );
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test.each(["put", "delete"] as const)("and from then on, by a %s", (type) => {
    const hashWith = (tamper: (bench: MachineBench) => void): string => {
      const bench = new MachineBench();
      bench.apply(put("1"));
      tamper(bench);
      bench.apply(put("2", "other"));
      const before = bench.state.hash;
      bench.apply(type === "put" ? put("3") : drop);
      bench.apply(put("4", "other"));
      return `${before} ${bench.state.hash}`;
    };
    const [before, after] = hashWith(() => {}).split(" ");
    const tampered = hashWith((bench) => bench.tamper("k", { version: 2 }));
    // As long as nobody writes to it, it does not.
    expect(tampered.split(" ")[0]).toBe(before);
    expect(tampered.split(" ")[1]).not.toBe(after);
  });
});

describe("A formula", () => {
  test("is told by the hash, and kept", () => {
    const old = new Hash().toString();
    expect([formulaOf(old), formulaOf(firstHash)]).toEqual([1, 2]);
    const result = { type: "put", created: false, revision: 9 } as const;
    for (const before of [old, firstHash]) {
      const after = hashAfter(before, put("1"), result, replacing(row));
      expect(formulaOf(after)).toBe(formulaOf(before));
      expect(after).toHaveLength(before.length);
    }
  });

  test("is never changed: what each came to once it comes to for ever", () => {
    const result = { type: "put", created: false, revision: 9 } as const;
    const command = { ...put("1"), contentType: "a/b" } as Command;
    expect(hashAfter(new Hash().toString(), command, result, replacing(row))).toBe(
      "c318d6f0e3884dbb",
    );
    expect(hashAfter(firstHash, command, result, replacing(row))).toBe("2.5b8d5dc5454e8615");
    expect(hashAfter(firstHash, command, result, replacing(null))).toBe("2.c318d6f0e3884dbb");
  });

  test("the first one does not look at rows", () => {
    const result = { type: "put", created: false, revision: 9 } as const;
    const old = new Hash().toString();
    expect(hashAfter(old, put("1"), result, replacing(row))).toBe(
      hashAfter(old, put("1"), result, replacing(null)),
    );
  });
});
