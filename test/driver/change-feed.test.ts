import { beforeEach, describe, expect, test } from "vitest";
import type {
  ClientCommand,
  NewValue,
  Operation,
  TransactionCommand,
} from "../../src/kv/command.ts";
import { allKeys, next, withPrefix } from "../../src/kv/key-range.ts";
import type { ClientResult } from "../../src/protocol/client.ts";
import { maxWatchPageBytes, maxWatchedValueBytes } from "../../src/protocol/limits.ts";
import type { WatchEvent } from "../../src/protocol/watch.ts";
import { Random } from "../../src/raft/random.ts";
import type { Events } from "../../src/replica/change-feed.ts";
import { utf8 } from "../support/machine-bench.ts";
import { nothing } from "../support/persist.ts";
import { RealStore } from "../support/real-store.ts";

let store: RealStore;

/** Begins anew, with nothing. */
async function begin(): Promise<void> {
  store = new RealStore("feed");
  // It leads as soon as it has written that.
  await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(begin);

/** A command without the name of its request. */
type Nameless = ClientCommand extends infer C
  ? C extends ClientCommand
    ? Omit<C, "requestId" | "floor">
    : never
  : never;

let requests = 0;

const withName = (command: Nameless): ClientCommand => ({
  ...command,
  requestId: `${requests++}`,
  floor: 0,
});

/** Writes commands, all in one entry of the log. */
async function write(...commands: Nameless[]): Promise<ClientResult[]> {
  const named = commands.map(withName);
  const results = await store.driver.write(named);
  expect(store.faults).toEqual([]);
  return results;
}

const valued = (value: string, more: Partial<NewValue> = {}): NewValue => ({
  value: utf8(value),
  contentType: null,
  ...more,
});

const put = (key: string, value: string, more: Partial<NewValue> = {}) =>
  ({ type: "put", key, ...valued(value, more) }) as const;

const remove = (key: string) => ({ type: "delete", key }) as const;

const increment = (key: string, by = 1) => ({ type: "increment", key, by }) as const;

const transaction = (
  then: readonly Operation[],
  more: Partial<Pick<TransactionCommand, "if" | "else">> = {},
) => ({ type: "transaction", if: [], then, else: [], ...more }) as const;

/** A condition that does not hold. */
const never = [{ key: "nobody", condition: { type: "exists" } }] as const;

function pageAfter(revision: number, range = allKeys): Extract<Events, { type: "events" }> {
  const told = store.driver.feed.after(revision, range);
  if (told.type !== "events") throw new Error(`all up to ${told.revision} is gone`);
  return told;
}

/** All events after a revision, asked for until there are no more. */
function allAfter(revision: number, range = allKeys): readonly WatchEvent[] {
  const { events, upTo } = pageAfter(revision, range);
  return upTo === store.driver.feed.revision ? events : [...events, ...allAfter(upTo, range)];
}

/** An event as text: `5 put a=x v2`, and what else is known of the value; `.` after the last of a revision. */
function describeEvent(event: WatchEvent): string {
  const { type, key, revision, version, value, contentType, metadata, isLast } = event;
  const head = `${revision} ${type} ${key}`;
  const last = isLast ? "." : "";
  if (type !== "put") {
    expect({ version, value, contentType, metadata }).toEqual(valueless);
    return `${head}${last}`;
  }
  const told = value === null ? "?" : new TextDecoder().decode(value);
  return [`${head}=${told} v${version}`, contentType, metadata].filter(Boolean).join(" ") + last;
}

const valueless = { version: 0, value: null, contentType: null, metadata: null };

const told = (revision: number, range = allKeys): string[] =>
  allAfter(revision, range).map(describeEvent);

/** Lets go of all entries that have been applied. */
function cutLog(): void {
  const { log } = store.storage;
  store.storage.persist({ ...nothing, compactTo: log.last });
  expect(log.base).toEqual(log.last);
}

/** The same whether a value is in its row, only in the log, or nowhere any more. */
async function fromRowAndLog(after: number, key: string): Promise<string[]> {
  const range = { from: key, to: next(key) };
  const fromRow = told(after, range);
  // The row goes, and what it said is now only in the log.
  await write(remove(key));
  const [fromLog] = told(after, range);
  expect(fromLog).toBe(fromRow[0]);
  cutLog();
  const [gone] = told(after, range);
  return [fromLog!, gone!];
}

describe("What is told of a change", () => {
  test("of a put: its value and what else it says, as long as that is anywhere", async () => {
    await write(put("a", "x", { contentType: "text/plain", metadata: '{"m":1}' }));
    expect(await fromRowAndLog(0, "a")).toEqual([
      '1 put a=x v1 text/plain {"m":1}.',
      "1 put a=? v1.",
    ]);
  });

  test("of a value that is empty is that it is, not that it is gone", async () => {
    await write(put("a", ""));
    expect(await fromRowAndLog(0, "a")).toEqual(["1 put a= v1.", "1 put a=? v1."]);
  });

  test("of a value that is large is all but the value, which is to be got", async () => {
    await write({ type: "stage", upload: "u", part: 0, data: new Uint8Array(10) });
    const large = { upload: "u", size: 10 };
    await write(put("a", "", { large, contentType: "text/plain", metadata: "7" }));
    expect(told(0)).toEqual(["1 put a=? v1 text/plain 7."]);
    await write(put("a", "x"));
    expect(told(0)).toEqual(["1 put a=? v1 text/plain 7.", "2 put a=x v2."]);
  });

  test("of a value of more bytes than all who watch are told is all but the value", async () => {
    const [most, more] = ["x".repeat(maxWatchedValueBytes), "x".repeat(maxWatchedValueBytes + 1)];
    await write(put("a", most, { contentType: "text/plain" }));
    await write(put("a", more, { contentType: "text/plain" }));
    const expected = [`1 put a=${most} v1 text/plain.`, "2 put a=? v2 text/plain."];
    expect(told(0)).toEqual(expected);
    await write(remove("a"));
    expect(told(0).slice(0, 2)).toEqual(expected);
  });

  test("of a key that is put again and again is each of its values", async () => {
    for (const value of ["x", "y", "z"]) await write(put("a", value));
    expect(told(0)).toEqual(["1 put a=x v1.", "2 put a=y v2.", "3 put a=z v3."]);
    cutLog();
    expect(told(0)).toEqual(["1 put a=? v1.", "2 put a=? v2.", "3 put a=z v3."]);
    await write(put("a", "!"));
    expect(told(2)).toEqual(["3 put a=? v3.", "4 put a=! v4."]);
  });

  test("of a delete is that, once, and of one that changed nothing is nothing", async () => {
    await write(put("a", "x"));
    await write(remove("a"));
    await write(remove("a"));
    await write(put("a", "y"));
    expect(told(0)).toEqual(["1 put a=x v1.", "2 delete a.", "3 put a=y v1."]);
  });

  test("of commands that travelled in one entry is each for itself", async () => {
    await write(put("a", "1"), put("b", "2"), remove("a"), put("a", "3"), put("b", "4"));
    expect(told(0)).toEqual([
      "1 put a=1 v1.",
      "2 put b=2 v1.",
      "3 delete a.",
      "4 put a=3 v1.",
      "5 put b=4 v2.",
    ]);
  });

  test("of a write that was refused is nothing", async () => {
    await write(put("a", "x"));
    const condition = { type: "absent" } as const;
    await write({ ...put("a", "y"), condition }, put("b", "z"));
    await write(put("a", "!"));
    expect(told(0)).toEqual(["1 put a=x v1.", "2 put b=z v1.", "3 put a=! v2."]);
  });

  test("of a range that goes is each key", async () => {
    await write(put("a", "1"), put("b", "2"), put("c", "3"), put("d", "4"));
    await write({ type: "deleteRange", range: { from: "b", to: "d" }, limit: 9 });
    expect(told(4)).toEqual(["5 delete b", "5 delete c."]);
  });

  test("of values whose time is over is that it is", async () => {
    const { driver } = store;
    await write(put("a", "x", { expiry: { type: "ttl", ttlMs: 1000 } }), put("b", "y"));
    expect(told(0)).toEqual(["1 put a=x v1.", "2 put b=y v1."]);
    // With the next write it is said what time it is, in the same entry and before it.
    const nowMs = driver.machine.state.nowMs + 1000;
    await driver.write([
      { type: "tick", nowMs } as never,
      { ...put("c", "z"), requestId: "c", floor: 0 },
      { ...put("c", "!"), requestId: "d", floor: 0 },
    ]);
    expect(told(2)).toEqual(["3 expire a.", "4 put c=z v1.", "5 put c=! v2."]);
  });

  test("of a lock is who has it, and of a lease that ends are its keys", async () => {
    const [locked] = await write({
      type: "lock",
      key: "l",
      ...valued("me", { contentType: "text/plain" }),
      ttlMs: 5000,
    });
    const { lease } = locked as { readonly lease: string };
    await write(put("m", "mine", { expiry: { type: "lease", lease } }));
    await write({ type: "revoke", lease });
    expect(told(0)).toEqual([
      "1 put l=me v1 text/plain.",
      "2 put m=mine v1.",
      "3 delete l",
      "3 delete m.",
    ]);
    cutLog();
    expect(told(0)[0]).toBe("1 put l=? v1.");
  });
});

describe("What is told of a transaction", () => {
  test("is all that it changed, at one revision", async () => {
    await write(put("a", "x"), put("b", "y"));
    await write(
      transaction([
        { type: "get", key: "a" },
        put("c", "1", { contentType: "text/plain" }),
        remove("a"),
        put("b", "2"),
        remove("nobody"),
      ]),
    );
    expect(told(2)).toEqual(["3 put c=1 v1 text/plain", "3 delete a", "3 put b=2 v2."]);
  });

  test.each<[string, Operation[], string]>([
    ["puts: the last", [put("k", "1"), put("k", "2")], "=2 v1"],
    ["puts with others between", [put("k", "1"), put("o", "!"), put("k", "2")], "=2 v1"],
    [
      "puts, of which the last says less",
      [put("k", "1", { contentType: "text/plain", metadata: "7" }), put("k", "2")],
      "=2 v1",
    ],
    ["a put, a delete and a put", [put("k", "1"), remove("k"), put("k", "2")], "=2 v1"],
    ["a put and a get", [put("k", "1"), { type: "get", key: "k" }], "=1 v1"],
    ["a range that goes and a put", [put("k", "1"), rangeOf("k"), put("k", "2")], "=2 v1"],
    ["a put and an increment", [put("k", "1"), increment("k")], "=2 v1"],
    [
      "a put that says more and an increment",
      [put("k", "1", { contentType: "text/plain", metadata: "7" }), increment("k")],
      "=2 v1 text/plain 7",
    ],
    ["an increment and a put", [increment("k"), put("k", "9")], "=9 v1"],
    ["increments", [increment("k", 2), increment("k", 3)], "=5 v1"],
    ["a range that goes and an increment", [put("k", "1"), rangeOf("k"), increment("k")], "=1 v1"],
  ])("of one key, after %s", async (_, operations, expected) => {
    for (const command of [
      transaction(operations),
      transaction([put("k", "wrong")], { if: never, else: operations }),
      transaction([remove("k"), put("k", "other")], { if: never, else: operations }),
    ]) {
      await begin();
      await write(command);
      const change = allAfter(0).find(({ key }) => key === "k")!;
      const event = describeEvent(change).replace(/\.$/, "");
      expect(event).toBe(`1 put k${expected}`);
      const [fromLog] = await fromRowAndLog(0, "k");
      expect(fromLog!.replace(/\.$/, "")).toBe(event);
    }
  });

  test.each<[string, Operation[]]>([
    ["a put and a delete", [put("k", "1"), remove("k")]],
    ["a put and a range that goes", [put("k", "1"), rangeOf("k")]],
    ["an increment and a delete", [increment("k"), remove("k")]],
  ])("of one key that had no value, after %s, is nothing", async (_, operations) => {
    await write(transaction(operations));
    expect(store.driver.feed.revision).toBe(0);
    await write(put("k", "1"));
    await write(transaction(operations));
    expect(told(1)).toEqual(["2 delete k."]);
  });

  test("is what the branch says that was taken", async () => {
    await write(transaction([put("k", "then"), put("a", "1")], { else: [put("k", "else")] }));
    await write(
      transaction([put("k", "then"), put("a", "2")], { if: never, else: [put("k", "else")] }),
    );
    expect(told(0)).toEqual(["1 put k=then v1", "1 put a=1 v1.", "2 put k=else v2."]);
    await write(remove("k"));
    expect(told(0).slice(0, 3)).toEqual(["1 put k=then v1", "1 put a=1 v1.", "2 put k=else v2."]);
  });

  test("of a counter is each of its values, also when the log has been cut", async () => {
    await write(put("n", "40", { contentType: "text/plain", metadata: "[1]" }));
    for (let i = 0; i < 3; i++) await write(transaction([increment("n")]));
    const expected = [41, 42, 43].map((n, i) => `${i + 2} put n=${n} v${i + 2} text/plain [1].`);
    expect(told(1)).toEqual(expected);
    cutLog();
    expect(told(1)).toEqual(expected);
  });

  test("in one entry with others is its own", async () => {
    await write(
      put("k", "1"),
      transaction([put("k", "2")]),
      transaction([put("k", "wrong")], { if: never, else: [put("k", "3")] }),
      put("k", "4"),
    );
    expect(told(0)).toEqual(["1 put k=1 v1.", "2 put k=2 v2.", "3 put k=3 v3.", "4 put k=4 v4."]);
  });
});

test("What was restored begins with revisions of its own, and nobody goes on from before", async () => {
  await write(put("a", "x"), put("b", "y"));
  await write({ type: "restore" });
  const restored = store.driver.feed.revision;
  const gone = { type: "compacted", revision: restored };
  expect(restored).toBeGreaterThan(2);
  expect(told(restored)).toEqual([]);
  for (const revision of [0, 1]) expect(pageAfter(revision).upTo).toBe(2);
  expect(store.driver.feed.after(2, allKeys)).toEqual(gone);
  // Also when it comes together with what is before and after it.
  await write(put("c", "1"), { type: "restore" }, put("d", "2"));
  const last = store.driver.feed.revision;
  expect(pageAfter(restored)).toMatchObject({ events: [{ key: "c" }], upTo: restored + 1 });
  expect(store.driver.feed.after(restored + 1, allKeys)).toEqual({ ...gone, revision: last - 1 });
  expect(told(last - 1)).toEqual([`${last} put d=2 v1.`]);
});

test.each([1, 2, 3, 4, 5])(
  "What is in memory leads from one revision to the next, or is not told (seed %i)",
  async (seed) => {
    const random = new Random(seed);
    const revisions = new Set([0]);
    for (let turn = 0; turn < 40; turn++) {
      const commands = Array.from({ length: random.between(1, 4) }, (): Nameless => {
        if (random.between(0, 11) === 0) return { type: "restore" };
        return random.between(0, 3) === 0 ? remove("absent") : put("k", String(turn));
      });
      await write(...commands);
      if (random.between(0, 9) === 0) store.restart();
      await new Promise((resolve) => setImmediate(resolve));
      const newest = store.driver.feed.revision;
      revisions.add(newest);
      for (const revision of revisions) {
        for (let at = revision; ;) {
          const page = store.driver.feed.after(at, allKeys);
          if (page.type === "compacted") {
            expect(page.revision).toBeGreaterThan(at);
            at = page.revision;
            continue;
          }
          const { events, upTo } = page;
          expect(events.map((event) => event.revision)).toEqual(
            Array.from({ length: upTo - at }, (_, i) => at + i + 1),
          );
          for (const event of events) revisions.add(event.revision);
          if (upTo === newest) break;
          at = upTo;
        }
      }
    }
  },
);

describe("A range", () => {
  test("sees its own changes, and of each revision which is the last of them", async () => {
    await write(put("a/1", "1"), put("b/1", "2"));
    await write(transaction([put("a/1", "3"), put("b/2", "4"), put("a/2", "5"), put("c", "6")]));
    expect(told(0, withPrefix("a/"))).toEqual([
      "1 put a/1=1 v1.",
      "3 put a/1=3 v2",
      "3 put a/2=5 v1.",
    ]);
    expect(told(0, withPrefix("b/"))).toEqual(["2 put b/1=2 v1.", "3 put b/2=4 v1."]);
    expect(told(0, { from: "a/1", to: next("a/1") })).toEqual([
      "1 put a/1=1 v1.",
      "3 put a/1=3 v2.",
    ]);
  });

  test("in which nothing is changed is looked through to the end", async () => {
    for (let i = 0; i < 20; i++) await write(put("a", `${i}`));
    let at = 0;
    for (let asked = 0; at < 20; asked++) {
      const { events, upTo } = pageAfter(at, withPrefix("b"));
      expect(events).toEqual([]);
      expect(upTo).toBeGreaterThan(at);
      expect(asked).toBeLessThan(20);
      at = upTo;
    }
    expect(at).toBe(20);
    expect(pageAfter(20, withPrefix("b"))).toMatchObject({ events: [], upTo: 20 });
    expect(pageAfter(33, withPrefix("b"))).toMatchObject({ events: [], upTo: 33 });
  });
});

describe("What is told at a time", () => {
  test("is whole revisions, of not much more than a page", async () => {
    const value = "v".repeat(10_000);
    for (let i = 0; i < 10; i++) {
      await write(transaction(["a", "b", "c"].map((key) => put(key, `${i} ${value}`))));
    }
    let at = 0;
    while (at < 10) {
      const { events, upTo } = pageAfter(at);
      const bytes = events.reduce((sum, event) => sum + event.value!.byteLength, 0);
      expect(bytes).toBeLessThan(maxWatchPageBytes + 31_000);
      expect(events).toHaveLength(3 * (upTo - at));
      expect(events.filter(({ isLast }) => isLast)).toHaveLength(upTo - at);
      at = upTo;
    }
  });

  test("may be more if a single revision has more", async () => {
    const value = "v".repeat(maxWatchPageBytes / 3);
    await write(transaction(["a", "b", "c", "d"].map((key) => put(key, value))));
    await write(put("e", "x"));
    expect(pageAfter(0)).toMatchObject({ upTo: 1, events: { length: 4 } });
    expect(pageAfter(1)).toMatchObject({ upTo: 2, events: { length: 1 } });
  });

  test("takes no entry of the log apart more than once", async () => {
    await write(...Array.from({ length: 200 }, (_, i) => put("k", `${i}`)));
    const { log } = store.storage;
    const slice = log.slice.bind(log);
    let slices = 0;
    log.slice = (...which) => {
      slices++;
      return slice(...which);
    };
    expect(pageAfter(0).events.map(describeEvent)).toEqual(
      Array.from({ length: 200 }, (_, i) => `${i + 1} put k=${i} v${i + 1}.`),
    );
    expect(slices).toBe(1);
  });
});

function rangeOf(key: string): Operation {
  return { type: "deleteRange", range: { from: key, to: next(key) } };
}
