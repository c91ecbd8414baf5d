import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { initialState } from "../../src/kv/state-machine.ts";
import { DurableStorage } from "../../src/replica/storage.ts";
import { allAfter, changed, save } from "../contract/changes.ts";

let objects = 0;

/** Works with the storage of an object that belongs to no group. */
function onDisk(work: (storage: DurableStorage, sql: SqlStorage) => void): Promise<void> {
  const stub = env.REPLICA.get(env.REPLICA.idFromName(`changes-${objects++}/1`));
  return runInDurableObject(stub, (_, state) =>
    work(new DurableStorage(state.storage), state.storage.sql),
  );
}

/** How many rows the work looks at: what Cloudflare bills. */
function rowsRead(sql: SqlStorage, work: () => void): number {
  const exec = sql.exec.bind(sql);
  const cursors: { readonly rowsRead: number }[] = [];
  sql.exec = (query: string, ...bindings: unknown[]) => {
    const cursor = exec(query, ...bindings);
    cursors.push(cursor);
    return cursor as never;
  };
  work();
  sql.exec = exec;
  return cursors.reduce((sum, cursor) => sum + cursor.rowsRead, 0);
}

describe("To look for what was changed", () => {
  const turns = 5000;

  test("costs those few rows who have missed little, however much there is", async () => {
    await onDisk((storage, sql) => {
      for (let at = 1; at <= turns; at++) save(storage, [changed(at)], at);
      const costAfter = (revision: number): number =>
        rowsRead(sql, () => storage.changesAfter(revision));
      expect(costAfter(turns)).toBeLessThan(6);
      expect(costAfter(turns - 1)).toBeLessThan(9);
      expect(costAfter(turns - 10)).toBeLessThan(40);
      // A page is 64 turns.
      expect(costAfter(turns - 1000)).toBeLessThan(200);
      expect(costAfter(0)).toBeLessThan(200);
    });
  });

  test("takes few turns into memory at a time, if they are large", async () => {
    await onDisk((storage) => {
      const key = "k".repeat(2000);
      const keys = Array.from({ length: 200 }, () => ({ type: "delete" as const, key }));
      const all = Array.from({ length: 9 }, (_, i) => ({ ...changed(i + 1), keys }));
      for (const each of all) save(storage, [each], each.revision);
      const page = storage.changesAfter(0);
      expect(page).toMatchObject({ type: "changes", changes: { length: 2 } });
      expect(allAfter(storage, 0)).toEqual(all);
    });
  });
});

test("What was changed before tables could say so is not known, and what comes after is", async () => {
  await onDisk((storage, sql) => {
    // As a migration leaves the turns that there were.
    save(storage, [changed(1), changed(2)], 2);
    save(storage, [], 2);
    sql.exec("UPDATE machine SET changes = NULL");
    expect(allAfter(storage, 0)).toEqual({ type: "compacted", revision: 2 });
    expect(allAfter(storage, 1)).toEqual({ type: "compacted", revision: 2 });
    expect(allAfter(storage, 2)).toEqual([]);
    save(storage, [changed(3)], 3);
    expect(allAfter(storage, 1)).toEqual({ type: "compacted", revision: 2 });
    expect(allAfter(storage, 2)).toEqual([changed(3)]);
    // Nor is there anything to be told of a state in which nothing has been changed yet.
    sql.exec("DELETE FROM machine");
    storage.saveMachine({ ...initialState, appliedIndex: 1 }, [], []);
    expect(allAfter(storage, 0)).toEqual([]);
  });
});
