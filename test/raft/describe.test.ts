import { describe, expect, test } from "vitest";
import {
  describeEntries,
  describeInput,
  describeMessage,
  describeOutput,
  describePersist,
  describeRaft,
} from "../../src/raft/describe.ts";
import type { Input } from "../../src/raft/io.ts";
import { asIndex, asTerm } from "../../src/raft/types.ts";
import { entries, id, message } from "../support/notation.ts";
import { settledLeader } from "../support/roles.ts";
import { proposal } from "../support/test-replica.ts";
import { nothing } from "../support/persist.ts";
import { foundedBy } from "../support/members.ts";

const messages = [
  "n1->n2 preVoteRequest t3 last 2/7",
  "n1->n2 preVoteResponse t3 granted",
  "n1->n2 preVoteResponse t3 refused",
  "n1->n2 requestVoteRequest t3 last 0/0",
  "n1->n2 requestVoteResponse t3 granted",
  "n1->n2 requestVoteResponse t3 refused",
  "n1->n2 appendEntriesRequest t3 prev 2/7 commit 6",
  "n1->n2 appendEntriesRequest t3 prev 2/7 entries 3/8 commit 6",
  "n1->n2 appendEntriesRequest t3 prev 2/7 entries 3/8..3/9 commit 6 round 4",
  "n1->n2 appendEntriesResponse t3 match 9",
  "n1->n2 appendEntriesResponse t3 match 9 round 4",
  "n1->n2 appendEntriesResponse t3 conflict at 9 hint 2/7",
  "n1->n2 appendEntriesResponse t3 stale round 4",
];

test.each(messages)("the message %s is read and written alike", (text) => {
  expect(describeMessage(message(text))).toBe(text);
});

test.each(["n1->n2 appendEntries t3", "n1->n2 appendEntriesResponse t3 sure", `${messages[0]} x`])(
  "what is no message cannot be read: %s",
  (text) => {
    expect(() => message(text)).toThrow("cannot read");
  },
);

test.each([
  ["none", "none"],
  ["1/2", "1/2"],
  ["1/2..1/5", "1/2..1/5"],
  ["1/2..1/3,2/4", "1/2..2/4"],
])("the entries %s are written as %s", (given, written) => {
  expect(describeEntries(entries(given))).toBe(written);
});

test("a write names what it changes, and only that", () => {
  const hardState = { term: asTerm(2), vote: null };
  expect(describePersist({ ...nothing, batch: 7, hardState })).toBe("persist #7 term 2 vote none");
  expect(
    describePersist({
      ...nothing,
      batch: 8,
      hardState: { term: asTerm(2), vote: "n1" },
      truncateFrom: asIndex(4),
      entries: entries("2/4..2/5"),
    }),
  ).toBe("persist #8 term 2 vote n1, cut 4, append 2/4..2/5");
  const chunk = { place: 2, data: new Uint8Array(0) };
  expect(
    describePersist({
      ...nothing,
      chunk,
      install: { ...id("2/9"), configuration: foundedBy(["n1"]) },
    }),
  ).toBe("persist #1 chunk 2, install 2/9");
  expect(describePersist({ ...nothing, compactTo: id("2/9") })).toBe("persist #1 compact to 2/9");
});

describe("inputs", () => {
  const inputs: [Input, string][] = [
    [{ nowMs: 0, type: "time" }, "time"],
    [{ nowMs: 0, type: "campaign" }, "campaign"],
    [{ nowMs: 0, type: "receive", message: message(messages[0]!) }, `receive ${messages[0]}`],
    [{ nowMs: 0, type: "propose", proposals: [proposal(1), proposal(2)] }, "propose #1 #2"],
    [{ nowMs: 0, type: "read", id: 3 }, "read #3"],
    [{ nowMs: 0, type: "persisted", batch: 4 }, "persisted #4"],
    [{ nowMs: 0, type: "applied", index: asIndex(5), digests: [] }, "applied 5"],
    [{ nowMs: 0, type: "compact", index: asIndex(5), forced: asIndex(0) }, "compact to 5"],
    [{ nowMs: 0, type: "unreachable", node: "n2", lostChunk: false }, "unreachable n2"],
    [{ nowMs: 0, type: "poke" }, "poke"],
  ];

  test.each(inputs)("%j is written as %s", (input, text) => {
    expect(describeInput(input)).toBe(text);
  });
});

test("an output is written in the order in which the host carries it out", () => {
  const lines = describeOutput({
    sendNow: [message(messages[0]!)],
    persist: { ...nothing, entries: entries("1/1") },
    sendAfterPersist: [message(messages[1]!)],
    apply: entries("1/1"),
    done: [{ id: 1, index: asIndex(1) }],
    reads: [{ id: 2, index: asIndex(1) }],
    failed: [
      { id: 3, reason: "not_leader", leader: "n2" },
      { id: 4, reason: "unknown", leader: null },
    ],
    wakeAtMs: 9,
  });
  expect(lines).toEqual([
    `send ${messages[0]}`,
    "persist #1 append 1/1",
    `then send ${messages[1]}`,
    "apply 1/1",
    "done #1 at 1",
    "read #2 at 1",
    "failed #3 not_leader leader n2",
    "failed #4 unknown",
  ]);
});

test("a replica is written with all that it knows", () => {
  const n1 = settledLeader();
  expect(describeRaft(n1.raft)).toBe(
    "n1 leader t1 vote n1 leader n1 log 0/0..1/1 durable 1 commit 1 applied 1 " +
      "n2:replicate match 1 next 2 inflight 0; n3:replicate match 1 next 2 inflight 0",
  );
  n1.crash();
  n1.boot();
  expect(describeRaft(n1.raft)).toBe(
    "n1 follower t1 vote n1 leader none log 0/0..1/1 durable 1 commit 1 applied 1",
  );
});
