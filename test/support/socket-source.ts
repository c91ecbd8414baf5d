import type { Told } from "./event-source.ts";

/** A message as a WebSocket of `GET …/watch` brings it. */
type Message =
  | (Told & { readonly last: boolean })
  | { readonly type: "progress"; readonly revision: number }
  | { readonly type: "compacted"; readonly compact_revision: number };

/** A client that watches on WebSockets: when one ends it takes the next, from where it is. */
export class SocketSource {
  readonly #url: string;
  readonly #events: Told[] = [];
  /** What was told of a revision whose last event has not come yet. */
  #part: Told[] = [];
  #revision = 0;
  #socket: WebSocket | null = null;
  #isOver = false;
  /** With which codes sockets have ended. */
  readonly codes: number[] = [];

  /** @param url has no `from`: it begins with the first revision. */
  constructor(url: string) {
    this.#url = url.replace(/^http/, "ws");
  }

  /** All that has been told, whole revisions. */
  get events(): readonly Told[] {
    return this.#events;
  }

  /** The last revision up to which all has been told. */
  get revision(): number {
    return this.#revision;
  }

  start(): this {
    this.#open();
    return this;
  }

  stop(): Promise<void> {
    this.#isOver = true;
    this.#socket?.close();
    return Promise.resolve();
  }

  #open(): void {
    if (this.#isOver) return;
    this.#part = [];
    const socket = new WebSocket(`${this.#url}&from=${this.#revision}`);
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.#socket) this.#take(JSON.parse(data as string) as Message);
    });
    socket.addEventListener("close", ({ code }) => {
      this.codes.push(code);
      setTimeout(() => this.#open(), 50);
    });
  }

  #take(message: Message): void {
    if (message.type === "compacted")
      throw new Error(`all up to ${message.compact_revision} is gone`);
    if (message.type === "progress") {
      this.#revision = message.revision;
      return;
    }
    const { last, ...event } = message;
    this.#part.push(event);
    if (!last) return;
    this.#events.push(...this.#part);
    this.#part = [];
    this.#revision = message.revision;
    if (this.#events.length % 10 === 0) this.#socket!.send(`{"ack":${message.revision}}`);
  }
}
