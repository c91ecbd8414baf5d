import { describe, expect, test, vi } from "vitest";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import type { PeerRequest } from "../../src/protocol/peer.ts";
import type { ReplicaCall } from "../../src/protocol/replica-call.ts";
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
  new Response(toBytes({ version: 1, messages }));

/** Peers whose calls the test answers. */
class Bench {
  readonly calls: { readonly to: string; readonly call: ReplicaCall }[] = [];
  readonly answers: Message[][] = [];
  readonly unreachable: string[] = [];
  readonly outdated: Outdated[] = [];
  readonly peers: FetchPeers;

  constructor(
    answer: (to: string, call: ReplicaCall) => Promise<Response> | Response,
    { timeoutMs = 60_000, maxCalls = 4 } = {},
  ) {
    this.peers = new FetchPeers({
      from: () => ({ namespace: "ns", from: "1", members }),
      onOutdated: (outdated) => this.outdated.push(outdated),
      call: (to, call) => {
        this.calls.push({ to, call });
        return answer(to, call) as Promise<Response>;
      },
      timeoutMs,
      maxCalls,
      onAnswer: (messages) => this.answers.push([...messages]),
      onUnreachable: (node) => this.unreachable.push(node),
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
      version: 1,
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
    new Response(toBytes({ version: 1, messages: [message("2", "1")] }), { status: 409 }),
  "is answered with a redirect": () => new Response(null, { status: 307 }),
  "is answered with no body": () => new Response(null),
  "is answered with garbage": () => new Response(new Uint8Array([0xc1, 0xff])),
  "is answered with half a body": () =>
    new Response(toBytes({ version: 1, messages: [message("2", "1")] }).subarray(0, 20)),
  "is answered with a body of another kind": () => new Response(toBytes({ type: "uninitialised" })),
  "is answered in a version that is not known": () =>
    new Response(toBytes({ version: 2, messages: [message("2", "1")] })),
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
