import { evictDurableObject, reset } from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import { digestEvery } from "../../src/replica/driver-ports.ts";
import { eventually } from "../support/eventually.ts";
import { GroupUnderTest, putRequest } from "./group-under-test.ts";

afterEach(async () => {
  vi.restoreAllMocks();
  await reset();
});

/** Puts to one key until states have been compared once more. */
async function passAgreedIndex(group: GroupUnderTest): Promise<void> {
  const start = (await group.settled()).commitIndex;
  const end = (Math.floor(start / digestEvery) + 1) * digestEvery;
  while ((await group.settled()).commitIndex <= end + 1) {
    // Each call is an entry; many at a time, as from many edges.
    await Promise.all(Array.from({ length: 16 }, () => group.serve(putRequest("busy", "x"))));
  }
}

/** Changes a row in a replica's SQLite, as a fault of the disk might. */
function tamper(group: GroupUnderTest, id: string, key: string): Promise<void> {
  return group.inside(id, (_, { storage }) => {
    const wrong = new TextEncoder().encode("wrong");
    storage.sql.exec("UPDATE kv SET value = ? WHERE key = ?", wrong, key);
  });
}

const rowOf = (group: GroupUnderTest, id: string, key: string): Promise<string> =>
  group.onDisk(id, ({ table }) => new TextDecoder().decode(table.get(key)!.value));

/** The lines said of divergence. */
const linesOf = (spy: { readonly mock: { readonly calls: unknown[][] } }): string[] =>
  spy.mock.calls.map(([line]) => String(line)).filter((line) => /DIVERGED|repaired/.test(line));

describe.each(["follower", "leader"] as const)("When a row of the %s is changed", (role) => {
  test(
    "it is found when the key is written to, said once, and repaired",
    { timeout: 30_000 },
    async () => {
      const errors = vi.spyOn(console, "error").mockImplementation(() => {});
      const warnings = vi.spyOn(console, "warn").mockImplementation(() => {});
      const group = new GroupUnderTest();
      for (const key of ["a", "b", "c"]) await group.put(key, "right");
      const leader = await group.settled();
      const id = role === "leader" ? leader.id : group.ids.find((each) => each !== leader.id)!;
      for (const key of ["a", "b"]) await tamper(group, id, key);
      // As long as nobody writes to them, they are not seen.
      await passAgreedIndex(group);
      expect(linesOf(errors)).toEqual([]);

      await group.put("a", "new");
      await passAgreedIndex(group);
      await eventually("the replica is repaired", () => linesOf(warnings).length > 0, {
        withinMs: 10_000,
      });
      expect(linesOf(errors)).toEqual([
        expect.stringMatching(
          new RegExp(`^replica ${group.namespace}/${id} HAS DIVERGED: its state at \\d+ is not`),
        ),
      ]);
      expect(linesOf(warnings)).toEqual([
        expect.stringMatching(`^replica ${group.namespace}/${id} is repaired`),
      ]);
      const { stateHash } = await group.settled();
      for (const each of group.ids) {
        expect(await group.status(each)).toMatchObject({ stateHash, diverged: false });
        expect(await rowOf(group, each, "b")).toBe("right");
        expect(await rowOf(group, each, "a")).toBe("new");
      }
      expect(await group.get("b")).toBe("right");
    },
  );
});

test(
  "A replica that has diverged serves nothing and does not lead, also after a restart",
  { timeout: 30_000 },
  async () => {
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const group = new GroupUnderTest();
    await group.put("a", "right");
    const leader = await group.settled();
    const [id, other] = group.ids.filter((each) => each !== leader.id) as [string, string];
    await tamper(group, id, "a");
    await group.put("a", "new");
    // Marked by hand, so that nothing repairs it before the test has looked.
    await group.inside(id, (_, { storage }) => {
      const audit = { digests: [], verifiedIndex: 0, divergedIndex: 1_000_000, changes: 1 };
      storage.sql.exec("INSERT OR REPLACE INTO meta VALUES ('audit', ?)", JSON.stringify(audit));
    });
    await evictDurableObject(group.stub(id));
    expect(await group.status(id)).toMatchObject({ diverged: true, role: "follower" });
    const { results } = await group.ask(id, [
      { type: "get", key: "a", metadataOnly: false },
      putRequest("a", "by the wrong one"),
    ]);
    expect(results.map(({ type }) => type)).toEqual(["notLeader", "notLeader"]);
    // Whatever becomes of the leader, it is the other one that takes over.
    const { term } = leader;
    await group.inside(leader.id, (_, { storage }) => {
      const audit = { digests: [], verifiedIndex: 0, divergedIndex: 1_000_000, changes: 1 };
      storage.sql.exec("INSERT OR REPLACE INTO meta VALUES ('audit', ?)", JSON.stringify(audit));
    });
    await group.crash(leader.id);
    const next = await group.settled();
    expect(next).toMatchObject({ id: other, diverged: false });
    expect(next.term).toBeGreaterThan(term);
    expect(await group.get("a")).toBe("new");
    expect(linesOf(errors)).toEqual([]);
  },
);
