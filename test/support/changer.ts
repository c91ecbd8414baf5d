import type { Told } from "./event-source.ts";
import { type Answer, type StoreClient, isWritten } from "./store-client.ts";

/** What a client asked for, and what it heard of it. */
export interface Attempt {
  /** What the keys become, null for one that is deleted. */
  readonly changes: ReadonlyMap<string, string | null>;
  /** The revision it was told; null when it was not told whether it happened. */
  readonly revision: number | null;
}

/**
 * Changes the keys under a prefix in all the ways there are: puts, deletes and transactions of several
 * keys, and others beside it. Each value is written once.
 */
export class Changer {
  /** All attempts that happened, or may have. */
  readonly attempts: Attempt[] = [];
  readonly #client: StoreClient;
  readonly #name: string;
  readonly #prefix: string;
  readonly #stop = new AbortController();
  #done: Promise<void> = Promise.resolve();
  #count = 0;
  #acknowledged = 0;

  constructor(client: StoreClient, name: string, prefix: string) {
    this.#client = client;
    this.#name = name;
    this.#prefix = prefix;
  }

  start(): this {
    this.#done = this.#run();
    return this;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /** Waits until so many more changes have been acknowledged. */
  async progress(count: number, withinMs: number): Promise<void> {
    const target = this.#acknowledged + count;
    const deadlineMs = performance.now() + withinMs;
    while (this.#acknowledged < target) {
      if (performance.now() > deadlineMs) throw new Error(`no ${count} changes in ${withinMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const n = ++this.#count;
      const key = `${this.#prefix}${this.#name}-${n % 5}`;
      const value = `${this.#name} ${n}`;
      // A lost connection is an answer of its own.
      const lost: Answer = { status: 0, body: "", headers: new Headers() };
      const [changes, sent] = this.#draw(n, key, value);
      this.#note(changes, await sent.catch(() => lost));
    }
  }

  #draw(n: number, key: string, value: string): [Map<string, string | null>, Promise<Answer>] {
    switch (n % 6) {
      case 0:
        return [new Map([[key, null]]), this.#client.delete(key)];
      case 1:
      case 2: {
        const keys = ["x", "y", "z"].map((end) => `${this.#prefix}${end}`);
        const then: object[] = keys.map((each) => ({ op: "put", key: each, value }));
        then.push({ op: "put", key: `beside/${this.#name}`, value });
        const changes = new Map(keys.map((each) => [each, value]));
        return [changes, this.#client.send("POST", "/txn", JSON.stringify({ then }))];
      }
      case 3:
        return [new Map(), this.#client.put(`beside/${this.#name}`, value)];
      default:
        return [new Map([[key, value]]), this.#client.put(key, value)];
    }
  }

  #note(changes: ReadonlyMap<string, string | null>, answer: Answer): void {
    const { status, body, headers } = answer;
    if (isWritten(answer) || status === 204) {
      this.#acknowledged++;
      const hasChanged = headers.get("KV-Deleted") !== "0";
      const revision = Number(headers.get("KV-Revision"));
      if (hasChanged) this.attempts.push({ changes, revision });
      return;
    }
    const { outcome } = (status === 0 ? {} : JSON.parse(body)) as { readonly outcome?: string };
    if (outcome !== "not_applied") this.attempts.push({ changes, revision: null });
  }
}

/**
 * What is wrong with a history of a prefix: null, or the first thing. Each change that was acknowledged is there
 * once, whole, at its revision; nothing is there that nobody asked for, and what nobody heard of at most once.
 */
export function complaintAbout(
  history: readonly Told[],
  attempts: readonly Attempt[],
): string | null {
  const byRevision = Map.groupBy(history, ({ revision }) => revision);
  const revisions = history.map(({ revision }) => revision);
  const falls = revisions.findIndex((revision, i) => i > 0 && revision < revisions[i - 1]!);
  if (falls !== -1) return `revision ${revisions[falls]} comes after ${revisions[falls - 1]}`;
  const acknowledged = new Map<number, Attempt>();
  for (const attempt of attempts) {
    if (attempt.revision === null || attempt.changes.size === 0) continue;
    if (acknowledged.has(attempt.revision)) return `revision ${attempt.revision} was told twice`;
    acknowledged.set(attempt.revision, attempt);
  }
  for (const [revision, { changes }] of acknowledged) {
    const told = linesOf(byRevision.get(revision) ?? []);
    const expected = linesOf([...changes]);
    if (told !== expected) return `revision ${revision} is "${told}", not "${expected}"`;
  }
  const unknown = attempts.filter(({ revision }) => revision === null);
  const open = new Map(unknown.map((attempt) => [linesOf([...attempt.changes]), attempt]));
  for (const [revision, events] of byRevision) {
    if (acknowledged.has(revision)) continue;
    const told = linesOf(events);
    if (!open.has(told)) return `nobody asked for revision ${revision}, "${told}"`;
    // Two deletes of a key look alike.
    if (events.some(({ type }) => type === "put")) open.delete(told);
  }
  return null;
}

type Line = Told | readonly [key: string, value: string | null];

const linesOf = (changes: readonly Line[]): string =>
  changes
    .map((change) => {
      if (!("type" in change)) return `${change[0]}=${change[1] ?? "nothing"}`;
      return `${change.key}=${change.type === "put" ? change.value : "nothing"}`;
    })
    .toSorted()
    .join(" ");
