import { beforeEach, describe, expect, test } from "vitest";
import { LeaderSearch } from "../../src/edge/leader-search.ts";
import type { StatusResult } from "../../src/protocol/client.ts";

let search: LeaderSearch;
beforeEach(() => {
  search = new LeaderSearch("1");
});

const status = (
  id: string,
  term: number,
  leader: string | null,
): StatusResult & { type: "status" } => ({
  type: "status",
  id,
  region: "local",
  role: leader === id ? "leader" : "follower",
  term,
  leader,
  commitIndex: 0,
  lastApplied: 0,
  firstLogIndex: 1,
  lastLogIndex: 0,
  logBytes: 0,
  revision: 0,
  stateHash: "",
  diverged: false,
  members: [],
  membersIndex: 0,
  nextId: "4",
  epoch: 1,
  lastLogTerm: 1,
});

/** What a replica says when it is poked, and whom that makes one ask. */
const says = (id: string, term: number, leader: string | null): string | null =>
  search.says(id, status(id, term, leader));

test("A hint is followed, and so is what a poked replica says of itself or of another", () => {
  expect(search.isNotLeader("1", 3, "2")).toBe("2");
  expect(says("2", 3, "2")).toBe("2");
  expect(says("3", 3, "2")).toBe("2");
  expect(says("1", 3, null)).toBeNull();
});

test("One whose state has diverged is not asked, whatever is said of it", () => {
  expect(search.says("1", { ...status("1", 3, "1"), diverged: true })).toBeNull();
  expect(says("2", 3, "1")).toBeNull();
  expect(search.says("1", { ...status("1", 3, "3"), diverged: true })).toBe("3");
});

test("Replicas that name each other are asked once each", () => {
  expect(search.isNotLeader("1", 3, "2")).toBe("2");
  expect(search.isNotLeader("2", 3, "1")).toBeNull();
  expect(says("1", 3, "2")).toBeNull();
  expect(says("2", 3, "1")).toBeNull();
});

test("A replica that names itself and does not lead is not asked again at once", () => {
  expect(search.isNotLeader("1", 3, "1")).toBeNull();
});

test("One that failed is not asked on another's word, but on its own", () => {
  search.isInDoubt("1");
  expect(says("2", 3, "1")).toBeNull();
  expect(says("1", 3, "1")).toBe("1");
});

test("In a newer term everything is open again", () => {
  expect(search.isNotLeader("1", 3, null)).toBeNull();
  expect(says("2", 3, "1")).toBeNull();
  expect(says("2", 4, "1")).toBe("1");
});

test("What is said of an older term is ignored, even of the leader of then", () => {
  expect(says("2", 4, null)).toBeNull();
  expect(says("1", 3, "1")).toBeNull();
  expect(search.isNotLeader("3", 3, "1")).toBeNull();
  expect(says("3", 4, "3")).toBe("3");
});

describe("Where there is no group yet", () => {
  test("the founder is asked", () => {
    expect(search.isNotLeader("2", 0, "1")).toBe("1");
    expect(search.says("1", { type: "uninitialised" })).toBe("1");
  });

  test("nobody is asked on the word of those who cannot found it", () => {
    expect(search.says("3", { type: "uninitialised" })).toBeNull();
    expect(search.hasHeard).toBe(true);
  });

  test("the founder that failed is asked once it answers again", () => {
    search.isInDoubt("1");
    expect(search.says("2", { type: "uninitialised" })).toBeNull();
    expect(search.says("1", { type: "uninitialised" })).toBe("1");
  });

  test("one that has not heard of a group that there is, is ignored", () => {
    expect(says("1", 1, null)).toBeNull();
    expect(search.says("3", { type: "uninitialised" })).toBeNull();
  });
});

test("It knows whether anybody has said anything", () => {
  expect(search.hasHeard).toBe(false);
  search.isInDoubt("1");
  expect(search.hasHeard).toBe(false);
  says("2", 1, null);
  expect(search.hasHeard).toBe(true);
});
