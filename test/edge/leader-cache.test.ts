import { expect, test } from "vitest";
import { LeaderCache } from "../../src/edge/leader-cache.ts";

test("a namespace that was never seen has no leader, and 0 for its newest command", () => {
  expect(new LeaderCache().get("shop")).toEqual({ leader: null, sequence: 0 });
});

test("the leader is the one noted last, also when that is none", () => {
  const cache = new LeaderCache();
  cache.note("shop", "2");
  cache.note("shop", "3");
  expect(cache.get("shop").leader).toBe("3");
  cache.note("shop", null);
  expect(cache.get("shop").leader).toBeNull();
});

test("the newest command number never goes back", () => {
  const cache = new LeaderCache();
  cache.note("shop", "1", 7);
  cache.note("shop", "2", 5);
  cache.note("shop", null);
  expect(cache.get("shop").sequence).toBe(7);
});

test("namespaces are apart", () => {
  const cache = new LeaderCache();
  cache.note("shop", "1", 7);
  cache.note("__proto__", "2", 9);
  expect(cache.get("other")).toEqual({ leader: null, sequence: 0 });
  expect(cache.get("shop")).toEqual({ leader: "1", sequence: 7 });
});

test("a thousand namespaces are kept, and the one not noted for longest goes first", () => {
  const cache = new LeaderCache();
  for (let i = 0; i < 1000; i++) cache.note(`n${i}`, "1", 1);
  cache.note("n0", "2", 2);
  cache.note("new", "1", 1);
  expect(cache.get("n0")).toEqual({ leader: "2", sequence: 2 });
  expect(cache.get("n1").leader).toBeNull();
  expect(cache.get("n2").leader).toBe("1");
});
