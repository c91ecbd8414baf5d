import { expect, test, vi } from "vitest";
import { backoffMs, pause } from "../../src/edge/pause.ts";

test("Waits are drawn from 10 to 100 ms at first, and double up to around the longest", () => {
  const range = (n: number, longestMs: number): [number, number] => {
    const draws = Array.from({ length: 2000 }, () => backoffMs(n, longestMs));
    return [Math.min(...draws), Math.max(...draws)];
  };
  for (const [n, longestMs, scale] of [
    [0, 500, 1],
    [1, 500, 2],
    [2, 500, 4],
    [3, 500, 5],
    [60, 500, 5],
    [60, 37, 1],
  ] as const) {
    const [least, most] = range(n, longestMs);
    expect(least).toBeGreaterThanOrEqual(10 * scale);
    expect(least).toBeLessThan(30 * scale);
    expect(most).toBeLessThanOrEqual(100 * scale);
    expect(most).toBeGreaterThan(80 * scale);
  }
});

test("A pause ends at its time or when it is aborted, and leaves no timer behind", async () => {
  vi.useFakeTimers();
  try {
    const over = new AbortController();
    const ends: string[] = [];
    const first = pause(50, over.signal).then(() => ends.push("first"));
    const second = pause(5000, over.signal).then(() => ends.push("second"));
    await vi.advanceTimersByTimeAsync(49);
    expect(ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(ends).toEqual(["first"]);
    over.abort();
    await Promise.all([first, second]);
    expect(vi.getTimerCount()).toBe(0);
    await pause(5000, over.signal);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
