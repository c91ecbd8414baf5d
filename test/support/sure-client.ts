import type { Answer } from "./store-client.ts";

export interface Sent {
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A client that does not rest until it knows what became of a request: it sends it again, under the same
 * Idempotency-Key, as long as the answer is none or says that it may try again.
 */
export class SureClient {
  readonly #base: string;
  readonly #name: string;
  #requests = 0;
  /** How often a request had to be sent again. */
  repeats = 0;

  constructor(url: string, name: string, namespace = "default") {
    this.#base = `${url}/v1/ns/${namespace}`;
    this.#name = name;
  }

  /** The first answer that is final; JSON of an error has no `retryable` then. */
  async send(method: string, path: string, { body, headers = {} }: Sent = {}): Promise<Answer> {
    const key = `${this.#name}-${++this.#requests}`;
    const isRead = method === "GET";
    const init: RequestInit = {
      method,
      headers: isRead ? headers : { ...headers, "Idempotency-Key": key },
      ...(body === undefined ? {} : { body }),
    };
    for (;;) {
      const answer = await this.#try(this.#base + path, init);
      if (answer !== null && isFinal(answer)) return answer;
      this.repeats++;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #try(url: string, init: RequestInit): Promise<Answer | null> {
    try {
      const response = await fetch(url, init);
      const { status, headers } = response;
      return { status, headers, body: await response.text() };
    } catch {
      // The connection broke: whether anything was done is not known.
      return null;
    }
  }
}

function isFinal({ status, body }: Answer): boolean {
  if (status < 400) return true;
  const { code, retryable } = JSON.parse(body) as { code: string; retryable: boolean };
  // Somebody else has the lock, which it may give back: that is an answer all the same.
  return !retryable || code === "lock_held";
}
