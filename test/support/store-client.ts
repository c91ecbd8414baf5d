/** A client of one namespace, and what it knows the store must hold. */

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Headers;
}

/** Fields of problem+json that the tests look at. */
export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly outcome: "not_applied" | "applied" | "unknown";
  readonly retryable: boolean;
  readonly detail: string;
}

export class StoreClient {
  readonly #base: string;

  constructor(url: string, namespace = "default") {
    this.#base = `${url}/v1/ns/${namespace}`;
  }

  put(key: string, value: string, query = ""): Promise<Answer> {
    return this.send("PUT", `/keys/${key}${query}`, value);
  }

  get(key: string, query = ""): Promise<Answer> {
    return this.send("GET", `/keys/${key}${query}`);
  }

  delete(key: string): Promise<Answer> {
    return this.send("DELETE", `/keys/${key}`);
  }

  async send(
    method: string,
    path: string,
    body?: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const response = await fetch(this.#base + path, {
      method,
      headers,
      redirect: "manual",
      ...(body === undefined ? {} : { body: body as RequestInit["body"] & {} }),
    });
    return {
      status: response.status,
      body: await response.text(),
      headers: response.headers,
    };
  }
}

export const isWritten = ({ status }: Answer): boolean => status === 200 || status === 201;

/** Puts one key after another without pause, and notes which puts were acknowledged and when. */
export class Writer {
  /** Value by key, of the acknowledged puts. */
  readonly acknowledged = new Map<string, string>();
  /** The longest time between two acknowledgements, in ms. */
  longestGapMs = 0;
  /** Answers that were not an acknowledgement. */
  readonly refusals: Answer[] = [];
  readonly #client: StoreClient;
  readonly #name: string;
  readonly #stop = new AbortController();
  #done: Promise<void> = Promise.resolve();

  constructor(client: StoreClient, name: string) {
    this.#client = client;
    this.#name = name;
  }

  start(): this {
    this.#done = this.#run();
    return this;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /** Waits until `count` more puts have been acknowledged. */
  async progress(count: number, withinMs: number): Promise<void> {
    const target = this.acknowledged.size + count;
    const deadlineMs = performance.now() + withinMs;
    while (this.acknowledged.size < target) {
      if (performance.now() > deadlineMs) {
        throw new Error(
          `${this.acknowledged.size} of ${target} puts acknowledged within ${withinMs} ms; ` +
            `last refusal ${JSON.stringify(this.refusals.at(-1) ?? null)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #run(): Promise<void> {
    let last = performance.now();
    for (let i = 0; !this.#stop.signal.aborted; i++) {
      const [key, value] = [`${this.#name}/${i}`, `value ${i} of ${this.#name}`];
      // A lost connection is an answer of its own: nothing was acknowledged.
      const answer = await this.#client.put(key, value).catch((error: unknown): Answer => ({
        status: 0,
        body: String(error),
        headers: new Headers(),
      }));
      if (isWritten(answer)) {
        this.acknowledged.set(key, value);
        const now = performance.now();
        this.longestGapMs = Math.max(this.longestGapMs, now - last);
        last = now;
      } else this.refusals.push(answer);
    }
  }
}

/** The keys whose acknowledged value the store does not hold; none if all is well. */
export async function missing(
  client: StoreClient,
  acknowledged: ReadonlyMap<string, string>,
): Promise<string[]> {
  const lost: string[] = [];
  const entries = [...acknowledged];
  for (let i = 0; i < entries.length; i += 16) {
    const some = entries.slice(i, i + 16);
    const answers = await Promise.all(some.map(([key]) => client.get(key)));
    answers.forEach(({ status, body }, n) => {
      const [key, value] = some[n]!;
      if (status !== 200 || body !== value) lost.push(`${key}: ${status} ${body}`);
    });
  }
  return lost;
}
