/** The wait before a first repetition, in ms: drawn anew each time, so that edges do not march in step. */
const firstMs = { min: 10, max: 100 };

/**
 * How long to wait before the `n`th repetition (from 0), in ms. Doubles each time until it is around
 * `longestMs`, since everybody who waits for an election asks the same few replicas.
 */
export function backoffMs(n: number, longestMs: number): number {
  const scale = Math.min(2 ** n, Math.max(1, longestMs / firstMs.max));
  return scale * (firstMs.min + Math.random() * (firstMs.max - firstMs.min));
}

/** Waits, but no longer than until `signal` is aborted. Leaves no timer behind. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
