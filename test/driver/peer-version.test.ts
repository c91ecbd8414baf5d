import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromBytes } from "../../src/protocol/codec.ts";
import { type PeerResponse, peerVersions } from "../../src/protocol/peer.ts";
import { UnknownVersion, checkVersion, versionsKnown } from "../../src/protocol/version.ts";
import { type Configuration, founding } from "../../src/raft/membership.ts";
import type { Message } from "../../src/raft/messages.ts";
import { asPeerRequest } from "../../src/replica/check-body.ts";
import { readIn, sayIn } from "../../src/replica/peer-version.ts";
import { packChunk, unpackChunk } from "../../src/replica/snapshot-chunk.ts";
import { members, peerSamples } from "../fixtures/peer-samples.ts";
import { type Recorded, type Recording, fromHex, unwritten } from "../fixtures/recording.ts";

const recording = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/peer-version-1.json"), "utf8"),
) as Recording;
const types = Object.keys(peerSamples) as Message["type"][];
const samples = Object.values(peerSamples).flat();

const messagesOf = ({ messages }: Recorded): Message[] => messages.map(unwritten);
const recorded = (list: readonly Recorded[]): Message[] => list.flatMap(messagesOf);

/** Messages of version 1 with what goes without saying there. */
const inFull = (message: Message): Message =>
  message.type === "installSnapshotRequest"
    ? { ...message, configuration: founding(members) }
    : message;

describe("What version 1 wrote", () => {
  test("has messages of every type, in requests and in responses", () => {
    expect(recording.version).toBe(1);
    for (const list of [recording.requests, recording.responses]) {
      expect([...new Set(recorded(list).map(({ type }) => type))]).toEqual(types);
    }
  });

  test.each(recording.requests)("is read as the same requests, $#", (each) => {
    const request = asPeerRequest(fromBytes(fromHex(each.body)));
    const { version, namespace, from, to, messages } = request;
    expect({ version, namespace, from, to }).toEqual({
      version: 1,
      namespace: "shop",
      from: "1",
      to: "2",
    });
    expect(request.members).toEqual(members);
    expect(messages).toEqual(messagesOf(each));
    expect(messages.map((message) => readIn(1, message, members))).toEqual(
      messagesOf(each).map(inFull),
    );
  });

  test.each(recording.responses)("is read as the same responses, $#", (each) => {
    const { version, messages } = fromBytes<PeerResponse>(fromHex(each.body));
    expect(version).toBe(1);
    expect(messages.map((message) => readIn(1, message, members))).toEqual(
      messagesOf(each).map(inFull),
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
});

describe("What is said in version 1", () => {
  test("is what version 1 said, field by field and in its order", () => {
    const said = samples.map((message) => sayIn(1, message, members));
    expect(said).toEqual(recorded(recording.requests));
    expect(said.map((message) => Object.keys(message!))).toEqual(
      recorded(recording.requests).map((message) => Object.keys(message)),
    );
  });

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

test("Version 1 has no word for a state whose hash is of a later formula", () => {
  const [message] = peerSamples.installSnapshotRequest;
  if (message?.type !== "installSnapshotRequest") throw new Error("it has another type");
  const { state, ...rest } = unpackChunk(message.data);
  const later = { ...state!, hash: `2.${state!.hash}` };
  expect(sayIn(1, { ...message, data: packChunk({ ...rest, state: later }) }, members)).toBeNull();
});

test("Version 2 says and reads everything as it is", () => {
  for (const message of samples) {
    expect(sayIn(2, message, members)).toBe(message);
    expect(readIn(2, message, members)).toBe(message);
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

  test.each([0, 3, "1", null, undefined, [1]])(
    "%j is refused by name, with those that are",
    (v) => {
      expect(refusal(v).message).toBe(`unknown peer version ${String(v)}; this code knows 1, 2`);
    },
  );

  test("is refused in words that the other side's code understands", async () => {
    const response = refusal(3).toResponse();
    const text = await response.text();
    expect(versionsKnown("peer", response.status, text)).toEqual([1, 2]);
    expect(versionsKnown("client", response.status, text)).toBeNull();
    expect(JSON.parse(text)).toEqual({
      code: "unknown_version",
      protocol: "peer",
      version: "3",
      known: [1, 2],
      detail: "unknown peer version 3; this code knows 1, 2",
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
