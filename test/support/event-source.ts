/** An event as `GET …/watch` tells it. */
export interface Told {
  readonly type: "put" | "delete" | "expire";
  readonly key: string;
  readonly revision: number;
  readonly version?: number;
  readonly value?: string;
  readonly omitted?: true;
}

/** What is kept of where an answer came from. */
export interface Visit {
  readonly status: number;
  readonly servedBy: string | null;
}

interface Block {
  readonly event: string;
  readonly data: string;
  readonly id: string | null;
}

export interface EventSourceOptions {
  /** How long a connection may be silent before it is given up, in ms. */
  readonly patienceMs?: number;
  /** Waits before it takes what comes next, as a slow reader does. */
  readonly dawdle?: () => Promise<void>;
  /** How long it stays away before it comes back, in ms. */
  readonly restMs?: () => number;
}

/**
 * A client that watches as browsers do: whenever its connection ends it comes back with the id that it was
 * told last. What came after that id it is told again, so it forgets that part of a transaction.
 */
export class EventSource {
  readonly #nextUrl: () => string;
  readonly #patienceMs: number;
  readonly #dawdle: () => Promise<void>;
  readonly #restMs: () => number;
  readonly #events: Told[] = [];
  /** What was told of a revision whose last event has not come yet. */
  #part: Told[] = [];
  #lastId: string | null = null;
  /** Each connection that was answered. */
  readonly visits: Visit[] = [];
  /** Told that some of it is gone; then it comes back no more. */
  isCompacted = false;
  readonly #stop = new AbortController();
  #visiting = new AbortController();
  #done: Promise<void> = Promise.resolve();

  /** @param nextUrl where to watch each time that it comes back. */
  constructor(nextUrl: string | (() => string), options: EventSourceOptions = {}) {
    this.#nextUrl = typeof nextUrl === "string" ? () => nextUrl : nextUrl;
    this.#patienceMs = options.patienceMs ?? 60_000;
    this.#dawdle = options.dawdle ?? (() => Promise.resolve());
    this.#restMs = options.restMs ?? (() => 20);
  }

  /** All that has been told, whole revisions. */
  get events(): readonly Told[] {
    return this.#events;
  }

  /** The last revision up to which all has been told. */
  get revision(): number {
    return Number(this.#lastId ?? 0);
  }

  start(): this {
    this.#done = this.#run();
    return this;
  }

  /** Drops its connection, and comes back. */
  drop(): void {
    this.#visiting.abort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted && !this.isCompacted) {
      this.#part = [];
      try {
        await this.#visit();
      } catch {
        // The connection is gone, or there was none; whatever it was, it is tried again.
      }
      if (this.#stop.signal.aborted) break;
      await new Promise((resolve) => setTimeout(resolve, this.#restMs()));
    }
  }

  async #visit(): Promise<void> {
    this.#visiting = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, this.#visiting.signal]);
    const patience = setTimeout(() => this.drop(), this.#patienceMs);
    try {
      const headers = this.#lastId === null ? {} : { "Last-Event-ID": this.#lastId };
      const response = await fetch(this.#nextUrl(), { headers, signal });
      const { status } = response;
      this.visits.push({ status, servedBy: response.headers.get("KV-Served-By") });
      if (status === 410) this.isCompacted = true;
      if (response.ok) await this.#read(response.body!, () => patience.refresh());
      else await response.arrayBuffer();
    } finally {
      clearTimeout(patience);
    }
  }

  async #read(body: ReadableStream<Uint8Array>, refresh: () => void): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of body) {
      refresh();
      const blocks = (text + decoder.decode(chunk, { stream: true })).split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) this.#take(parse(block));
      await this.#dawdle();
    }
  }

  #take({ event, data, id }: Block): void {
    if (event === "compacted") this.isCompacted = true;
    if (event !== "compacted" && event !== "progress" && data !== "") {
      this.#part.push(JSON.parse(data) as Told);
    }
    if (id === null) return;
    this.#events.push(...this.#part);
    this.#part = [];
    this.#lastId = id;
  }
}

function parse(block: string): Block {
  const fields = new Map(
    block.split("\n").map((line) => {
      const at = line.indexOf(": ");
      return [line.slice(0, at), line.slice(at + 2)];
    }),
  );
  const { event = "", data = "", id = null } = Object.fromEntries(fields) as Partial<Block>;
  return { event, data, id };
}

/** All that was changed after a revision, as long polls that do not wait tell it. */
export async function historyAfter(url: string, revision: number): Promise<Told[]> {
  const separator = url.includes("?") ? "&" : "?";
  const told: Told[] = [];
  for (let at = revision; ;) {
    const response = await fetch(`${url}${separator}from=${at}&wait=0s`);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const polled = (await response.json()) as { events: Told[]; revision: number };
    told.push(...polled.events);
    if (polled.events.length === 0) return told;
    at = polled.revision;
  }
}
