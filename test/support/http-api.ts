import { expect } from "vitest";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Bytes of the body. */
  readonly size: number;
  /** The body as JSON; null when it is none. */
  readonly json: unknown;
}

type Body = string | Uint8Array<ArrayBuffer> | null;

/** The HTTP API as curl would speak it, one namespace of a cluster. */
export class HttpApi {
  readonly #url: string;
  readonly #namespace: string;

  constructor(url: string, namespace = "default") {
    this.#url = url;
    this.#namespace = namespace;
  }

  /** @param path below the namespace. */
  send(
    method: string,
    path: string,
    body: Body = null,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return this.ask(method, `/v1/ns/${this.#namespace}${path}`, body, headers);
  }

  async ask(
    method: string,
    path: string,
    body: Body = null,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(this.#url + path, { method, body, headers });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const text = bytes.byteLength < 1_000_000 ? new TextDecoder().decode(bytes) : "";
    const isJson = response.headers.get("Content-Type")?.includes("json") ?? false;
    return {
      status: response.status,
      headers: response.headers,
      text,
      size: bytes.byteLength,
      json: isJson ? JSON.parse(text) : null,
    };
  }

  put(key: string, value: Body, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send("PUT", `/keys/${key}`, value, headers);
  }

  get(key: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send("GET", `/keys/${key}`, null, headers);
  }

  delete(key: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send("DELETE", `/keys/${key}`, null, headers);
  }

  /** The keys that a list tells. */
  async names(query: string): Promise<string[]> {
    const { json } = await this.send("GET", `/keys?${query}`);
    return (json as { keys: { name: string }[] }).keys.map(({ name }) => name);
  }

  /** Whether a condition of a transaction holds. */
  async holds(condition: object): Promise<boolean> {
    const { json } = await this.send(
      "POST",
      "/txn",
      JSON.stringify({ if: [condition], then: [], else: [] }),
    );
    return (json as { succeeded: boolean }).succeeded;
  }

  /** Carries out operations, which must succeed. Returns what came of each. */
  async transact(...then: object[]): Promise<unknown[]> {
    const { status, text, json } = await this.send("POST", "/txn", JSON.stringify({ then }));
    expect(status, text).toBe(200);
    return (json as { results: unknown[] }).results;
  }

  /** The keys that have been changed since the beginning, as a watch tells. */
  async watched(query: string): Promise<string[]> {
    const { json } = await this.send("GET", `/watch?${query}&from=0&wait=1s`);
    return (json as { events: { key: string }[] }).events.map(({ key }) => key);
  }

  /** A request that must fail so, with a body that says it as it should. */
  async fails(
    code: string,
    method: string,
    path: string,
    body: Body = null,
    headers: Record<string, string> = {},
  ): Promise<void> {
    const { status, json, headers: answered } = await this.ask(method, path, body, headers);
    expect(answered.get("Content-Type")).toBe("application/problem+json");
    expect(json).toMatchObject({ code, status, outcome: "not_applied" });
  }
}
