import { expect, test } from "vitest";
import { MonotonicClock } from "../../src/replica/clock.ts";

/** A clock on a wall clock that reads these times, one after the other. */
function clockOn(...wall: number[]): MonotonicClock {
  return new MonotonicClock(() => (wall.length > 1 ? wall.shift()! : wall[0]!));
}

test.each([
  ["that runs", [100, 110, 150], [100, 110, 150]],
  ["that stands still", [100, 100, 100], [100, 100, 100]],
  ["that is set back once", [1000, 400, 410, 500], [1000, 1000, 1010, 1100]],
  ["that is set back by a little, again and again", [100, 99, 98, 97], [100, 100, 100, 100]],
  ["that is set back and then put right", [1000, 400, 1000], [1000, 1000, 1600]],
  ["that is set forward", [100, 5000, 5010], [100, 5000, 5010]],
  ["that is set back below zero", [0, -50, -40], [0, 0, 10]],
])("On a wall clock %s, time never runs backwards and goes on at its pace", (_, wall, expected) => {
  const clock = clockOn(...wall);
  expect(wall.map(() => clock.nowMs())).toEqual(expected);
});

test("A moment's wall time is when the clock will read it, before and after the wall clock was set back", () => {
  let wallMs = 1000;
  const clock = new MonotonicClock(() => wallMs);
  clock.nowMs();
  expect(clock.toWallMs(1300)).toBe(1300);
  wallMs = 400;
  const nowMs = clock.nowMs();
  expect(clock.toWallMs(nowMs + 300)).toBe(700);
  wallMs = 700;
  expect(clock.nowMs()).toBe(nowMs + 300);
});

test("Two clocks on one wall clock know nothing of each other", () => {
  let wallMs = 1000;
  const old = new MonotonicClock(() => wallMs);
  old.nowMs();
  wallMs = 10;
  expect(new MonotonicClock(() => wallMs).nowMs()).toBe(10);
  expect(old.nowMs()).toBe(1000);
});
