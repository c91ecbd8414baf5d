import { expect, test } from "vitest";
import type { KeyChange, RevisionChanges } from "../../src/kv/changes.ts";
import { windowSize } from "../../src/kv/request-window.ts";
import { type MachineState, initialState } from "../../src/kv/state-machine.ts";
import { Random } from "../../src/raft/random.ts";
import type { ChangesAfter, Storage } from "../../src/replica/ports.ts";
import type { ContractDisk } from "./storage.ts";

/** What every implementation of the Storage port must do about what was changed. */
export function describeChanges(newDisk: () => ContractDisk): void {
  test("there are none at first", async () => {
    await newDisk().run((storage) => {
      expect(storage.changesAfter(0)).toEqual(none);
      expect(storage.changesAfter(7)).toEqual(none);
    });
  });

  test("are told after any revision, whole and in order", async () => {
    const disk = newDisk();
    const all = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((revision) => changed(revision));
    await disk.run((storage) => {
      // Several revisions in a turn, and turns that change nothing.
      for (const [from, to] of [
        [0, 1],
        [1, 1],
        [1, 5],
        [5, 6],
        [6, 6],
        [6, 6],
        [6, 9],
      ] as const) {
        save(storage, all.slice(from, to), to);
      }
      expect(allAfter(storage, 0)).toEqual(all);
    });
    await disk.run((storage) => {
      for (let revision = 0; revision <= 9; revision++) {
        expect(allAfter(storage, revision)).toEqual(all.slice(revision));
      }
      expect(storage.changesAfter(99)).toEqual(none);
    });
  });

  test("of each kind are kept", async () => {
    const disk = newDisk();
    const keys: KeyChange[] = [
      { type: "put", key: "a\0🙂", version: 1 },
      { type: "put", key: "b", version: 2 ** 40, value: Uint8Array.of(0, 255) },
      { type: "delete", key: "c" },
      { type: "expire", key: "" },
    ];
    const changes = { revision: 1, index: 2 ** 40, place: 3, succeeded: true, keys };
    await disk.run((storage) => save(storage, [changes], 1));
    await disk.run((storage) => expect(allAfter(storage, 0)).toEqual([changes]));
  });

  test("that are too many are not kept: whoever missed them is told so, and others go on", async () => {
    const disk = newDisk();
    const key = "k".repeat(2000);
    const many = Array.from({ length: 400 }, (): KeyChange => ({ type: "delete", key }));
    await disk.run((storage) => {
      save(storage, [changed(1)], 1);
      save(storage, [{ ...changed(2), keys: many }], 2);
      save(storage, [changed(3)], 3);
    });
    await disk.run((storage) => {
      expect(allAfter(storage, 0)).toEqual({ type: "compacted", revision: 2 });
      expect(allAfter(storage, 1)).toEqual({ type: "compacted", revision: 2 });
      expect(allAfter(storage, 2)).toEqual([changed(3)]);
    });
  });

  test("of another epoch do not follow those of before", async () => {
    const disk = newDisk();
    const begin = 1_000_000_000_000;
    await disk.run((storage) => {
      save(storage, [changed(1)], 1);
      save(storage, [changed(begin + 1)], begin + 1);
      save(storage, [changed(begin + 2)], begin + 2);
    });
    await disk.run((storage) => {
      for (const revision of [1, begin - 1]) {
        expect(allAfter(storage, revision)).toEqual({ type: "compacted", revision: begin });
      }
      expect(allAfter(storage, begin)).toEqual([changed(begin + 1), changed(begin + 2)]);
    });
  });

  test("are forgotten with the outcomes of their requests", async () => {
    const disk = newDisk();
    await disk.run((storage) => {
      save(storage, [changed(1)], 1, 1);
      save(storage, [changed(2)], 2, 2);
      save(storage, [changed(3)], 3, windowSize + 1);
      save(storage, [changed(4)], 4, windowSize + 1);
    });
    await disk.run((storage) => {
      const gone = allAfter(storage, 0);
      expect(gone).toEqual({ type: "compacted", revision: 1 });
      expect(allAfter(storage, 1)).toEqual([2, 3, 4].map((revision) => changed(revision)));
    });
  });

  test.each([1, 2, 3])(
    "are what a plain list of them is, over many turns (seed %i)",
    async (seed) => {
      const random = new Random(seed);
      const disk = newDisk();
      const all = new Map<number, RevisionChanges>();
      const ends = [0];
      await disk.run(async (storage) => {
        for (let turn = 0; turn < 150; turn++) {
          const dice = random.between(0, 49);
          // Now and then another epoch begins, before, in the middle of or after what a turn changes.
          const jump = dice === 0 ? 1000 : 0;
          const [before, after] = [random.between(0, 2), random.between(0, 2)];
          const from = ends.at(-1)!;
          const revisions = [
            ...Array.from({ length: before }, (_, i) => from + 1 + i),
            ...Array.from({ length: after }, (_, i) => from + before + jump + 1 + i),
          ];
          const isTooMuch = dice === 1;
          const changes = revisions.map((revision) => changed(revision));
          const kept = isTooMuch ? changes.map((each) => ({ ...each, keys: tooMany })) : changes;
          ends.push(from + before + jump + after);
          save(storage, kept, ends.at(-1)!);
          if (!isTooMuch) for (const each of changes) all.set(each.revision, each);
          if (turn % 20 === 0) await storage.durable();
        }
      });
      const last = ends.at(-1)!;
      await disk.run((storage) => {
        for (const revision of new Set([...ends, ...ends.map((end) => end + 1), last + 1000])) {
          const length = Math.max(0, last - revision);
          const expected = Array.from({ length }, (_, i) => all.get(revision + i + 1));
          const told = allAfter(storage, revision);
          const isWhole = !expected.includes(undefined);
          const context = `after ${revision} of ${last}`;
          if (isWhole) expect(told, context).toEqual(expected);
          else expect(told, context).toMatchObject({ type: "compacted" });
          // Who goes on from where it is told to gets there.
          let at = revision;
          for (let next = storage.changesAfter(at); next !== null;) {
            if (next.type === "changes" && next.changes.length === 0) break;
            const to = next.type === "compacted" ? next.revision : next.changes.at(-1)!.revision;
            expect(to, context).toBeGreaterThan(at);
            at = to;
            next = storage.changesAfter(at);
          }
          expect(at, context).toBe(Math.max(revision, last));
        }
      });
    },
  );

  test("that were stored in a turn that is lost are lost with it", async () => {
    const disk = newDisk();
    await disk.run((storage) => save(storage, [changed(1)], 1));
    await disk.crash((storage) => save(storage, [changed(2)], 2));
    await disk.run((storage) => {
      expect(allAfter(storage, 0)).toEqual([changed(1)]);
      save(storage, [changed(2, "other")], 2);
      expect(allAfter(storage, 1)).toEqual([changed(2, "other")]);
    });
  });
}

const none: ChangesAfter = { type: "changes", changes: [] };

/** More than is kept of a turn. */
const tooMany = Array.from({ length: 300 }, (): KeyChange => {
  return { type: "delete", key: "k".repeat(2000) };
});

export const changed = (revision: number, key = `key ${revision}`): RevisionChanges => ({
  revision,
  index: revision,
  place: 0,
  succeeded: false,
  keys: [{ type: "put", key, version: 1 }],
});

/** A turn that changed this, and led to a revision. */
export function save(
  storage: Storage,
  changes: readonly RevisionChanges[],
  revision: number,
  sequence = 0,
): void {
  const appliedIndex = storage.machineState.appliedIndex + 1;
  const state: MachineState = { ...initialState, appliedIndex, revision, sequence };
  storage.saveMachine(state, [], changes);
}

/** Asks until there is no more; or what is said of what is not kept. */
export function allAfter(
  storage: Storage,
  revision: number,
): readonly RevisionChanges[] | ChangesAfter {
  const after = storage.changesAfter(revision);
  if (after.type === "compacted") return after;
  const last = after.changes.at(-1);
  if (last === undefined) return [];
  const rest = allAfter(storage, last.revision);
  return "type" in rest ? rest : [...after.changes, ...rest];
}
