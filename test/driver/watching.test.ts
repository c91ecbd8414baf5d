import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type KeyRange, allKeys, withPrefix } from "../../src/kv/key-range.ts";
import type { TransactionCommand } from "../../src/kv/command.ts";
import { watchProgressMs } from "../../src/protocol/limits.ts";
import { watchVersion } from "../../src/protocol/watch.ts";
import type { ChangeFeed } from "../../src/replica/change-feed.ts";
import { Watchers } from "../../src/replica/watchers.ts";
import { answerWatch } from "../../src/replica/watching.ts";
import { put } from "../support/driver-bench.ts";
import { RealStore } from "../support/real-store.ts";

let store: RealStore;
let watchers: Watchers;
let requests = 0;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  store = new RealStore("watched");
  watchers = new Watchers();
  await settle();
});

afterEach(() => {
  vi.useRealTimers();
  expect(store.faults).toEqual([]);
});

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const feed = (): ChangeFeed => store.driver.feed;

/** Puts keys, each in a turn of its own. */
async function write(...keys: string[]): Promise<void> {
  for (const key of keys) await store.driver.write([put(`${requests++}`, key)]);
}

/** Puts keys at one revision. */
async function writeTogether(...keys: string[]): Promise<void> {
  const puts = keys.map((key) => put(key));
  const requestId = `${requests++}`;
  const command: TransactionCommand = {
    type: "transaction",
    requestId,
    floor: 0,
    if: [],
    then: puts,
    else: [],
  };
  await store.driver.write([command]);
}

/** Forgets what is in memory of what was changed: only storage knows. */
async function restart(): Promise<void> {
  store.restart();
  watchers = new Watchers();
  await settle();
}

/** Lets go of what was changed up to a revision, as if many writes had come since. */
function forget(revision: number): void {
  store.storage.tamper((state) => {
    state.turns = state.turns.filter(({ state: after }) => after.revision > revision);
  });
}

interface Asked {
  readonly after?: number | null;
  readonly range?: KeyRange;
  readonly waitMs?: number | null;
}

const watch = async ({ after = null, range = allKeys, waitMs = null }: Asked): Promise<Response> =>
  answerWatch(feed(), watchers, { version: watchVersion, range, after, waitMs });

/** What a reader takes of a stream, when it takes it. */
class Reader {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  private constructor(response: Response) {
    this.response = response;
    this.#reader = response.body!.getReader();
  }

  static async open(asked: Asked = {}): Promise<Reader> {
    const response = await watch(asked);
    expect(response.status).toBe(200);
    expect(response.headers.get("Content-Type")).toBe("text/event-stream");
    return new Reader(response);
  }

  /** The next that it is told, as lines such as `put a id 3`; "end" at the end. */
  async take(): Promise<string[]> {
    const { done, value } = await this.#reader.read();
    return done ? ["end"] : linesOf(new TextDecoder().decode(value));
  }

  /** The same, or "nothing" when there is nothing yet; then nobody takes what comes, until the next call. */
  async poll(): Promise<string[]> {
    this.#taking ??= this.take();
    const lines = await Promise.race([this.#taking, settle().then(() => ["nothing"])]);
    if (lines[0] !== "nothing") this.#taking = null;
    return lines;
  }
  #taking: Promise<string[]> | null = null;

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

/** Blocks of server-sent events in brief: the event, its key or revision, and its id. */
function linesOf(text: string): string[] {
  expect(text.endsWith("\n\n")).toBe(true);
  return text
    .slice(0, -2)
    .split("\n\n")
    .map((block) => {
      const fields = new Map(
        block.split("\n").map((line) => line.split(": ", 2) as [string, string]),
      );
      if (fields.has("retry")) return `retry ${fields.get("retry")}`;
      const data = JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as Record<string, unknown>;
      expect(data["type"]).toBe(fields.get("event"));
      const what = data["key"] ?? data["compact_revision"] ?? data["revision"];
      const id = fields.has("id") ? [`id ${fields.get("id")}`] : [];
      return [fields.get("event"), what, ...id].join(" ");
    });
}

describe("A stream", () => {
  test("begins with what there is and how far that goes, and goes on with each change", async () => {
    await write("a", "b");
    const reader = await Reader.open({ after: 0 });
    expect(await reader.take()).toEqual([
      "retry 1000",
      "put a id 1",
      "put b id 2",
      "progress 2 id 2",
    ]);
    expect(await reader.poll()).toEqual(["nothing"]);
    await write("c");
    expect(await reader.poll()).toEqual(["put c id 3"]);
    await write("d");
    expect(await reader.take()).toEqual(["put d id 4"]);
  });

  test("begins now when it is not said where", async () => {
    await write("a", "b");
    const reader = await Reader.open();
    expect(await reader.take()).toEqual(["retry 1000", "progress 2 id 2"]);
    await write("c");
    expect(await reader.take()).toEqual(["put c id 3"]);
  });

  test("begins in the future when it is said so, and does not go back", async () => {
    await write("a");
    const reader = await Reader.open({ after: 3 });
    expect(await reader.take()).toEqual(["retry 1000", "progress 3 id 3"]);
    await write("b", "c");
    expect(await reader.poll()).toEqual(["nothing"]);
    await write("d");
    expect(await reader.poll()).toEqual(["put d id 4"]);
  });

  test("names a revision only with the last of what it changed in the range", async () => {
    const reader = await Reader.open({ range: withPrefix("a") });
    await reader.take();
    await writeTogether("a1", "b1", "a2", "b2");
    expect(await reader.take()).toEqual(["put a1", "put a2 id 1"]);
  });

  test("is told pages one after another", async () => {
    for (let i = 0; i < 20; i++) await write(`k${i}`);
    await restart();
    const reader = await Reader.open({ after: 0 });
    const lines: string[] = [];
    while (lines.at(-1) !== "put k19 id 20") lines.push(...(await reader.take()));
    const told = lines.filter((line) => line.startsWith("put"));
    expect(told).toEqual(Array.from({ length: 20 }, (_, i) => `put k${i} id ${i + 1}`));
    // Where the first page ends is said, so that who comes back need not be told it again.
    expect(lines.filter((line) => line.startsWith("progress"))).toHaveLength(1);
  });

  test("loses nothing that is changed while it is told something else", async () => {
    const reader = await Reader.open({ after: 0 });
    await reader.take();
    const taken: string[] = [];
    const taking = (async () => {
      while (taken.length < 60) taken.push(...(await reader.take()));
    })();
    for (let i = 0; i < 60; i++) {
      await write(`k${i}`);
      if (i % 7 === 0) await settle();
    }
    await taking;
    expect(taken).toEqual(Array.from({ length: 60 }, (_, i) => `put k${i} id ${i + 1}`));
  });

  test("says how far it is when it has been silent for long", async () => {
    const reader = await Reader.open();
    await reader.take();
    expect(await reader.poll()).toEqual(["nothing"]);
    await vi.advanceTimersByTimeAsync(watchProgressMs - 1);
    expect(await reader.poll()).toEqual(["nothing"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await reader.poll()).toEqual(["progress 0 id 0"]);
    expect(await reader.poll()).toEqual(["nothing"]);
    await write("a");
    expect(await reader.poll()).toEqual(["put a id 1"]);
    await vi.advanceTimersByTimeAsync(watchProgressMs);
    expect(await reader.poll()).toEqual(["progress 1 id 1"]);
  });

  test("says so also while other keys are changed all the time: who comes back must not be told that all is gone", async () => {
    const reader = await Reader.open({ range: withPrefix("quiet") });
    await reader.take();
    const said: string[] = [];
    for (let second = 0; second < 35; second++) {
      await write("busy");
      said.push(...(await reader.poll()));
      await vi.advanceTimersByTimeAsync(1000);
    }
    const progress = said.filter((line) => line !== "nothing");
    expect(progress).toHaveLength(3);
    expect(progress[2]).toMatch(/^progress (29|30|31) /);
  });

  test("says nothing of writes that change nothing", async () => {
    const reader = await Reader.open({ after: 0 });
    await reader.take();
    const condition = { type: "exists" } as const;
    for (let i = 0; i < 5; i++) {
      await store.driver.write([{ ...put(`refused ${i}`), condition }]);
      expect(await reader.poll()).toEqual(["nothing"]);
    }
  });

  test("is refused when some of what it asks for is gone, and from where that is kept it is not", async () => {
    await write("a", "b", "c");
    await restart();
    forget(2);
    for (const waitMs of [null, 0, 1000]) {
      const response = await watch({ after: 1, waitMs });
      expect([response.status, await response.json()]).toEqual([410, { compact_revision: 2 }]);
    }
    expect(watchers.size).toBe(0);
    const reader = await Reader.open({ after: 2 });
    expect(await reader.take()).toEqual(["retry 1000", "put c id 3", "progress 3 id 3"]);
  });

  test("ends when its replica takes no part any more", async () => {
    const reader = await Reader.open();
    await reader.take();
    expect(await reader.poll()).toEqual(["nothing"]);
    store.driver.stop();
    expect(await reader.poll()).toEqual(["end"]);
    expect([watchers.size, feed().size]).toEqual([0, 0]);
  });

  test("ends when what it was told may have been wrong, and says nothing more of it", async () => {
    await write("a");
    const reader = await Reader.open();
    await reader.take();
    await write("b");
    feed().interrupt();
    expect(await reader.take()).toEqual(["end"]);
    const again = await Reader.open({ after: 1 });
    expect(await again.take()).toEqual(["retry 1000", "put b id 2", "progress 2 id 2"]);
  });

  test("leaves nothing behind when its reader goes", async () => {
    const reader = await Reader.open();
    await reader.take();
    expect(await reader.poll()).toEqual(["nothing"]);
    expect([watchers.size, feed().size, vi.getTimerCount()]).toEqual([1, 1, 1]);
    await reader.cancel();
    expect([watchers.size, feed().size, vi.getTimerCount()]).toEqual([0, 0, 0]);
    await write("a");
    await settle();
  });
});

describe("A stream whose reader is slow", () => {
  test("is not looked for: nothing is kept for it", async () => {
    const after = vi.spyOn(feed(), "after");
    const reader = await Reader.open({ after: 0 });
    const { length: before } = after.mock.calls;
    for (let i = 0; i < 100; i++) await write(`k${i}`);
    await settle();
    expect(after.mock.calls.length).toBe(before);
    expect(feed().size).toBe(0);
    const lines = await reader.take();
    expect(lines).toEqual(["retry 1000", "progress 0 id 0"]);
    // Then it goes on from where it is, a page at a time.
    while (lines.length < 102) lines.push(...(await reader.take()));
    expect(lines.slice(2)).toEqual(Array.from({ length: 100 }, (_, i) => `put k${i} id ${i + 1}`));
  });

  test("is told that what it missed is gone, if it is, and that is its end", async () => {
    await write("a");
    const reader = await Reader.open({ after: 0 });
    await write("b", "c", "d");
    // More than is remembered.
    const keys = Array.from({ length: 128 }, (_, i) => `k${i}`);
    for (let i = 0; i < 9; i++) await writeTogether(...keys);
    forget(3);
    expect(await reader.take()).toEqual(["retry 1000", "put a id 1", "progress 1 id 1"]);
    expect(await reader.take()).toEqual(["compacted 3"]);
    expect(await reader.take()).toEqual(["end"]);
    expect(watchers.size).toBe(0);
  });

  test("makes room for others after a minute, and ends when it comes to that", async () => {
    const [slow, quick] = [await Reader.open(), await Reader.open()];
    await quick.take();
    expect(await quick.poll()).toEqual(["nothing"]);
    watchers.dropStalled(Date.now());
    await vi.advanceTimersByTimeAsync(59_999);
    watchers.dropStalled(Date.now());
    expect(watchers.size).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    await quick.poll();
    watchers.dropStalled(Date.now());
    expect(watchers.size).toBe(1);
    expect(await slow.take()).toEqual(["retry 1000", "progress 0 id 0"]);
    expect(await slow.take()).toEqual(["end"]);
    await write("a");
    expect(await quick.take()).toEqual(["put a id 1"]);
  });
});

describe("A long poll", () => {
  /** The keys that are told, and where to go on; "open" when there is no answer yet. */
  async function outcome(poll: Promise<Response>): Promise<unknown> {
    const response = await Promise.race([poll, settle().then(settle)]);
    if (response === undefined) return "open";
    const text = await response.text();
    expect(text.endsWith("\n")).toBe(true);
    const { events, revision } = JSON.parse(text) as {
      readonly events: readonly { readonly key: string }[];
      readonly revision: number;
    };
    return [events.map(({ key }) => key).join(" "), revision];
  }

  test("is answered at once with what there is, as much as is told at a time", async () => {
    await write("a", "b", "c");
    expect(await outcome(watch({ after: 1, waitMs: 60_000 }))).toEqual(["b c", 3]);
    expect(await outcome(watch({ after: 1, waitMs: 0 }))).toEqual(["b c", 3]);
    expect(vi.getTimerCount()).toBe(0);
    expect(watchers.size).toBe(0);
  });

  test("is answered with the first that comes", async () => {
    await write("a");
    const poll = watch({ waitMs: 1000 });
    expect(await outcome(poll)).toBe("open");
    expect([watchers.size, feed().size]).toEqual([1, 1]);
    await write("b");
    expect(await outcome(poll)).toEqual(["b", 2]);
    expect([watchers.size, feed().size, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });

  test("is not woken by other keys, and tells then how far it has looked", async () => {
    const poll = watch({ after: 0, range: withPrefix("a"), waitMs: 1000 });
    await write("b1", "b2", "b3");
    expect(await outcome(poll)).toBe("open");
    await vi.advanceTimersByTimeAsync(1000);
    expect(await outcome(poll)).toEqual(["", 3]);
  });

  test("looks through all there is, however short it waits", async () => {
    for (let i = 0; i < 50; i++) await write("b");
    await restart();
    expect(await outcome(watch({ after: 0, range: withPrefix("a"), waitMs: 0 }))).toEqual(["", 50]);
    await write("a");
    expect(await outcome(watch({ after: 0, range: withPrefix("a"), waitMs: 0 }))).toEqual([
      "a",
      51,
    ]);
  });

  test("ends in time without any", async () => {
    await write("a");
    const poll = watch({ after: 1, waitMs: 1000 });
    await vi.advanceTimersByTimeAsync(999);
    expect(await outcome(poll)).toBe("open");
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome(poll)).toEqual(["", 1]);
  });

  test("from the future waits for what comes after that", async () => {
    const poll = watch({ after: 2, waitMs: 1000 });
    await write("a", "b");
    expect(await outcome(poll)).toBe("open");
    await write("c");
    expect(await outcome(poll)).toEqual(["c", 3]);
  });

  test("ends when its replica takes no part any more, with what it has seen before", async () => {
    await write("a");
    for (const end of [() => feed().interrupt(), () => store.driver.stop()]) {
      const poll = watch({ after: 1, waitMs: 1000 });
      expect(await outcome(poll)).toBe("open");
      end();
      expect(await outcome(poll)).toEqual(["", 1]);
    }
    expect([watchers.size, feed().size, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });

  test("one after another tell all, once", async () => {
    const told: string[] = [];
    let at = 0;
    const polling = (async () => {
      while (at < 60) {
        const response = await watch({ after: at, waitMs: 10_000 });
        const polled = (await response.json()) as { events: { key: string }[]; revision: number };
        told.push(...polled.events.map(({ key }) => key));
        at = polled.revision;
        await settle();
      }
    })();
    for (let i = 0; i < 60; i++) {
      await write(`k${i}`);
      if (i % 5 === 0) await settle();
    }
    await polling;
    expect(told).toEqual(Array.from({ length: 60 }, (_, i) => `k${i}`));
  });
});
