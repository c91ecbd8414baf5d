import { expect, test } from "vitest";
import type { Outcome, OutcomeMark } from "../../src/kv/outcomes.ts";
import type { DirectResult, Found } from "../../src/kv/result.ts";
import type { Storage } from "../../src/replica/ports.ts";
import { bare } from "../support/row.ts";
import type { ContractDisk } from "./storage.ts";

/** An outcome of that number, with as many bytes as its result has. */
export const outcome = (ordinal: number, more: Partial<Outcome> = {}): Outcome => ({
  ordinal,
  name: `name ${ordinal}`,
  fingerprint: `print ${ordinal}`,
  bytesBefore: 10 * (ordinal - 1),
  bytes: 10,
  expiresMs: 1000 + ordinal,
  result: { type: "put", created: true, revision: ordinal },
  ...more,
});

const found: Found = {
  ...bare,
  value: Uint8Array.of(0, 255),
  size: 2,
  contentType: null,
  createRevision: 1,
  modRevision: 2,
  version: 2,
};

/** Of every kind that there is. */
const results: readonly DirectResult[] = [
  { type: "put", created: false, revision: Number.MAX_SAFE_INTEGER },
  { type: "deleted", deleted: true, revision: 2 },
  { type: "mismatch", current: null, revision: 2 },
  { type: "mismatch", current: 2, revision: 3 },
  { type: "rangeDeleted", deleted: 3, isMore: true, revision: 4 },
  {
    type: "transaction",
    succeeded: false,
    failed: [0, 2],
    revision: 5,
    results: [
      { type: "get", found },
      { type: "get", found: null },
      { type: "put", created: true },
      { type: "deleted", deleted: 7 },
      { type: "incremented", value: -1 },
    ],
  },
  { type: "lease", lease: "1", ttlMs: 1000, expiresMs: 2 ** 41 },
  { type: "revoked", deleted: 2, revision: 6 },
  { type: "refused", reason: "no_lease", at: null },
  { type: "refused", reason: "not_a_number", at: 3 },
];

/** What every implementation of the Storage port must do about outcomes of requests with names. */
export function describeOutcomes(newDisk: () => ContractDisk): void {
  test("there are none at first", async () => {
    await newDisk().run(({ outcomes }) => {
      expect([outcomes.find("a"), outcomes.newest(), outcomes.oldest(9)]).toEqual([null, null, []]);
      outcomes.forget(9);
    });
  });

  test("of each kind are kept", async () => {
    const disk = newDisk();
    const all = results.map((result, i) => outcome(i + 1, { result }));
    await disk.run(({ outcomes }) => {
      for (const each of all) outcomes.add(each);
      for (const each of all) expect(outcomes.find(each.name)).toEqual(each);
    });
    await disk.run(({ outcomes }) => {
      for (const each of all) expect(outcomes.find(each.name)).toEqual(each);
    });
  });

  test("with one name: the newest is found", async () => {
    const disk = newDisk();
    await disk.run(({ outcomes }) => {
      for (const ordinal of [8, 9, 10, 11]) {
        outcomes.add(outcome(ordinal, { name: ordinal === 9 ? "b" : "a" }));
      }
      expect(outcomes.find("a")).toEqual(outcome(11, { name: "a" }));
    });
    await disk.run(({ outcomes }) => {
      expect(outcomes.find("a")?.ordinal).toBe(11);
      expect(outcomes.find("b")?.ordinal).toBe(9);
    });
  });

  test("are told apart by every character of their names", async () => {
    const disk = newDisk();
    const names = ["a", "A", "a ", "", "'", "%", "1", "01", "é", "e\u0301", "🙂", "n".repeat(255)];
    await disk.run(({ outcomes }) =>
      names.forEach((name, i) => outcomes.add(outcome(i + 1, { name }))),
    );
    await disk.run(({ outcomes }) => {
      expect(names.map((name) => outcomes.find(name)?.ordinal)).toEqual(names.map((_, i) => i + 1));
      expect(outcomes.find("b")).toBeNull();
    });
  });

  test("are marked by their numbers, the oldest first, and no more of them than wanted", async () => {
    const disk = newDisk();
    const large = { bytesBefore: 2 ** 40, bytes: 2 ** 33, expiresMs: 2 ** 41 };
    await disk.run(({ outcomes }) => {
      for (const ordinal of [1, 2, 3, 10]) outcomes.add(outcome(ordinal));
      outcomes.add(outcome(2 ** 35, large));
    });
    await disk.run(({ outcomes }) => {
      expect(markOf(outcomes.newest()!)).toEqual({ ordinal: 2 ** 35, ...large });
      expect(outcomes.oldest(9).map(markOf)).toEqual(
        [outcome(1), outcome(2), outcome(3), outcome(10), outcome(2 ** 35, large)].map(markOf),
      );
      expect(ordinals({ outcomes }, 2)).toEqual([1, 2]);
    });
  });

  test("are forgotten up to a number, and all of them", async () => {
    const disk = newDisk();
    await disk.run(({ outcomes }) => {
      for (const ordinal of [1, 2, 3, 4]) outcomes.add(outcome(ordinal));
      outcomes.forget(2);
      expect(ordinals({ outcomes })).toEqual([3, 4]);
      expect(outcomes.find("name 2")).toBeNull();
    });
    await disk.run(({ outcomes }) => {
      expect(ordinals({ outcomes })).toEqual([3, 4]);
      outcomes.forget(4);
      expect(outcomes.newest()).toBeNull();
      outcomes.add(outcome(1, { name: "again" }));
    });
    await disk.run(({ outcomes }) => expect(outcomes.find("again")?.ordinal).toBe(1));
  });

  test("are not forgotten as long as a snapshot is on its way out, and then sooner or later", async () => {
    const disk = newDisk();
    await disk.run((storage) => {
      const { outcomes } = storage;
      for (const ordinal of [1, 2, 3]) outcomes.add(outcome(ordinal));
      const views = [
        storage.openExport(storage.machineState),
        storage.openExport(storage.machineState),
      ];
      outcomes.forget(2);
      views[0]!.close();
      outcomes.forget(2);
      expect(ordinals({ outcomes })).toEqual([1, 2, 3]);
      views[1]!.close();
      outcomes.forget(2);
      expect(ordinals({ outcomes })).toEqual([3]);
    });
  });
}

const markOf = ({ ordinal, bytesBefore, bytes, expiresMs }: OutcomeMark): OutcomeMark => ({
  ordinal,
  bytesBefore,
  bytes,
  expiresMs,
});

export const ordinals = ({ outcomes }: Pick<Storage, "outcomes">, limit = 99): number[] =>
  outcomes.oldest(limit).map(({ ordinal }) => ordinal);
