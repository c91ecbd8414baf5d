/**
 * Waits until `condition` gives something other than false, null or undefined, and returns it. An
 * exception counts as "not yet". Gives up at the deadline with the last exception, or with what was
 * seen last: so a failing test says what it was waiting for.
 */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  { withinMs = 5000, everyMs = 10 } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadlineMs = Date.now() + withinMs;
  let last: unknown;
  do {
    try {
      const value = await condition();
      if (value !== false && value !== null && value !== undefined) {
        return value as NonNullable<Exclude<T, false>>;
      }
      last = value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  } while (Date.now() < deadlineMs);
  throw new Error(`after ${withinMs} ms still not: ${what}`, { cause: last });
}
