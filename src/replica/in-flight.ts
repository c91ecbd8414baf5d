import type { ClientCommand } from "../kv/command.ts";

/** What clients have given a name and is under way: the same must not be asked for at the same time. */
export class InFlight {
  /** The request that has a name. */
  readonly #requests = new Map<string, string>();

  /** Whether another request of that name is under way. The edge's own retries are the same one. */
  isBusy({ idempotency, requestId }: ClientCommand): boolean {
    if (idempotency === undefined) return false;
    const other = this.#requests.get(idempotency.name);
    return other !== undefined && other !== requestId;
  }

  begin(commands: readonly ClientCommand[]): void {
    for (const { idempotency, requestId } of commands) {
      if (idempotency !== undefined) this.#requests.set(idempotency.name, requestId);
    }
  }

  end(commands: readonly ClientCommand[]): void {
    for (const { idempotency, requestId } of commands) {
      if (idempotency === undefined) continue;
      if (this.#requests.get(idempotency.name) === requestId) {
        this.#requests.delete(idempotency.name);
      }
    }
  }
}
