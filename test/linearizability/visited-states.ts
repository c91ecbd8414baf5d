/**
 * The states that a search has been in. A state that differs from one of them only in having fewer
 * optional steps left leads nowhere else.
 */
export class VisitedStates {
  readonly #states = new Map<string, (readonly number[])[]>();
  #size = 0;

  /** How many states were worth exploring. */
  get size(): number {
    return this.#size;
  }

  /**
   * @param used how many steps of each optional group are in use.
   * @returns whether the state is worth exploring.
   */
  add(state: string, used: readonly number[]): boolean {
    const others = this.#states.get(state) ?? [];
    if (others.some((other) => other.every((count, i) => count <= used[i]!))) return false;
    const kept = others.filter((other) => !used.every((count, i) => count <= other[i]!));
    this.#states.set(state, [...kept, used]);
    this.#size++;
    return true;
  }
}
