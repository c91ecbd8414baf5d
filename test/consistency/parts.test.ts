/** The small parts that reads are made of. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AppliedWaits } from "../../src/replica/applied-waits.ts";
import { Freshness } from "../../src/replica/freshness.ts";
import { stateOf } from "./group-of-drivers.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("How fresh a state is", () => {
  test("is not known at first, and not any more when it is another", () => {
    const freshness = new Freshness();
    expect(freshness.stalenessAt(1000)).toBeNull();
    freshness.note(900);
    freshness.forget();
    expect(freshness.stalenessAt(1000)).toBeNull();
  });

  test("counts from the latest moment that is known, in whatever order they become known", () => {
    const freshness = new Freshness();
    for (const ms of [900, 950, 920]) freshness.note(ms);
    // A ms more than it looks, since what is left of whole ones is not known.
    expect([950, 951, 1000].map((ms) => freshness.stalenessAt(ms))).toEqual([1, 2, 51]);
    expect(freshness.stalenessAt(940), "it is newer than that").toBe(1);
  });
});

describe("A wait for something to be applied", () => {
  test("is over at once where that is so already", async () => {
    const waits = new AppliedWaits();
    expect(await waits.until(() => true, 1000)).toBe(true);
    expect([waits.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test("ends when it is so, and nobody looks in between", async () => {
    const waits = new AppliedWaits();
    let applied = 0;
    let looks = 0;
    const isThere = (): boolean => {
      looks++;
      return applied >= 2;
    };
    const wait = waits.until(isThere, 1000);
    vi.advanceTimersByTime(999);
    expect([await stateOf(wait), looks]).toEqual(["open", 1]);
    for (applied of [1, 2]) waits.check();
    expect(await wait).toBe(true);
    expect([looks, waits.size, vi.getTimerCount()]).toEqual([3, 0, 0]);
  });

  test("ends when time is up", async () => {
    const waits = new AppliedWaits();
    const wait = waits.until(() => false, 1000);
    vi.advanceTimersByTime(1000);
    expect(await wait).toBe(false);
    expect([waits.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test("ends with all others when nothing will be applied any more, and none begins", async () => {
    const waits = new AppliedWaits();
    const two = [waits.until(() => false, 1000), waits.until(() => false, 2000)];
    waits.end();
    expect(await Promise.all([...two, waits.until(() => true, 1000)])).toEqual([
      false,
      false,
      false,
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("lets those go that are there, and nobody else", async () => {
    const waits = new AppliedWaits();
    let applied = 0;
    const [first, second] = [1, 2].map((index) => waits.until(() => applied >= index, 1000));
    applied = 1;
    waits.check();
    expect(await first).toBe(true);
    expect(await stateOf(second!)).toBe("open");
  });
});
