import type { KeyRange } from "../kv/key-range.ts";
import { watchWindowBytes, watchWindowEvents } from "../protocol/limits.ts";
import { type WatchRequest, describeEvent } from "../protocol/watch.ts";
import type { ChangeFeed } from "./change-feed.ts";

/** What is kept of a socket while its object is out of memory. */
interface Progress {
  readonly range: KeyRange;
  /** Everything up to this revision has been told. */
  readonly upTo: number;
  /** What has been told since the client last said how far it is. */
  readonly events: number;
  readonly bytes: number;
}

/** Revisions that pass without anything to tell before that is told. */
const silentRevisions = 1000;

/**
 * Sockets on which what changes is told. They outlive the memory of their object, so a group whose clients
 * watch can sleep. A socket has no way to say that its client is slow, so clients say how far they are, and
 * one that does not gets no more than a window.
 */
export class WatchSockets {
  readonly #ctx: DurableObjectState;
  /** How far sockets are; what is kept with them is written only when something was told. */
  readonly #progress = new WeakMap<WebSocket, Progress>();

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
  }

  get size(): number {
    return this.#ctx.getWebSockets().length;
  }

  /** Answers 410 when some of what was asked for is not kept any more. */
  accept(feed: ChangeFeed, { range, after }: WatchRequest): Response {
    const upTo = after ?? feed.revision;
    const first = feed.after(upTo, range);
    if (first.type === "compacted") {
      return Response.json({ compact_revision: first.revision }, { status: 410 });
    }
    const { 0: client, 1: socket } = new WebSocketPair();
    this.#ctx.acceptWebSocket(socket);
    this.#keep(socket, { range, upTo, events: 0, bytes: 0 });
    send(socket, { type: "progress", revision: upTo });
    this.#tellOne(socket, feed);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Something may have been changed. */
  tell(feed: ChangeFeed): void {
    for (const socket of this.#ctx.getWebSockets()) this.#tellOne(socket, feed);
  }

  /** A client says how far it is: `{"ack": 42}`. Whatever the number is, its window is open again. */
  heard(socket: WebSocket, message: string | ArrayBuffer, feed: ChangeFeed): void {
    if (!isAck(message)) {
      close(socket, 1008, 'only {"ack": revision} is understood');
      return;
    }
    this.#keep(socket, { ...this.#of(socket), events: 0, bytes: 0 });
    this.#tellOne(socket, feed);
  }

  /** A client has closed its side. */
  closed(socket: WebSocket, code: number): void {
    // 1005 and 1006 say that nothing was said, and must not be sent.
    close(socket, code === 1005 || code === 1006 ? 1000 : code, "");
  }

  /** There will be nothing more from this replica. */
  endAll(why: string): void {
    for (const socket of this.#ctx.getWebSockets()) close(socket, 1012, why);
  }

  #tellOne(socket: WebSocket, feed: ChangeFeed): void {
    const before = this.#of(socket);
    let { upTo, events, bytes } = before;
    while (upTo < feed.revision && isOpen({ events, bytes })) {
      const told = feed.after(upTo, before.range);
      if (told.type === "compacted") {
        // It has been slow for so long that what it has not got is gone.
        send(socket, { type: "compacted", compact_revision: told.revision });
        close(socket, 4410, "compacted");
        return;
      }
      for (const event of told.events) bytes += send(socket, describeEvent(event), event.isLast);
      events += told.events.length;
      ({ upTo } = told);
    }
    const progress = { ...before, upTo, events, bytes };
    if (events > before.events) this.#keep(socket, progress);
    else if (upTo - keptWith(socket).upTo < silentRevisions) this.#progress.set(socket, progress);
    else {
      send(socket, { type: "progress", revision: upTo });
      this.#keep(socket, progress);
    }
  }

  #of(socket: WebSocket): Progress {
    return this.#progress.get(socket) ?? keptWith(socket);
  }

  #keep(socket: WebSocket, progress: Progress): void {
    this.#progress.set(socket, progress);
    socket.serializeAttachment(progress);
  }
}

const keptWith = (socket: WebSocket): Progress => socket.deserializeAttachment() as Progress;

/** Whether a client may be told more before it says how far it is. */
const isOpen = ({ events, bytes }: Pick<Progress, "events" | "bytes">): boolean =>
  events < watchWindowEvents && bytes < watchWindowBytes;

/** Returns how much it is. That an event is the last of its revision is said, so that none is taken in part. */
function send(socket: WebSocket, content: object, isLast?: boolean): number {
  const text = JSON.stringify(isLast === undefined ? content : { ...content, last: isLast });
  try {
    socket.send(text);
  } catch {
    // It has been closed, which its object is told of by itself.
  }
  return text.length;
}

function close(socket: WebSocket, code: number, why: string): void {
  try {
    socket.close(code, why);
  } catch {
    // It was closed already.
  }
}

function isAck(message: string | ArrayBuffer): boolean {
  if (typeof message !== "string" || message.length > 64) return false;
  try {
    return Number.isSafeInteger((JSON.parse(message) as { readonly ack?: unknown } | null)?.ack);
  } catch {
    return false;
  }
}
