import type { KeyRange } from "../kv/key-range.ts";
import { watchProgressMs } from "../protocol/limits.ts";
import {
  type Polled,
  type WatchRequest,
  asServerSent,
  compactedSent,
  describeEvent,
  progressSent,
  retrySent,
} from "../protocol/watch.ts";
import type { ChangeFeed, Events } from "./change-feed.ts";
import type { Watcher, Watchers } from "./watchers.ts";

/**
 * Tells what changes: as server-sent events that go on, or as JSON that ends with the first events there
 * are. Answers 410 when some of what was asked for is not kept any more.
 */
export function answerWatch(
  feed: ChangeFeed,
  watchers: Watchers,
  request: WatchRequest,
): Promise<Response> | Response {
  const { after, range, waitMs } = request;
  const first = after === null ? nothingYet(feed) : feed.after(after, range);
  if (first.type === "compacted") return compacted(first.revision);
  return waitMs === null
    ? stream(feed, watchers, request, first)
    : poll(feed, watchers, request, first, waitMs);
}

type Told = Extract<Events, { type: "events" }>;

const nothingYet = (feed: ChangeFeed): Told => ({
  type: "events",
  events: [],
  upTo: feed.revision,
});

const compacted = (revision: number): Response =>
  Response.json({ compact_revision: revision }, { status: 410 });

async function poll(
  feed: ChangeFeed,
  watchers: Watchers,
  { range }: WatchRequest,
  first: Told,
  waitMs: number,
): Promise<Response> {
  const watcher = watchers.enter();
  const told = await firstEvents(feed, watcher, range, first, waitMs).finally(() =>
    watchers.leave(watcher),
  );
  if (told.type === "compacted") return compacted(told.revision);
  const polled: Polled = { events: told.events.map(describeEvent), revision: told.upTo };
  return new Response(`${JSON.stringify(polled)}\n`, {
    headers: { "Content-Type": "application/json" },
  });
}

async function firstEvents(
  feed: ChangeFeed,
  { gone }: Watcher,
  range: KeyRange,
  first: Told,
  waitMs: number,
): Promise<Events> {
  const deadlineMs = Date.now() + waitMs;
  const { life } = feed;
  let told: Events = first;
  while (told.type === "events" && told.events.length === 0) {
    const { upTo } = told;
    if (upTo >= feed.revision) {
      const leftMs = deadlineMs - Date.now();
      if (leftMs <= 0) break;
      await feed.changed(leftMs, gone);
      if (feed.life !== life) break;
    }
    told = feed.after(upTo, range);
  }
  return told;
}

/**
 * A stream that is asked for more when its reader has taken what came before. What the reader is slow to
 * take is not kept for it: it goes on from where it is, or is told that this is gone.
 */
function stream(
  feed: ChangeFeed,
  watchers: Watchers,
  { range }: WatchRequest,
  first: Told,
): Response {
  const text = new TextEncoder();
  const watcher = watchers.enter();
  const { life } = feed;
  let told: Events = first;
  let saidMs = Date.now();
  let isCancelled = false;

  /** What is to be said next, as soon as there is anything; null when there will be nothing more. */
  const next = async (): Promise<string | null> => {
    for (;;) {
      if (told.type === "compacted") return null;
      const { upTo } = told;
      const leftMs = saidMs + watchProgressMs - Date.now();
      if (upTo >= feed.revision && leftMs > 0) await feed.changed(leftMs, watcher.gone);
      if (watcher.gone.aborted || feed.life !== life) return null;
      told = feed.after(upTo, range);
      const isDue = Date.now() - saidMs >= watchProgressMs;
      const said = textOf(told) || (isDue ? progressOf(told) : "");
      if (said !== "") return said;
    }
  };

  const say = (controller: ReadableStreamDefaultController<Uint8Array>, said: string): void => {
    saidMs = Date.now();
    watcher.owedSinceMs = saidMs;
    controller.enqueue(text.encode(said));
  };

  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        say(controller, retrySent + textOf(first) + progressSent(first.upTo));
      },
      async pull(controller) {
        watcher.owedSinceMs = null;
        const said = await next();
        if (said !== null) return say(controller, said);
        watchers.leave(watcher);
        if (!isCancelled) controller.close();
      },
      cancel() {
        isCancelled = true;
        watchers.leave(watcher);
      },
    },
    // Nothing is looked for ahead of the reader.
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
}

const progressOf = (told: Events): string =>
  told.type === "compacted" ? "" : progressSent(told.upTo);

const textOf = (told: Events): string =>
  told.type === "compacted" ? compactedSent(told.revision) : told.events.map(asServerSent).join("");
