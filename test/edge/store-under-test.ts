import { afterEach, beforeEach, expect, vi } from "vitest";
import { createApp } from "../../src/edge/app.ts";
import type { EdgeBindings } from "../../src/edge/env.ts";
import { RealStore } from "../support/real-store.ts";
import { problemIn } from "./edge-under-test.ts";

let count = 0;
const stores: RealStore[] = [];

/** What the clock shows when a test begins. */
export const startMs = Date.UTC(2027, 0, 1);

/** Tests of a file have a clock that only they move; and no request may do harm to a replica. */
export function onRealStores(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: startMs });
  });
  afterEach(() => {
    vi.useRealTimers();
    expect(stores.splice(0).flatMap(({ faults }) => faults)).toEqual([]);
  });
}

/** What a request carries besides its path. */
export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | ReadableStream<Uint8Array>;
}

/** The app before a store that does what the real one does. */
export class StoreUnderTest {
  readonly store: RealStore;
  readonly #app = createApp();

  /** @param voters see RealStore. */
  constructor(voters?: readonly string[]) {
    this.store = new RealStore(`store-${count++}`, voters);
    stores.push(this.store);
  }

  /** A request to a path below the namespace. */
  async send(method: string, path: string, { headers = {}, body }: Sent = {}): Promise<Response> {
    // A Request made of a string would name a type for it.
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const carried = bytes === undefined ? {} : { body: bytes, duplex: "half" };
    const init = { method, headers, ...carried } as RequestInit;
    const env = this.store.env as object as EdgeBindings;
    return this.#app.request(`/v1/ns/${this.store.namespace}${path}`, init, env);
  }

  put(key: string, value: string | Uint8Array = "value", headers: Sent["headers"] = {}) {
    return this.send("PUT", `/keys/${key}`, { body: value, headers });
  }

  get(key: string, headers: Sent["headers"] = {}): Promise<Response> {
    return this.send("GET", `/keys/${key}`, { headers });
  }

  delete(key: string, headers: Sent["headers"] = {}): Promise<Response> {
    return this.send("DELETE", `/keys/${key}`, { headers });
  }

  /** A value as text; null when there is none. */
  async valueOf(key: string): Promise<string | null> {
    const response = await this.get(encodeURIComponent(key));
    if (response.status === 200) return response.text();
    expect((await problemIn(response)).code).toBe("key_not_found");
    return null;
  }

  transact(body: unknown, headers: Sent["headers"] = {}): Promise<Response> {
    return this.send("POST", "/txn", { body: JSON.stringify(body), headers });
  }

  /** The revision that the namespace has reached. */
  async revision(): Promise<number> {
    const { revision } = await jsonIn<{ revision: number }>(await this.send("GET", "/keys?count"));
    return revision;
  }

  /** The clock moves on, or back; then the alarm rings if it is time for it. */
  pass(ms: number, { alarm = true } = {}): void {
    vi.setSystemTime(Date.now() + ms);
    if (alarm) this.store.alarm();
  }
}

/** Reads an answer that must have succeeded, with JSON. */
export async function jsonIn<T = unknown>(response: Response): Promise<T> {
  const text = await response.text();
  expect(response.status, text).toBe(200);
  expect(response.headers.get("Content-Type")).toBe("application/json");
  expect(text.endsWith("\n")).toBe(true);
  return JSON.parse(text) as T;
}

/** Rows of a table that have long things in front, each with a title before that. */
export const titled = <Row extends readonly unknown[]>(
  rows: readonly Row[],
): (readonly [title: string, ...Row])[] =>
  rows.map((row) => [JSON.stringify(row[0]).slice(0, 60), ...row] as const);

/** An answer in one line: its status, and the code of a problem. */
export async function lineOf(response: Response): Promise<string> {
  if (response.status < 400) return String(response.status);
  const { status, code, outcome } = await problemIn(response);
  expect(outcome).toBe("not_applied");
  return `${status} ${code}`;
}
