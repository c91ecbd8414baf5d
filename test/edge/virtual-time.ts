import { vi } from "vitest";

/** Real turns of the event loop that work gets before the clock moves. */
const turns = 4;

/**
 * Runs something with a clock that moves on, to the next timer, only when nothing else happens: so
 * hours pass at once, and nothing hangs on how busy the machine is.
 */
export async function inVirtualTime<T>(
  run: () => Promise<T>,
): Promise<{ value: T; tookMs: number }> {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  // Node's own has timers that nobody can fake. Like it, this one is strict.
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    if (!Number.isInteger(ms) || ms < 0) throw new RangeError(`"delay" is out of range: ${ms}`);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException("timed out", "TimeoutError")), ms);
    return controller.signal;
  });
  try {
    const startMs = Date.now();
    const ended: { ms?: number } = {};
    const running = run().finally(() => {
      ended.ms = Date.now() - startMs;
    });
    // Whoever waits for `running` below learns of its failure.
    running.catch(() => {});
    for (;;) {
      for (let i = 0; i < turns; i++) await turn();
      if (ended.ms !== undefined) return { value: await running, tookMs: ended.ms };
      await vi.advanceTimersToNextTimerAsync();
    }
  } finally {
    // What is still under way, a poke or a late request, comes to its end.
    await vi.runAllTimersAsync();
    timeout.mockRestore();
    vi.useRealTimers();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
