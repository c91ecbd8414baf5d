import { describe, expect, test, vi } from "vitest";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import type { PeerRequest } from "../../src/protocol/peer.ts";
import type { ReplicaCall } from "../../src/protocol/replica-call.ts";
import { UnknownVersion } from "../../src/protocol/version.ts";
import type { Message } from "../../src/raft/messages.ts";
import { asIndex, asTerm } from "../../src/raft/types.ts";
import { FetchPeers } from "../../src/replica/peers.ts";
import { eventually } from "../support/eventually.ts";
import type { Outdated } from "../../src/protocol/peer.ts";

const members = ["1", "2", "3"].map((id) => ({ id, region: "local" }));

const message = (from: string, to: string, granted = true): Message => ({
  type: "requestVoteResponse",
  from,
  to,
  term: asTerm(7),
  granted,
});

const answerOf = (messages: readonly Message[]): Response =>
  new Response(toBytes({ version: 3, messages }));

/** Peers whose calls the test answers. */
class Bench {
  readonly calls: { readonly to: string; readonly call: ReplicaCall }[] = [];
  readonly answers: Message[][] = [];
  readonly unreachable: string[] = [];
  readonly outdated: Outdated[] = [];
  readonly warnings: string[] = [];
  /** What else the envelope says. */
  more: { epoch?: number } = {};
  nowMs = 0;
  readonly peers: FetchPeers;

  constructor(
    answer: (to: string, call: ReplicaCall) => Promise<Response> | Response,
    { timeoutMs = 60_000, maxCalls = 4 } = {},
  ) {
    this.peers = new FetchPeers({
      from: () => ({ namespace: "ns", from: "1", members, ...this.more }),
      onOutdated: (outdated) => this.outdated.push(outdated),
      call: (to, call) => {
        this.calls.push({ to, call });
        return answer(to, call) as Promise<Response>;
      },
      timeoutMs,
      maxCalls,
      onAnswer: (messages) => this.answers.push([...messages]),
      onUnreachable: (node) => this.unreachable.push(node),
      nowMs: () => this.nowMs,
      warn: (line) => this.warnings.push(line),
    });
  }
}

/** A call that ends only when its signal ends it, as fetch does. */
const hang = (_to: string, { signal }: ReplicaCall): Promise<Response> =>
  new Promise((_resolve, reject) =>
    signal!.addEventListener("abort", () => reject(signal!.reason as Error)),
  );

describe("A call", () => {
  test("has left when send returns, so that it is ahead of what is written next", () => {
    const bench = new Bench(hang);
    bench.peers.send("2", [message("1", "2")]);
    expect(bench.calls.map(({ to }) => to)).toEqual(["2"]);
  });

  test("carries the version, who sends to whom, the members and the messages", async () => {
    const bench = new Bench(() => answerOf([]));
    const messages = [message("1", "3"), message("1", "3", false)];
    bench.peers.send("3", messages);
    const { method, path, body } = bench.calls[0]!.call;
    expect([method, path]).toEqual(["POST", "/peer"]);
    expect(fromBytes<PeerRequest>(body as Uint8Array)).toEqual({
      version: 3,
      namespace: "ns",
      from: "1",
      to: "3",
      members,
      messages,
    });
  });

  test("hands over the messages of its answer, and says nothing when there are none", async () => {
    const bench = new Bench((to) => answerOf(to === "2" ? [message("2", "1")] : []));
    bench.peers.send("3", []);
    bench.peers.send("2", []);
    await eventually("an answer", () => bench.answers.length > 0);
    expect(bench.answers).toEqual([[message("2", "1")]]);
    expect(bench.unreachable).toEqual([]);
  });
});

/** What may become of a call without Raft having to care which it was. */
const losses: Record<string, (to: string, call: ReplicaCall) => Promise<Response> | Response> = {
  "rejects, as a reset or overloaded object does": () => Promise.reject(new Error("reset")),
  "throws at once": () => {
    throw new Error("no stub");
  },
  "is refused": () => new Response("founded with other members", { status: 409 }),
  "fails over there": () => new Response("oops", { status: 500 }),
  "is refused with what looks like an answer": () =>
    new Response(toBytes({ version: 3, messages: [message("2", "1")] }), { status: 409 }),
  "is answered with a redirect": () => new Response(null, { status: 307 }),
  "is answered with no body": () => new Response(null),
  "is answered with garbage": () => new Response(new Uint8Array([0xc1, 0xff])),
  "is answered with half a body": () =>
    new Response(toBytes({ version: 3, messages: [message("2", "1")] }).subarray(0, 20)),
  "is answered with a body of another kind": () => new Response(toBytes({ type: "uninitialised" })),
  "is answered in a version that is not known": () =>
    new Response(toBytes({ version: 4, messages: [message("2", "1")] })),
  "is refused by one that knows no version of ours": () =>
    new UnknownVersion("peer", 3, [4, 5]).toResponse(),
  "is refused in the version that it says it knows": () =>
    new UnknownVersion("peer", 3, [1, 2, 3]).toResponse(),
  "is answered with nothing at all": () => new Response(toBytes(null)),
  "is answered with a body that breaks off": () =>
    new Response(
      new ReadableStream({ pull: (controller) => controller.error(new Error("broken pipe")) }),
    ),
};

describe.each(Object.entries(losses))("A call that %s", (_, answer) => {
  test("counts as a lost message: the peer is reported once, later, and nothing is handed over", async () => {
    const bench = new Bench(answer);
    bench.peers.send("2", [message("1", "2")]);
    expect(bench.unreachable, "never from within send").toEqual([]);
    await eventually("a report", () => bench.unreachable.length > 0);
    expect(bench.unreachable).toEqual(["2"]);
    expect(bench.answers).toEqual([]);
  });

  test("gives its place back", async () => {
    const bench = new Bench(answer, { maxCalls: 1 });
    for (let sent = 1; sent <= 3; sent++) {
      bench.peers.send("2", []);
      await eventually("a report", () => bench.unreachable.length === sent);
    }
    expect(bench.calls).toHaveLength(3);
  });
});

describe("A call that nobody answers", () => {
  test("is given up after the timeout, and cancelled", async () => {
    const bench = new Bench(hang, { timeoutMs: 5 });
    bench.peers.send("2", []);
    await eventually("a report", () => bench.unreachable.length > 0);
    expect(bench.calls[0]!.call.signal!.aborted).toBe(true);
  });

  test("whose head has come but whose body does not, as well", async () => {
    const body = (signal: AbortSignal) =>
      new ReadableStream({
        start: (controller) =>
          signal.addEventListener("abort", () => controller.error(signal.reason)),
      });
    const bench = new Bench((_to, { signal }) => new Response(body(signal!)), { timeoutMs: 5 });
    bench.peers.send("2", []);
    await eventually("a report", () => bench.unreachable.length > 0);
  });

  test("takes one of a few places; past them nothing is sent and the peer is reported", async () => {
    const bench = new Bench(hang, { maxCalls: 2 });
    for (let sent = 0; sent < 4; sent++) bench.peers.send("2", [message("1", "2")]);
    expect(bench.calls).toHaveLength(2);
    expect(bench.unreachable, "never from within send").toEqual([]);
    await eventually("two reports", () => bench.unreachable.length === 2);
    expect(bench.unreachable).toEqual(["2", "2"]);
  });

  test("that finds no place is not reported when it was but a sign of life", async () => {
    const bench = new Bench(hang, { maxCalls: 1 });
    const prev = { term: asTerm(0), index: asIndex(0) };
    const heartbeat: Message = {
      type: "appendEntriesRequest",
      from: "1",
      to: "2",
      term: asTerm(7),
      prev,
      entries: [],
      leaderCommit: asIndex(0),
      round: 3,
    };
    bench.peers.send("2", [heartbeat]);
    bench.peers.send("2", [heartbeat]);
    bench.peers.send("2", [message("1", "2")]);
    await eventually("a report", () => bench.unreachable.length > 0);
    expect(bench.unreachable).toEqual(["2"]);
    expect(bench.calls).toHaveLength(1);
  });

  test("takes no place from another peer", () => {
    const bench = new Bench(hang, { maxCalls: 1 });
    for (const to of ["2", "2", "3"]) bench.peers.send(to, []);
    expect(bench.calls.map(({ to }) => to)).toEqual(["2", "3"]);
  });
});

test("Answers are handed over as they come, not in the order of the calls", async () => {
  const waiting: ((response: Response) => void)[] = [];
  const bench = new Bench(() => new Promise((resolve) => waiting.push(resolve)));
  bench.peers.send("2", []);
  bench.peers.send("2", []);
  waiting[1]!(answerOf([message("2", "1", false)]));
  await eventually("the second answer", () => bench.answers.length === 1);
  waiting[0]!(answerOf([message("2", "1", true)]));
  await eventually("the first answer", () => bench.answers.length === 2);
  expect(bench.answers.flat().map((m) => "granted" in m && m.granted)).toEqual([false, true]);
});

test("A call that is told of a newer epoch passes that on, and counts as lost", async () => {
  const outdated: Outdated = { epoch: 2, members: members.slice(0, 1) };
  const bench = new Bench(() => new Response(toBytes(outdated), { status: 410 }));
  bench.peers.send("2", [message("1", "2")]);
  await vi.waitFor(() => expect(bench.unreachable).toEqual(["2"]));
  expect(bench.outdated).toEqual([outdated]);
});

/** A peer that can be upgraded, and answers each call with a vote. */
class Peer {
  isOld = true;
  /** The versions it was called in. */
  readonly versions: number[] = [];
  readonly got: Message[] = [];

  answer(_to: string, { body }: ReplicaCall): Response {
    const { version, messages } = fromBytes<PeerRequest>(body as Uint8Array);
    this.versions.push(version);
    if (this.isOld && version !== 1) {
      return new Response(`unknown peer version ${version}`, { status: 400 });
    }
    this.got.push(...messages);
    return new Response(toBytes({ version, messages: [message("2", "1")] }));
  }
}

describe("A peer that knows only version 1", () => {
  const told: Message = {
    type: "timeoutNowRequest",
    from: "1",
    to: "2",
    term: asTerm(7),
    last: { term: asTerm(7), index: asIndex(9) },
  };

  /** Sends something, and waits for what comes of it. */
  async function send(bench: Bench, sent: Message = told): Promise<void> {
    const before = bench.answers.length + bench.unreachable.length;
    bench.peers.send("2", [sent]);
    await eventually("an end", () => bench.answers.length + bench.unreachable.length > before);
  }

  const meet = (): { peer: Peer; bench: Bench } => {
    const peer = new Peer();
    return { peer, bench: new Bench((to, call) => peer.answer(to, call)) };
  };

  test("refuses the newest once, and is then spoken to in its own, without a loss", async () => {
    const { peer, bench } = meet();
    for (let i = 0; i < 3; i++) await send(bench);
    expect(peer.versions).toEqual([3, 1, 1, 1]);
    const { last: _, ...asOfThen } = told as Message & { last: unknown };
    expect(peer.got).toEqual([asOfThen, asOfThen, asOfThen]);
    expect(bench.answers).toHaveLength(3);
    expect(bench.unreachable).toEqual([]);
    expect(bench.warnings).toEqual([]);
  });

  test("is tried again after some seconds, with one call, and once it is upgraded that is seen", async () => {
    const { peer, bench } = meet();
    await send(bench);
    bench.nowMs = 9_999;
    await send(bench);
    bench.nowMs = 10_000;
    // Both leave before either is answered.
    await Promise.all([send(bench), send(bench)]);
    expect(peer.versions).toEqual([3, 1, 1, 3, 1, 1]);
    peer.isOld = false;
    bench.nowMs = 20_000;
    await send(bench);
    await send(bench);
    expect(peer.versions.slice(6)).toEqual([3, 3]);
    expect(peer.got.at(-1)).toEqual(told);
  });

  test("is spoken to in the newest as soon as it calls in that itself, but not for an older one", async () => {
    const { peer, bench } = meet();
    await send(bench);
    peer.isOld = false;
    const call = { namespace: "ns", from: "2", to: "1", members, messages: [] };
    for (const version of [1, 2, 3] as const) {
      bench.peers.readCall({ ...call, version });
      await send(bench);
    }
    expect(peer.versions).toEqual([3, 1, 1, 1, 3]);
  });

  test("is out of reach for what version 1 cannot say, and that is told once until it is upgraded", async () => {
    const { peer, bench } = meet();
    const entry = {
      type: "configuration",
      term: asTerm(7),
      index: asIndex(1),
      data: new Uint8Array(0),
    };
    const unsaid = {
      type: "appendEntriesRequest",
      from: "1",
      to: "2",
      term: asTerm(7),
      prev: { term: asTerm(0), index: asIndex(0) },
      entries: [entry],
      leaderCommit: asIndex(0),
      round: 0,
    } as unknown as Message;
    await send(bench, unsaid);
    await send(bench, unsaid);
    expect(peer.got).toEqual([]);
    expect(bench.unreachable).toEqual(["2", "2"]);
    expect(bench.warnings).toEqual([
      "replica 2 runs older code: peer version 1 has no words for what it is to be told, so it stays behind until its code is as new as this",
    ]);
    // What can be said still is.
    await send(bench);
    expect(peer.got).toHaveLength(1);
    const call = { namespace: "ns", from: "2", to: "1", members, messages: [] };
    const answer = bench.peers.answerTo({ ...call, version: 1 }, [unsaid, message("1", "2")]);
    expect(answer).toEqual({ version: 1, messages: [message("1", "2")] });
    expect(bench.unreachable).toHaveLength(3);
    peer.isOld = false;
    bench.nowMs = 10_000;
    await send(bench, unsaid);
    expect(peer.got.at(-1)).toEqual(unsaid);
    expect(bench.warnings).toHaveLength(1);
  });

  test("is out of reach for a group that was rebuilt, of which version 1 knows nothing", async () => {
    const { peer, bench } = meet();
    for (const epoch of [1, 2]) {
      bench.more = { epoch };
      await send(bench);
    }
    expect(peer.got).toHaveLength(1);
    expect(bench.unreachable).toEqual(["2"]);
  });

  test("is known as such for as long as it says so, until it is upgraded or gone", async () => {
    const { peer, bench } = meet();
    expect(bench.peers.olderThan(2)).toEqual([]);
    await send(bench);
    expect(bench.peers.olderThan(2)).toEqual(["2"]);
    bench.nowMs = 20_000;
    await send(bench);
    expect(bench.peers.olderThan(2)).toEqual(["2"]);
    bench.nowMs = 40_001;
    expect(bench.peers.olderThan(2)).toEqual([]);
    await send(bench);
    expect(bench.peers.olderThan(2)).toEqual(["2"]);
    peer.isOld = false;
    bench.nowMs = 60_000;
    await send(bench);
    expect(bench.peers.olderThan(2)).toEqual([]);
  });

  test("is answered in version 1, and others in theirs", () => {
    const { bench } = meet();
    const call = { namespace: "ns", from: "2", to: "1", members, messages: [] };
    for (const version of [1, 2, 3] as const) {
      const answer = bench.peers.answerTo({ ...call, version }, [message("1", "2")]);
      expect(answer).toEqual({ version, messages: [message("1", "2")] });
    }
  });
});

test("A peer that knows no version of ours is complained of once, by what both know", async () => {
  const bench = new Bench(() => new UnknownVersion("peer", 3, [4, 5]).toResponse());
  for (let sent = 1; sent <= 2; sent++) {
    bench.peers.send("2", []);
    await eventually("a report", () => bench.unreachable.length === sent);
  }
  expect(bench.warnings).toEqual(["replica 2 knows peer versions 4, 5, and this one 1, 2, 3"]);
});

test("An answer in a version that is not known is complained of once, by name", async () => {
  const bench = new Bench(() => new Response(toBytes({ version: 4, messages: [] })));
  for (let sent = 1; sent <= 2; sent++) {
    bench.peers.send("2", []);
    await eventually("a report", () => bench.unreachable.length === sent);
  }
  expect(bench.warnings).toEqual([
    "replica 2 answered in an unknown peer version 4; this code knows 1, 2, 3",
  ]);
});
