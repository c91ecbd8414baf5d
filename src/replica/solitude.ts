import type { NodeId } from "../raft/types.ts";

/** Notices when a replica has known of no leader for long: others may go on without it. */
export class Solitude {
  readonly #limitMs: number;
  #sinceMs: number | null = null;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Whether it has been that long; then it begins anew. */
  isLong(leader: NodeId | null, nowMs: number): boolean {
    if (leader === null) this.#sinceMs ??= nowMs;
    else this.#sinceMs = null;
    if (this.#sinceMs === null || nowMs - this.#sinceMs < this.#limitMs) return false;
    this.#sinceMs = nowMs;
    return true;
  }
}
