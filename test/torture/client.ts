import type { Random } from "../../src/raft/random.ts";
import type { Operation } from "../linearizability/operation.ts";
import { namespace } from "./cluster.ts";
import { type Answer, type Call, call } from "./http.ts";

/** What a client does: the part of an operation that is there before it begins. */
type Request =
  | { readonly op: "get" }
  | { readonly op: "put"; readonly input: string }
  | { readonly op: "delete" }
  | { readonly op: "cas"; readonly input: { readonly from_rev: number; readonly to: string } };

export interface TortureClientOptions {
  readonly name: string;
  readonly edgeUrl: string;
  readonly random: Random;
  /** The revisions that clients have seen keys at last, 0 where they had no value. All clients share it. */
  readonly seen: Map<string, number>;
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
  readonly #seen: Map<string, number>;
  readonly #isReader: boolean;
  readonly #record: (operation: Operation, ms: number) => void;
  #count = 0;

  constructor({ name, edgeUrl, random, seen, isReader, record }: TortureClientOptions) {
    this.name = name;
    this.#edgeUrl = edgeUrl;
    this.#random = random;
    this.#seen = seen;
    this.#isReader = isReader;
    this.#record = record;
  }

  /** Goes on until it is told to stop. */
  async run(nextKey: () => string, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const key = nextKey();
      await this.#operate(key, this.#draw(key));
      // Who rests now and then asks in the middle of a fault, not only before it.
      const restMs = this.#random.between(0, this.#random.between(0, 19) === 0 ? 1500 : 10);
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }

  /** Reads a key. */
  read(key: string): Promise<Operation> {
    return this.#operate(key, { op: "get" });
  }

  #draw(key: string): Request {
    if (this.#isReader) return { op: "get" };
    const dice = this.#random.between(0, 9);
    if (dice < 3) return { op: "get" };
    if (dice < 4) return { op: "delete" };
    const value = `${this.name}-${++this.#count}`;
    if (dice < 7) return { op: "put", input: value };
    return { op: "cas", input: { from_rev: this.#seen.get(key) ?? 0, to: value } };
  }

  async #operate(key: string, request: Request): Promise<Operation> {
    // Some clients lose patience before the edge does, and never learn what became of it.
    const isHasty = this.#random.between(0, 19) === 0;
    const timeoutMs = isHasty ? this.#random.between(1, 60) : 6000;
    const common = { client: this.name, key, ...request };
    const startNs = now();
    const outcome = await this.#send(key, request, timeoutMs);
    const operation = { ...common, call: startNs, return: now(), ...outcome } as Operation;
    this.#look(operation);
    this.#record(operation, (operation.return - startNs) / 1e6);
    return operation;
  }

  /** Remembers what a key was seen at. */
  #look(operation: Operation): void {
    const { op, key, status, rev } = operation;
    if (status !== "ok" || rev === undefined) return;
    const isThere = op === "get" ? operation.output !== null : op !== "delete";
    this.#seen.set(key, isThere ? rev : 0);
  }

  async #send(key: string, request: Request, timeoutMs: number): Promise<Partial<Operation>> {
    try {
      const answer = await call({
        method: methods[request.op],
        url: `${this.#edgeUrl}/v1/ns/${namespace}/keys/${key}?timeout=3s`,
        ...contentOf(request),
        timeoutMs,
      });
      return outcomeOf(request, answer);
    } catch {
      // Not heard of: a read is no more than that, a write may happen at any time.
      return { status: request.op === "get" ? "fail" : "info" };
    }
  }
}

const methods = { get: "GET", put: "PUT", delete: "DELETE", cas: "PUT" } as const;

/** What a request carries. */
function contentOf(request: Request): Pick<Call, "headers" | "body"> {
  switch (request.op) {
    case "get":
    case "delete":
      return {};
    case "put":
      return { body: request.input };
    case "cas": {
      const { from_rev: revision, to } = request.input;
      const condition = revision === 0 ? { "If-None-Match": "*" } : { "If-Match": `"${revision}"` };
      return { body: to, headers: condition };
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
  if (op === "cas" && (status === 200 || status === 201))
    return { status: "ok", output: true, ...rev };
  if (op === "cas" && status === 412) return { status: "ok", output: false };
  const { outcome } = JSON.parse(body.toString()) as { outcome?: string };
  return { status: outcome === "not_applied" ? "fail" : "info" };
}

/** Of one clock for all clients, in ns. */
const now = (): number => Number(process.hrtime.bigint());
