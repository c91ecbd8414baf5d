import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Command, DeleteCommand, PutCommand } from "../../src/kv/command.ts";
import type { Recorded as Kept } from "../../src/kv/record.ts";
import type { DirectResult } from "../../src/kv/result.ts";
import { initialState } from "../../src/kv/state-machine.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { type PeerResponse, type PeerVersion, peerVersions } from "../../src/protocol/peer.ts";
import { UnknownVersion, checkVersion, versionsKnown } from "../../src/protocol/version.ts";
import { type Configuration, founding } from "../../src/raft/membership.ts";
import type { Message } from "../../src/raft/messages.ts";
import { asPeerRequest } from "../../src/replica/check-body.ts";
import { packRecord } from "../../src/replica/packed-record.ts";
import { readIn, sayIn } from "../../src/replica/peer-version.ts";
import {
  type SnapshotChunk,
  emptyChunk,
  packChunk,
  unpackChunk,
} from "../../src/replica/snapshot-chunk.ts";
import { members, peerSamples } from "../fixtures/peer-samples.ts";
import { type Recorded, type Recording, fromHex, toHex, unwritten } from "../fixtures/recording.ts";
import { bare } from "../support/row.ts";

const read = (version: PeerVersion): Recording =>
  JSON.parse(
    readFileSync(join(import.meta.dirname, `../fixtures/peer-version-${version}.json`), "utf8"),
  ) as Recording;

const recordings = ([1, 2] as const).map((version) => ({ version, recording: read(version) }));
const types = Object.keys(peerSamples) as Message["type"][];
const samples = Object.values(peerSamples).flat();

const messagesOf = ({ messages }: Recorded): Message[] => messages.map(unwritten);
const recorded = (list: readonly Recorded[]): Message[] => list.flatMap(messagesOf);

/** Messages of a version with what goes without saying there. */
const inFull = (version: PeerVersion, message: Message): Message =>
  version === 1 && message.type === "installSnapshotRequest"
    ? { ...message, configuration: founding(members) }
    : message;

describe.each(recordings)("What version $version wrote", ({ version, recording }) => {
  test("has messages of every type, in requests and in responses", () => {
    expect(recording.version).toBe(version);
    for (const list of [recording.requests, recording.responses]) {
      expect([...new Set(recorded(list).map(({ type }) => type))]).toEqual(types);
    }
  });

  test.each(recording.requests)("is read as the same requests, $#", (each) => {
    const { messages, ...envelope } = asPeerRequest(fromBytes(fromHex(each.body)));
    expect(envelope).toEqual({ version, namespace: "shop", from: "1", to: "2", members });
    expect(messages).toEqual(messagesOf(each));
    expect(messages.map((message) => readIn(version, message, members))).toEqual(
      messagesOf(each).map((message) => inFull(version, message)),
    );
  });

  test.each(recording.responses)("is read as the same responses, $#", (each) => {
    const { version: said, messages } = fromBytes<PeerResponse>(fromHex(each.body));
    expect(said).toBe(version);
    expect(messages.map((message) => readIn(version, message, members))).toEqual(
      messagesOf(each).map((message) => inFull(version, message)),
    );
  });

  test("has chunks of a snapshot that are read", () => {
    const chunks = recorded(recording.requests).flatMap((message) =>
      message.type === "installSnapshotRequest" ? [unpackChunk(message.data)] : [],
    );
    expect(chunks).toMatchObject([
      { state: { revision: 7, hash: "ecd021510759e556" }, turns: [{}], rows: [] },
      { state: null, turns: [], rows: [["a/ä/€", { version: 2 }]] },
    ]);
  });

  test.each(Object.values(peerSamples).map((messages, i) => ({ i, messages })))(
    "is what is said today to who speaks it, byte for byte, $i",
    ({ i, messages }) => {
      const said = messages.map((message) => sayIn(version, message, members));
      const request = { version, namespace: "shop", from: "1", to: "2", members, messages: said };
      expect(toHex(toBytes(request))).toBe(recording.requests[i]!.body);
      expect(toHex(toBytes({ version, messages: said }))).toBe(recording.responses[i]!.body);
    },
  );
});

describe("What is said in version 1", () => {
  test("leaves out what came later", () => {
    const more = Object.assign({ later: 1 }, peerSamples.requestVoteResponse[0]!);
    expect(sayIn(1, more, members)).toEqual(peerSamples.requestVoteResponse[0]);
    expect(readIn(1, more, members)).toEqual(peerSamples.requestVoteResponse[0]);
  });

  test.each(["configuration", "later"])("has no word for entries of the type %s", (type) => {
    const [message] = peerSamples.appendEntriesRequest;
    if (message?.type !== "appendEntriesRequest") throw new Error("it has another type");
    const { entries } = message;
    const later = { ...entries[0]!, type } as unknown as (typeof entries)[0];
    expect(sayIn(1, { ...message, entries: [...entries, later] }, members)).toBeNull();
    expect(sayIn(2, { ...message, entries: [later] }, members)).not.toBeNull();
  });

  const four = [...members, { id: "4", region: "local" }];
  test.each<[string, Partial<Configuration>]>([
    ["that somebody has joined", { voters: four, nextId: 5 }],
    ["that somebody has left", { voters: members.slice(1) }],
    ["that somebody came and went", { nextId: 5 }],
    ["that voters change", { outgoing: four }],
    ["that it was rebuilt", { epoch: 2 }],
    ["that somebody learns", { learners: [{ id: "4", region: "local", replaces: null }] }],
  ])("has no word for a snapshot of a group of which it would have to say %s", (_, change) => {
    const [message] = peerSamples.installSnapshotRequest;
    if (message?.type !== "installSnapshotRequest") throw new Error("it has another type");
    const configuration = { ...founding(members), ...change };
    expect(sayIn(1, { ...message, configuration }, members)).toBeNull();
    expect(sayIn(2, { ...message, configuration }, members)).not.toBeNull();
  });
});

/** A chunk of a snapshot with no more in it than this. */
function chunkWith(parts: Partial<SnapshotChunk>): Message {
  const [message] = peerSamples.installSnapshotRequest;
  if (message?.type !== "installSnapshotRequest") throw new Error("it has another type");
  return { ...message, data: packChunk({ ...emptyChunk, ...parts }) };
}

/** An entry with these commands. */
function entryWith(...commands: Command[]): Message {
  const [message] = peerSamples.appendEntriesRequest;
  if (message?.type !== "appendEntriesRequest") throw new Error("it has another type");
  const entry = { ...message.entries[1]!, data: toBytes(commands) };
  return { ...message, entries: [message.entries[0]!, entry] };
}

describe("What is said in version 2", () => {
  test("is what is said today, but for chunks", () => {
    for (const message of samples) {
      const said = sayIn(2, message, members)!;
      if (message.type !== "installSnapshotRequest") expect(said).toBe(message);
      else expect(said).toEqual({ ...message, data: expect.any(Uint8Array) });
      expect(readIn(2, said, members)).toBe(said);
    }
  });

  const named = { requestId: "r", floor: 0 };
  const put: PutCommand = {
    ...named,
    type: "put",
    key: "k",
    value: Uint8Array.of(1),
    contentType: null,
  };
  const drop: DeleteCommand = { ...named, type: "delete", key: "k" };
  const condition = { type: "exists" } as const;
  const idempotency = { name: "n", fingerprint: "f" };
  const range = { from: "a", to: null };

  test("has words for puts and deletes of keys", () => {
    const message = entryWith(put, drop, { ...put, contentType: "a/b" });
    expect(sayIn(2, message, members)).toBe(message);
    expect(sayIn(1, message, members)).toEqual(message);
  });

  test.each<[string, Command]>([
    ["a put on a condition", { ...put, condition }],
    ["a put with metadata", { ...put, metadata: "{}" }],
    ["a put that is to go", { ...put, expiry: { type: "ttl", ttlMs: 1000 } }],
    ["a put that its client has named", { ...put, idempotency }],
    ["a delete on a condition", { ...drop, condition }],
    ["a delete that its client has named", { ...drop, idempotency }],
    ["a delete of a range", { ...named, type: "deleteRange", range, limit: 1 }],
    ["a transaction", { ...named, type: "transaction", if: [], then: [], else: [] }],
    ["a put of a large value", { ...put, large: { upload: "u", size: 1 } }],
    ["a part of one", { ...named, type: "stage", upload: "u", part: 0, data: Uint8Array.of(1) }],
    ["a lock", { ...put, type: "lock", ttlMs: 1000 }],
    ["a state that is restored", { ...named, type: "restore" }],
    ["a grant", { ...named, type: "grant", ttlMs: 1000 }],
    ["a lease that is kept alive", { ...named, type: "keepAlive", lease: "1" }],
    ["a lease that is revoked", { ...named, type: "revoke", lease: "1" }],
    ["what time it is", { type: "tick", nowMs: 1 }],
    ["an advance of revisions", { type: "advance", revision: 1 }],
  ])("has none for %s, wherever in an entry", (_, command) => {
    for (const message of [entryWith(command), entryWith(put, command), entryWith(command, put)]) {
      expect([1, 2].map((version) => sayIn(version as 1 | 2, message, members))).toEqual([
        null,
        null,
      ]);
      expect(sayIn(3, message, members)).toBe(message);
    }
  });

  const counters = { appliedIndex: 9, revision: 1, sequence: 1, hash: "ab" };
  const state = { ...initialState, ...counters };
  const plainRow = {
    value: Uint8Array.of(1),
    contentType: null,
    createRevision: 1,
    modRevision: 1,
    version: 1,
  };
  const row = { ...plainRow, ...bare };
  const result: DirectResult = { type: "revoked", deleted: 1, revision: 1 };
  const outcome = { ...idempotency, ordinal: 1, bytesBefore: 0, bytes: 9, expiresMs: 1, result };
  const records = (...all: Kept[]): Uint8Array =>
    toBytes(all.map((each) => packRecord({ requestId: "r", sequence: 1, result: each })));

  test("has words for states that nothing else has touched", () => {
    const plain = records(
      { type: "put", created: true, revision: 1 },
      { type: "deleted", deleted: false, revision: 1 },
    );
    // What a turn changed is left out: nobody watches there.
    const changed = [{ revision: 1, index: 9, place: 0, succeeded: false, keys: [] }];
    const turns = [{ state, records: plain, changes: toBytes(changed) }];
    const message = chunkWith({ state, turns, rows: [["k", row]] });
    const said = sayIn(2, message, members);
    if (said?.type !== "installSnapshotRequest") throw new Error("it is not said");
    // Its fields are those of then, in their order.
    expect(said.data).toEqual(
      toBytes({
        format: 1,
        state: counters,
        turns: [{ state: counters, records: plain }],
        rows: [["k", plainRow]],
      }),
    );
  });

  test.each<[string, Partial<SnapshotChunk>]>([
    [
      "a row with metadata",
      {
        rows: [
          ["j", row],
          ["k", { ...row, metadata: "{}" }],
        ],
      },
    ],
    [
      "a row that goes at some time",
      {
        rows: [
          ["k", { ...row, expiresMs: 1 }],
          ["l", row],
        ],
      },
    ],
    ["a row of a large value", { rows: [["k", { ...row, large: { upload: "u", size: 1 } }]] }],
    ["an upload", { uploads: [["u", { state: "staging", parts: 1, bytes: 1, dueMs: 1 }]] }],
    ["a part of an upload", { parts: [{ upload: "u", part: 0, data: Uint8Array.of(1) }] }],
    ["a row that goes with a lease", { rows: [["k", { ...row, lease: "1" }]] }],
    ["a lease", { leases: [["1", { ttlMs: 1, expiresMs: 1 }]] }],
    ["a row of before", { history: [{ key: "k", row, untilRevision: 2, untilMs: 1 }] }],
    [
      "a state that keeps such",
      { state: { ...state, retention: { keepMs: 1, since: 1, gone: 1 } } },
    ],
    ["an outcome", { outcomes: [outcome] }],
    ["a state that knows the time", { state: { ...state, nowMs: 1 } }],
    [
      "a turn that knows the time",
      { turns: [{ state: { ...state, nowMs: 1 }, records: records(), changes: null }] },
    ],
    ["a record of another result", { turns: [{ state, records: records(result), changes: null }] }],
  ])("has none for %s", (_, parts) => {
    const message = chunkWith(parts);
    expect([1, 2].map((version) => sayIn(version as 1 | 2, message, members))).toEqual([
      null,
      null,
    ]);
    expect(sayIn(3, message, members)).toBe(message);
  });
});

test("Version 1 has no word for a state whose hash is of a later formula", () => {
  const [message] = peerSamples.installSnapshotRequest;
  if (message?.type !== "installSnapshotRequest") throw new Error("it has another type");
  const { state, ...rest } = unpackChunk(message.data);
  const later = { ...state!, hash: `2.${state!.hash}` };
  expect(sayIn(1, { ...message, data: packChunk({ ...rest, state: later }) }, members)).toBeNull();
});

test("Version 3 says and reads everything as it is", () => {
  for (const message of samples) {
    expect(sayIn(3, message, members)).toBe(message);
    expect(readIn(3, message, members)).toBe(message);
  }
});

describe("A version that is not known", () => {
  const refusal = (version: unknown): UnknownVersion => {
    try {
      checkVersion("peer", version, peerVersions);
    } catch (error) {
      if (error instanceof UnknownVersion) return error;
    }
    throw new Error(`version ${String(version)} is let through`);
  };

  test.each([0, 4, "1", null, undefined, [1]])(
    "%j is refused by name, with those that are",
    (v) => {
      expect(refusal(v).message).toBe(`unknown peer version ${String(v)}; this code knows 1, 2, 3`);
    },
  );

  test("is refused in words that the other side's code understands", async () => {
    const response = refusal(4).toResponse();
    const text = await response.text();
    expect(versionsKnown("peer", response.status, text)).toEqual([1, 2, 3]);
    expect(versionsKnown("client", response.status, text)).toBeNull();
    expect(JSON.parse(text)).toEqual({
      code: "unknown_version",
      protocol: "peer",
      version: "4",
      known: [1, 2, 3],
      detail: "unknown peer version 4; this code knows 1, 2, 3",
    });
  });

  test("was refused in fewer words by version 1", () => {
    expect(versionsKnown("peer", 400, "unknown peer version 2")).toEqual([1]);
  });

  test.each([
    [400, "not a MessagePack body"],
    [400, "null"],
    [400, '{"code":"other","known":[1]}'],
    [409, "unknown peer version 2"],
    [200, "unknown peer version 2"],
  ])("is not what %i %s means", (status, text) => {
    expect(versionsKnown("peer", status, text)).toBeNull();
  });
});
