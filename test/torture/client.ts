import type { Random } from "../../src/raft/random.ts";
import type { Operation } from "../linearizability/operation.ts";
import { namespace } from "./cluster.ts";
import { type Answer, call } from "./http.ts";

/** What a client does: the part of an operation that is there before it begins. */
type Request =
  | { readonly op: "get" }
  | { readonly op: "put"; readonly input: string }
  | { readonly op: "delete" };

export interface TortureClientOptions {
  readonly name: string;
  readonly edgeUrl: string;
  readonly random: Random;
  /** Whether it only reads: an old leader that answers reads shows to those whom no write holds up. */
  readonly isReader: boolean;
  /** Takes each operation when it has ended, and how long it took. */
  readonly record: (operation: Operation, ms: number) => void;
}

/** A client of the HTTP API, one operation at a time, each written down as it ended. */
export class TortureClient {
  readonly name: string;
  readonly #random: Random;
  readonly #edgeUrl: string;
  readonly #isReader: boolean;
  readonly #record: (operation: Operation, ms: number) => void;
  #count = 0;

  constructor({ name, edgeUrl, random, isReader, record }: TortureClientOptions) {
    this.name = name;
    this.#edgeUrl = edgeUrl;
    this.#random = random;
    this.#isReader = isReader;
    this.#record = record;
  }

  /** Goes on until it is told to stop. */
  async run(nextKey: () => string, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#operate(nextKey(), this.#draw());
      // Who rests now and then asks in the middle of a fault, not only before it.
      const restMs = this.#random.between(0, this.#random.between(0, 19) === 0 ? 1500 : 10);
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }

  /** Reads a key. */
  read(key: string): Promise<Operation> {
    return this.#operate(key, { op: "get" });
  }

  #draw(): Request {
    if (this.#isReader) return { op: "get" };
    const dice = this.#random.between(0, 9);
    if (dice < 3) return { op: "get" };
    if (dice < 4) return { op: "delete" };
    return { op: "put", input: `${this.name}-${++this.#count}` };
  }

  async #operate(key: string, request: Request): Promise<Operation> {
    // Some clients lose patience before the edge does, and never learn what became of it.
    const isHasty = this.#random.between(0, 19) === 0;
    const timeoutMs = isHasty ? this.#random.between(1, 60) : 6000;
    const common = { client: this.name, key, ...request };
    const startNs = now();
    const outcome = await this.#send(key, request, timeoutMs);
    const operation = { ...common, call: startNs, return: now(), ...outcome } as Operation;
    this.#record(operation, (operation.return - startNs) / 1e6);
    return operation;
  }

  async #send(key: string, request: Request, timeoutMs: number): Promise<Partial<Operation>> {
    try {
      const answer = await call({
        method: request.op === "get" ? "GET" : request.op.toUpperCase(),
        url: `${this.#edgeUrl}/v1/ns/${namespace}/keys/${key}?timeout=3s`,
        ...(request.op === "put" ? { body: request.input } : {}),
        timeoutMs,
      });
      return outcomeOf(request, answer);
    } catch {
      // Not heard of: a read is no more than that, a write may happen at any time.
      return { status: request.op === "get" ? "fail" : "info" };
    }
  }
}

function outcomeOf({ op }: Request, { status, headers, body }: Answer): Partial<Operation> {
  const revision = Number(headers["kv-revision"]);
  const rev = Number.isSafeInteger(revision) ? { rev: revision } : {};
  if (op === "get" && status === 200) return { status: "ok", output: body.toString(), ...rev };
  if (op === "get" && status === 404) return { status: "ok", output: null, ...rev };
  if (op === "put" && (status === 200 || status === 201)) return { status: "ok", ...rev };
  if (op === "delete" && status === 204) {
    return { status: "ok", output: headers["kv-deleted"] === "1", ...rev };
  }
  const { outcome } = JSON.parse(body.toString()) as { outcome?: string };
  return { status: outcome === "not_applied" ? "fail" : "info" };
}

/** Of one clock for all clients, in ns. */
const now = (): number => Number(process.hrtime.bigint());
