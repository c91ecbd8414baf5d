import type { RequestId } from "../raft/io.ts";

/**
 * Callers that wait for the core to end their proposal or read. The core promises to end each one
 * exactly once.
 */
export class Waiters<Ending> {
  #nextId: RequestId = 1;
  readonly #resolvers = new Map<RequestId, (ending: Ending) => void>();

  get size(): number {
    return this.#resolvers.size;
  }

  /** Opens a wait: an id to give to the core, and the promise of how it ends. */
  open(): { id: RequestId; ending: Promise<Ending> } {
    const id = this.#nextId++;
    const ending = new Promise<Ending>((resolve) => this.#resolvers.set(id, resolve));
    return { id, ending };
  }

  /** Ends all that are open. */
  endAll(endingOf: (id: RequestId) => Ending): void {
    for (const id of this.#resolvers.keys()) this.end(id, endingOf(id));
  }

  end(id: RequestId, ending: Ending): void {
    const resolve = this.#resolvers.get(id);
    if (resolve === undefined) throw new Error(`request #${id} ended twice`);
    this.#resolvers.delete(id);
    resolve(ending);
  }
}
