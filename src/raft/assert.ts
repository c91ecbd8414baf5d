/**
 * Thrown when the core finds its own state impossible. The host logs it and drops its memory, so
 * that disk decides again.
 */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/**
 * Checks what must hold if the code is right. Never for bad input: that is answered, not asserted.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** Ends a switch over a union: a new member then fails to compile until it is handled. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unexpected value ${JSON.stringify(value)}`);
}
