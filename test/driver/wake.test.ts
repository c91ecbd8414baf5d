import { describe, expect, test } from "vitest";
import { MonotonicClock } from "../../src/replica/clock.ts";
import { AlarmWake } from "../../src/replica/wake.ts";

/**
 * A wake on an alarm service that writes down what it is asked, as milliseconds after the start.
 */
class Bench {
  wallMs = 1_000_000;
  /** When it was set to; "deleted" when it was taken back. */
  readonly set: (number | "deleted")[] = [];
  readonly wake: AlarmWake;
  readonly #clock = new MonotonicClock(() => this.wallMs);

  constructor(setAlarm?: () => Promise<void>) {
    const after = (what: number | "deleted") => {
      this.set.push(what);
      return setAlarm?.() ?? Promise.resolve();
    };
    const service = {
      set: (wallMs: number) => after(wallMs - 1_000_000),
      delete: () => after("deleted"),
    };
    this.wake = new AlarmWake(service, this.#clock);
  }

  /** A moment in the driver's time, so many milliseconds after the start. */
  readonly at = (ms: number): number => 1_000_000 + ms;
}

describe("Arming", () => {
  test("sets the alarm when none is known to be set", () => {
    const { wake, set, at } = new Bench();
    wake.arm(at(150));
    expect(set).toEqual([150]);
  });

  test("for the same time or a later one does nothing: the alarm is never moved later", () => {
    const { wake, set, at } = new Bench();
    for (const ms of [150, 150, 151, 300, 10_000]) wake.arm(at(ms));
    expect(set).toEqual([150]);
  });

  test("for an earlier time moves it", () => {
    const { wake, set, at } = new Bench();
    for (const ms of [300, 150, 200, 149]) wake.arm(at(ms));
    expect(set).toEqual([300, 150, 149]);
  });

  test("for nothing takes it back that an instance before may have left, once", () => {
    const { wake, set } = new Bench();
    wake.arm(null);
    wake.arm(null);
    expect(set).toEqual(["deleted"]);
  });

  test("for nothing takes it back, once", () => {
    const { wake, set, at } = new Bench();
    wake.arm(at(150));
    wake.arm(null);
    wake.arm(null);
    expect(set).toEqual([150, "deleted"]);
    wake.arm(at(160));
    expect(set).toEqual([150, "deleted", 160]);
  });

  test("for nothing, after it has rung, leaves the service alone", () => {
    const bench = new Bench();
    bench.wake.arm(bench.at(150));
    bench.wallMs += 150;
    bench.wake.rang(null, 50);
    bench.wake.arm(null);
    expect(bench.set).toEqual([150]);
  });

  test.each([0, -1, -10_000])(
    "for %i ms from now sets it one millisecond ahead, never for the present",
    (ms) => {
      const { wake, set, at } = new Bench();
      wake.arm(at(ms));
      expect(set).toEqual([1]);
    },
  );

  test("after an alarm that is overdue but may be just late waits for it", () => {
    const bench = new Bench();
    bench.wake.arm(bench.at(150));
    bench.wallMs += 150 + 2000;
    bench.wake.arm(bench.at(3000));
    expect(bench.set).toEqual([150]);
  });

  test("after an alarm so long overdue that it must be lost sets a new one", () => {
    const bench = new Bench();
    bench.wake.arm(bench.at(150));
    bench.wallMs += 150 + 2001;
    bench.wake.arm(bench.at(3000));
    bench.wake.arm(bench.at(3001));
    expect(bench.set).toEqual([150, 3000]);
  });

  test("after a lost alarm, for a deadline that has passed too, sets it one millisecond ahead", () => {
    const bench = new Bench();
    bench.wake.arm(bench.at(150));
    bench.wallMs += 5000;
    bench.wake.arm(bench.at(300));
    expect(bench.set).toEqual([150, 5001]);
  });
});

describe("When it rings", () => {
  test("the next one is set for the deadline, if that is still to come", () => {
    const bench = new Bench();
    bench.wake.arm(bench.at(150));
    bench.wallMs += 150;
    bench.wake.rang(bench.at(400), 50);
    expect(bench.set).toEqual([150, 400]);
  });

  test.each([150, 149, 0, -1000])(
    "the next one is set for a while from now, if the deadline was %i",
    (ms) => {
      const bench = new Bench();
      bench.wake.arm(bench.at(150));
      bench.wallMs += 150;
      bench.wake.rang(bench.at(ms), 50);
      expect(bench.set).toEqual([150, 200]);
    },
  );

  test("and nothing is due, none is set until something is", () => {
    const bench = new Bench();
    bench.wake.arm(bench.at(150));
    bench.wallMs += 150;
    bench.wake.rang(null, 50);
    expect(bench.set).toEqual([150]);
    bench.wake.arm(bench.at(9000));
    expect(bench.set).toEqual([150, 9000]);
  });

  test("what the event then asks for moves it only if that is earlier", () => {
    const bench = new Bench();
    bench.wallMs += 150;
    bench.wake.rang(bench.at(150), 50);
    bench.wake.arm(bench.at(450));
    expect(bench.set).toEqual([200]);
    bench.wake.arm(bench.at(180));
    expect(bench.set).toEqual([200, 180]);
  });

  test("twice, or too early, it is set again each time", () => {
    const bench = new Bench();
    bench.wake.arm(bench.at(150));
    for (const passed of [10, 0, 5]) {
      bench.wallMs += passed;
      bench.wake.rang(bench.at(150), 50);
    }
    expect(bench.set).toEqual([150, 150, 150, 150]);
  });
});

test("After the wall clock was set back the alarm is set in the wall clock's new time", () => {
  const bench = new Bench();
  bench.wake.arm(bench.at(150));
  bench.wallMs -= 500_000;
  bench.wake.rang(bench.at(150), 50);
  expect(bench.set).toEqual([150, -500_000 + 150]);
});

test("A failure to set it is left to the runtime, which resets the object: no rejection goes unhandled", async () => {
  const { wake, at } = new Bench(() => Promise.reject(new Error("no alarm today")));
  wake.arm(at(150));
  wake.rang(at(150), 50);
  wake.arm(null);
  await new Promise((resolve) => setImmediate(resolve));
});
