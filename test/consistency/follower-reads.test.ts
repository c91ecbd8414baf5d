/** A replica that does not lead, and what it asks of the leader: replica 2, which is the test. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ClientResult, Level, ReadIndexRequest } from "../../src/protocol/client.ts";
import { toBytes } from "../../src/protocol/codec.ts";
import { type Entry, asIndex, asTerm } from "../../src/raft/types.ts";
import type { ConfirmedIndex } from "../../src/replica/ports.ts";
import type { LeveledRequest } from "../../src/replica/reads.ts";
import { DriverBench, append, id, put } from "../support/driver-bench.ts";
import { lineOf, turn } from "./group-of-drivers.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const entry = (index: number, key: string): Entry => {
  const data = toBytes([put(`r${index}`, key)]);
  return { term: asTerm(1), index: asIndex(index), type: "command", data };
};

/** A question to the leader that has not been answered yet. */
interface Asked {
  readonly to: string;
  readonly request: ReadIndexRequest;
  readonly answer: (answer: ConfirmedIndex | null) => void;
}

class Follower extends DriverBench {
  readonly asked: Asked[] = [];

  constructor() {
    super({ digestEvery: 1 });
    this.readIndex = (to, request) =>
      new Promise((answer) => this.asked.push({ to, request, answer }));
    // The key `a` has the value `r1`, of revision 1.
    this.applied(1, "a");
  }

  /** Applies an entry that puts a key, and so makes a revision of the same number. */
  applied(index: number, key: string): void {
    const prev = id(index === 1 ? 0 : 1, index - 1);
    this.driver.receiveCall("2", [
      append({ prev, entries: [entry(index, key)], leaderCommit: index }),
    ]);
  }

  read(level: Level, more: Partial<LeveledRequest> = {}): Reading {
    const request = {
      type: "get",
      key: "a",
      metadataOnly: false,
      level,
      ...more,
    } as LeveledRequest;
    const reading: Reading = { line: "open" };
    void this.driver.reads.leveled(request, this.nowMs).then((result: ClientResult) => {
      reading.line = lineOf(result);
    });
    return reading;
  }

  /** The oldest question that is open is answered, and all goes on that can. */
  async reply(index: number | null, epoch = 1): Promise<void> {
    this.asked.shift()!.answer(index === null ? null : { index: asIndex(index), epoch });
    await turn();
  }
}

/** One whose disk has nothing to do any more. */
async function quiet(): Promise<Follower> {
  const bench = new Follower();
  await turn();
  bench.takeTrace();
  return bench;
}

/** How a read has ended, or "open". */
interface Reading {
  line: string;
}

const any: Level = { type: "any" };
const linearizable: Level = { type: "linearizable" };
const bounded = (maxStalenessMs: number): Level => ({ type: "bounded", maxStalenessMs });
const session = (revision: number, maxWaitMs = 100, epoch = 1): Level => ({
  type: "session",
  epoch,
  revision,
  maxWaitMs,
});

describe("any", () => {
  test("is answered at once, without a step of the core, though nothing is known of how old it is", async () => {
    const bench = await quiet();
    const reading = bench.read(any);
    await turn();
    expect(reading.line).toBe("r1 any unknown");
    expect(bench.takeTrace()).toEqual([]);
    expect(bench.asked).toEqual([]);
  });

  test("by one that has nothing is left to the others", async () => {
    const bench = new DriverBench();
    bench.driver.receiveCall("2", [append({})]);
    const request = { type: "get", key: "a", metadataOnly: false, level: any } as const;
    expect(lineOf(await bench.driver.reads.leveled(request, 1000))).toBe("not here, ask 2");
  });

  test("says how old it may be where that has become known", async () => {
    const bench = new Follower();
    bench.read(bounded(1000));
    await turn();
    await bench.reply(1);
    bench.nowMs += 70;
    const reading = bench.read(any);
    await turn();
    expect(reading.line).toBe("r1 any 71");
  });
});

describe("a state that is held on to", () => {
  test("is opened at any replica, shows what was, and goes when that turns out to be wrong", async () => {
    const bench = new Follower();
    const open = (): Promise<ClientResult> =>
      bench.driver.reads.leveled({ type: "openView", level: any }, bench.nowMs);
    const page = (view: string) => ({ type: "page", view, range, values: true }) as const;
    const range = { from: "", to: null };
    const opened = await open();
    expect(opened).toMatchObject({ type: "viewOpened", revision: 1, shown: { level: "any" } });
    bench.applied(2, "a");
    const { view } = opened as { readonly view: string };
    expect(bench.driver.reads.piece(page(view))).toMatchObject({
      type: "page",
      items: [{ key: "a", found: { modRevision: 1 } }],
      rest: null,
    });
    const { view: another } = (await open()) as typeof opened & { readonly view: string };
    const verdict = { index: asIndex(2), formula: 2, hash: "2.other" };
    bench.driver.receiveCall("2", [{ ...append({ prev: id(1, 2), leaderCommit: 2 }), verdict }]);
    expect(bench.driver.raft.audit.hasDiverged).toBe(true);
    expect(bench.driver.reads.piece(page(another))).toEqual({ type: "noView" });
  });
});

describe("linearizable", () => {
  test("asks the leader with the keys, and waits until what it had is applied here", async () => {
    const bench = new Follower();
    const reading = bench.read(linearizable);
    await turn();
    expect(bench.asked).toMatchObject([
      { to: "2", request: { type: "readIndex", keys: ["a"], isWide: false } },
    ]);
    await bench.reply(2);
    expect(reading.line).toBe("open");
    bench.applied(2, "a");
    await turn();
    expect(reading.line).toBe("r2 linearizable 0");
  });

  test("has all go that is due where it is about many keys", async () => {
    const bench = new Follower();
    bench.read(linearizable, { type: "count", range: { from: "", to: null } } as never);
    await turn();
    expect(bench.asked[0]!.request).toEqual({ type: "readIndex", keys: [], isWide: true });
  });

  test("is never answered from what was confirmed before, not even of the same moment", async () => {
    const bench = new Follower();
    bench.read(linearizable);
    await turn();
    await bench.reply(1);
    const reading = bench.read(linearizable);
    await turn();
    expect(reading.line).toBe("open");
    expect(bench.asked).toHaveLength(1);
  });
});

describe("bounded", () => {
  test("is served without a question for as long as what was confirmed is young enough", async () => {
    const bench = new Follower();
    const first = bench.read(bounded(200));
    await turn();
    await bench.reply(1);
    expect(first.line).toBe("r1 bounded 0");
    bench.nowMs += 199;
    const inTime = bench.read(bounded(200));
    await turn();
    expect(inTime.line).toBe("r1 bounded 200");
    bench.nowMs += 1;
    const late = bench.read(bounded(200));
    await turn();
    expect([late.line, bench.asked.length]).toEqual(["open", 1]);
  });

  test("counts from when the question was sent, not from when it was answered or what it needs applied", async () => {
    const bench = new Follower();
    const reading = bench.read(bounded(500));
    await turn();
    bench.nowMs += 150;
    await bench.reply(2);
    bench.nowMs += 150;
    bench.applied(2, "a");
    await turn();
    expect(reading.line).toBe("r2 bounded 0");
    const next = bench.read(bounded(500));
    await turn();
    expect(next.line).toBe("r2 bounded 301");
  });

  test("counts until when the request came, whatever else has happened to it since", async () => {
    const bench = new Follower();
    bench.read(bounded(500));
    await turn();
    await bench.reply(1);
    const cameMs = bench.nowMs + 100;
    bench.nowMs += 400;
    const request = { type: "get", key: "a", metadataOnly: false, level: bounded(200) } as const;
    expect(lineOf(await bench.driver.reads.leveled(request, cameMs))).toBe("r1 bounded 101");
  });

  test("does not become older when an older question is answered last", async () => {
    const bench = new Follower();
    bench.read(bounded(1000));
    await turn();
    await bench.reply(2);
    bench.nowMs += 100;
    bench.read(linearizable);
    await turn();
    // Needs less than the older one, and so is there first.
    await bench.reply(1);
    bench.applied(2, "a");
    await turn();
    const reading = bench.read(bounded(1000));
    await turn();
    expect(reading.line).toBe("r2 bounded 1");
  });

  test("is refused when the leader cannot be reached, and when nobody knows of one", async () => {
    const bench = new Follower();
    const reading = bench.read(bounded(1000));
    await turn();
    await bench.reply(null);
    expect(reading.line).toBe("not here, ask 2");
    bench.driver.campaign();
    const leaderless = bench.read(bounded(1000));
    await turn();
    expect([leaderless.line, bench.asked.length]).toEqual(["not here, ask somebody", 0]);
  });

  test("is refused when what the leader had does not come, and not counted as known later", async () => {
    const bench = new Follower();
    const reading = bench.read(bounded(1000));
    await turn();
    await bench.reply(2);
    vi.advanceTimersByTime(299);
    await turn();
    expect(reading.line).toBe("open");
    vi.advanceTimersByTime(1);
    await turn();
    expect(reading.line).toBe("not here, ask 2");
    bench.applied(2, "a");
    const next = bench.read(bounded(1000));
    await turn();
    expect([next.line, bench.asked.length]).toEqual(["open", 1]);
  });

  test("believes no leader of another epoch, whose log is another", async () => {
    const bench = new Follower();
    const reading = bench.read(bounded(1000));
    await turn();
    await bench.reply(1, 2);
    expect(reading.line).toBe("not here, ask 2");
  });

  test("goes on when a question has failed in whatever way", async () => {
    const bench = new Follower();
    bench.readIndex = () => Promise.reject(new Error("gone"));
    const failed = bench.read(bounded(1000));
    await turn();
    expect(failed.line).toBe("not here, ask 2");
    bench.readIndex = () => Promise.resolve({ index: asIndex(1), epoch: 1 });
    const reading = bench.read(bounded(1000));
    await turn();
    expect(reading.line).toBe("r1 bounded 0");
  });
});

describe("a question", () => {
  test("is shared by those who came before it was sent", async () => {
    const bench = new Follower();
    const readings = [bench.read(linearizable), bench.read(bounded(1)), bench.read(bounded(9))];
    await turn();
    expect(bench.asked).toHaveLength(1);
    await bench.reply(1);
    expect(readings.map(({ line }) => line)).toEqual([
      "r1 linearizable 0",
      "r1 bounded 0",
      "r1 bounded 0",
    ]);
  });

  test("does not serve those who came after: they share the next one", async () => {
    const bench = new Follower();
    const early = bench.read(linearizable);
    await turn();
    const late = [bench.read(linearizable, { key: "b" }), bench.read(bounded(100))];
    await turn();
    expect(bench.asked, "one at a time").toHaveLength(1);
    await bench.reply(1);
    expect(early.line).toBe("r1 linearizable 0");
    expect(late[0]!.line, "what was acknowledged since the question may be missing").toBe("open");
    expect(bench.asked.map(({ request }) => request.keys)).toEqual([["b"]]);
    bench.applied(2, "a");
    await bench.reply(2);
    expect(late.map(({ line }) => line)).toEqual(["absent linearizable 0", "r2 bounded 0"]);
  });

  test("waits for the answer to the one before, but not for what that needs applied", async () => {
    const bench = new Follower();
    const slow = bench.read(linearizable);
    await turn();
    const next = bench.read(linearizable);
    await bench.reply(9);
    expect(bench.asked).toHaveLength(1);
    await bench.reply(1);
    expect([slow.line, next.line]).toEqual(["open", "r1 linearizable 0"]);
  });

  test("names no more keys than fit, and who comes then is in the next one", async () => {
    const bench = new Follower();
    const keys = (from: number) =>
      Array.from({ length: 600 }, (_, i) => ({ type: "get" as const, key: `k${from + i}` }));
    const query = (from: number) =>
      bench.read(linearizable, { type: "query", if: [], then: keys(from), else: [] } as never);
    const readings = [query(0), query(600), query(1200)];
    await turn();
    expect(bench.asked[0]!.request.keys).toHaveLength(1200);
    await bench.reply(1);
    expect(bench.asked[0]!.request.keys).toHaveLength(600);
    await bench.reply(1);
    expect(readings.map(({ line }) => line)).toEqual(Array(3).fill("transaction linearizable 0"));
  });
});

describe("session", () => {
  test("is answered at once where what it has seen is applied, without a step of the core", async () => {
    const bench = await quiet();
    const reading = bench.read(session(1));
    await turn();
    expect(reading.line).toBe("r1 session unknown");
    expect([bench.takeTrace(), bench.asked]).toEqual([[], []]);
  });

  test("is woken when what it waits for is applied", async () => {
    const bench = new Follower();
    const reading = bench.read(session(3));
    await turn();
    bench.applied(2, "a");
    await turn();
    expect(reading.line).toBe("open");
    bench.applied(3, "a");
    await turn();
    expect(reading.line).toBe("r3 session unknown");
    expect(bench.asked).toEqual([]);
    expect([bench.driver.reads.waiting, vi.getTimerCount()], "nothing is left behind").toEqual([
      0, 0,
    ]);
  });

  test("asks the leader when it has waited for long enough, and goes on when that has come", async () => {
    const bench = new Follower();
    const reading = bench.read(session(2, 100));
    await turn();
    vi.advanceTimersByTime(99);
    await turn();
    expect(bench.asked).toHaveLength(0);
    vi.advanceTimersByTime(1);
    await turn();
    expect(bench.asked[0]!.request).toEqual({ type: "readIndex", keys: [], isWide: false });
    await bench.reply(2);
    expect(reading.line).toBe("open");
    bench.applied(2, "a");
    await turn();
    expect(reading.line).toBe("r2 session 0");
  });

  test("is left to others when the leader cannot be asked", async () => {
    const bench = new Follower();
    const reading = bench.read(session(2, 0));
    vi.advanceTimersByTime(1);
    await turn();
    await bench.reply(null);
    expect(reading.line).toBe("not here, ask 2");
  });

  test("is left to others when even the newest state is older than what it says it has seen", async () => {
    const bench = new Follower();
    const reading = bench.read(session(7, 0));
    vi.advanceTimersByTime(1);
    await turn();
    await bench.reply(1);
    expect(reading.line).toBe("not here, ask 2");
  });

  test("that has seen a later epoch is served by nobody of this one", async () => {
    const bench = new Follower();
    const reading = bench.read(session(1, 0, 2));
    vi.advanceTimersByTime(1);
    await turn();
    await bench.reply(1);
    expect(reading.line).toBe("not here, ask 2");
  });
});

describe("what was known is forgotten", () => {
  /** One that knows since when its state is current. */
  async function informed(): Promise<Follower> {
    const bench = new Follower();
    bench.read(bounded(1000));
    await turn();
    await bench.reply(1);
    return bench;
  }

  const told = (bench: Follower, hash: string): void => {
    const verdict = { index: asIndex(1), formula: 2, hash };
    bench.driver.receiveCall("2", [{ ...append({ prev: id(1, 1), leaderCommit: 1 }), verdict }]);
  };

  /** Replica 2 gives it the state after so many entries. */
  function takeSnapshot(bench: Follower, index: number): void {
    const source = new Follower();
    for (let i = 2; i <= index; i++) source.applied(i, "a");
    const snapshots = source.storage.openExport(source.driver.machine.state);
    const { configuration } = source.driver.raft.log;
    for (let chunk = 0, isLast = false; !isLast; chunk++) {
      const read = snapshots.read(chunk);
      ({ isLast } = read);
      const head = { type: "installSnapshotRequest", from: "2", to: "1", term: asTerm(1) } as const;
      const snapshot = { ...head, snapshot: id(1, index), configuration, shipment: 1, chunk };
      bench.driver.receiveCall("2", [{ ...snapshot, ...read }]);
    }
  }

  test("when a snapshot takes the place of the state", async () => {
    const bench = await informed();
    takeSnapshot(bench, 5);
    expect(bench.driver.raft.appliedIndex).toBe(5);
    const [shown, asking] = [bench.read(any), bench.read(bounded(1000))];
    await turn();
    expect([shown.line, asking.line]).toEqual(["r5 any unknown", "open"]);
  });

  test("when the state is found to have diverged; and until another is there, nothing is served", async () => {
    const bench = await informed();
    const waiting = [bench.read(session(2)), bench.read(linearizable)];
    await turn();
    told(bench, "2.other");
    expect(bench.driver.raft.audit.hasDiverged).toBe(true);
    await bench.reply(1);
    vi.advanceTimersByTime(300);
    await turn();
    const late = [any, session(1, 0), bounded(1000), linearizable].map((level) =>
      bench.read(level),
    );
    await turn();
    const lines = [...waiting, ...late].map(({ line }) => line);
    expect(lines).toEqual(Array(6).fill("not here, ask 2"));
    expect(bench.asked, "it does not even ask").toEqual([]);
  });

  test("when that is repaired by a state that is older than the one before", async () => {
    const bench = await informed();
    for (const index of [2, 3]) bench.applied(index, "a");
    told(bench, "2.other");
    bench.disk.tamper(() => {});
    takeSnapshot(bench, 2);
    expect(bench.driver.raft).toMatchObject({ appliedIndex: 3, audit: { divergedIndex: null } });
    const [shown, asking] = [bench.read(any), bench.read(bounded(1000))];
    await turn();
    expect([shown.line, asking.line]).toEqual(["r3 any unknown", "open"]);
  });

  test("and an answer that was on its way meanwhile is believed of the new state alone", async () => {
    const bench = await informed();
    bench.applied(2, "a");
    const reading = bench.read(linearizable);
    await turn();
    told(bench, "2.other");
    await bench.reply(2);
    expect(reading.line).toBe("open");
    takeSnapshot(bench, 4);
    await turn();
    expect(reading.line).toBe("r4 linearizable 0");
  });
});

test("one that has left its group, or stops for whatever reason, serves nothing any more", async () => {
  const bench = new Follower();
  const waiting = [bench.read(session(5)), bench.read(linearizable)];
  await turn();
  bench.driver.stop();
  await bench.reply(1);
  const late = bench.read(any);
  await turn();
  expect([...waiting, late].map(({ line }) => line)).toEqual(Array(3).fill("not here, ask 2"));
  expect(vi.getTimerCount()).toBe(0);
});
