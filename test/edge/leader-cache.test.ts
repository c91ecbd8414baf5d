import { expect, test } from "vitest";
import { LeaderCache } from "../../src/edge/leader-cache.ts";

test("Of a namespace never heard of it knows nothing", () => {
  expect(new LeaderCache().get("a")).toBeNull();
});

test("Leader and sequence are kept apart from each other, and by namespace", () => {
  const cache = new LeaderCache();
  cache.noteSequence("a", 7, 1);
  cache.noteLeader("a", "2");
  cache.noteLeader("b", "3");
  expect(cache.get("a")).toMatchObject({ leader: "2", sequence: 7, epoch: 1 });
  expect(cache.get("b")).toMatchObject({ leader: "3", sequence: 0, epoch: 1 });
});

test("A late answer does not take the sequence back", () => {
  const cache = new LeaderCache();
  cache.noteSequence("a", 7, 1);
  cache.noteSequence("a", 3, 1);
  expect(cache.get("a")?.sequence).toBe(7);
});

test("A replica that is lost is forgotten, but not one that has taken its place", () => {
  const cache = new LeaderCache();
  cache.noteLeader("a", "1");
  cache.noteSequence("a", 7, 1);
  cache.noteLost("a", "1");
  expect(cache.get("a")).toMatchObject({ leader: null, sequence: 7, epoch: 1 });
  cache.noteLeader("a", "2");
  cache.noteLost("a", "1");
  expect(cache.get("a")?.leader).toBe("2");
});

test("That a search found nobody is remembered too", () => {
  const cache = new LeaderCache();
  cache.noteLost("a", "1");
  expect(cache.get("a")).toMatchObject({ leader: null, sequence: 0, epoch: 1 });
});

test("It holds so many namespaces, and forgets the one not used for longest", () => {
  const cache = new LeaderCache(2);
  cache.noteLeader("a", "1");
  cache.noteLeader("b", "2");
  cache.noteLeader("a", "1");
  cache.noteLeader("c", "3");
  expect(["a", "b", "c"].map((namespace) => cache.get(namespace)?.leader)).toEqual([
    "1",
    undefined,
    "3",
  ]);
});

test("command numbers of a newer epoch count, however small, and those of an older one do not", () => {
  const cache = new LeaderCache();
  cache.noteSequence("ns", 900, 1);
  cache.noteSequence("ns", 40, 2);
  cache.noteSequence("ns", 950, 1);
  expect(cache.get("ns")).toMatchObject({ sequence: 40, epoch: 2 });
});

test("Of members the newest count", () => {
  const cache = new LeaderCache();
  const members = (id: string) => [{ id, region: "local" }];
  cache.noteMembers("ns", { members: members("4"), membersIndex: 9, epoch: 1 });
  cache.noteMembers("ns", { members: members("1"), membersIndex: 3, epoch: 1 });
  cache.noteLeader("ns", "4");
  expect(cache.get("ns")?.members).toEqual(members("4"));
  cache.noteMembers("ns", { members: members("2"), membersIndex: 5, epoch: 2 });
  cache.noteMembers("ns", { members: members("4"), membersIndex: 99, epoch: 1 });
  expect(cache.get("ns")?.members).toEqual(members("2"));
});
