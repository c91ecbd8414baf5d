import type { Member } from "../protocol/client.ts";
import type { PeerVersion } from "../protocol/peer.ts";
import { type Configuration, founding } from "../raft/membership.ts";
import type { Message, MessageType } from "../raft/messages.ts";
import { type Command, isPlain } from "../kv/command.ts";
import { formulaOf } from "../kv/running-hash.ts";
import { fromBytes } from "../protocol/codec.ts";
import type { Entry } from "../raft/types.ts";
import { asFormat1, unpackChunk } from "./snapshot-chunk.ts";

/**
 * What replicas of each peer version say, as far as it differs from what the core says today. Version 1 is
 * recorded in test/fixtures; version 2 knows members that change, and version 3 has all there is.
 */

const header = ["type", "from", "to", "term"];

/** The fields that version 1 has. Never changed: there are replicas that read and write just these. */
const fieldsIn1: Readonly<Record<MessageType, readonly string[]>> = {
  preVoteRequest: [...header, "last"],
  preVoteResponse: [...header, "granted"],
  requestVoteRequest: [...header, "last", "isTransfer"],
  requestVoteResponse: [...header, "granted"],
  appendEntriesRequest: [...header, "prev", "entries", "leaderCommit", "round"],
  appendEntriesResponse: [...header, "round", "result"],
  installSnapshotRequest: [...header, "snapshot", "shipment", "chunk", "data", "isLast"],
  installSnapshotResponse: [...header, "shipment", "chunk", "result"],
  timeoutNowRequest: header,
};

/** An entry of another type would be taken for a command, and its data for one that cannot be applied. */
const entryTypesIn1: ReadonlySet<string> = new Set(["noop", "command"]);

/**
 * A message as a peer of this version takes it; null when that has no words for it.
 *
 * @param members those that the group was founded with: in version 1 a group has no others.
 */
export function sayIn(
  version: PeerVersion,
  message: Message,
  members: readonly Member[],
): Message | null {
  if (version === 3) return message;
  const said = asIn2(message);
  if (version === 2 || said === null) return said;
  return canBeSaidIn1(said, members) ? asIn1(said) : null;
}

/** What a peer of this version has said, as the core takes it. */
export function readIn(
  version: PeerVersion,
  message: Message,
  members: readonly Member[],
): Message {
  if (version !== 1) return message;
  const said = asIn1(message);
  if (said.type !== "installSnapshotRequest") return said;
  return { ...said, configuration: founding(members) };
}

/** Code of version 2 knows plain commands alone, and states that nothing else has touched. */
function asIn2(message: Message): Message | null {
  switch (message.type) {
    case "appendEntriesRequest":
      return message.entries.every(hasPlainCommands) ? message : null;
    case "installSnapshotRequest": {
      const data = asFormat1(message.data);
      return data === null ? null : { ...message, data };
    }
    default:
      return message;
  }
}

const hasPlainCommands = ({ type, data }: Entry): boolean =>
  type !== "command" || fromBytes<Command[]>(data).every(isPlain);

function canBeSaidIn1(message: Message, members: readonly Member[]): boolean {
  switch (message.type) {
    case "appendEntriesRequest":
      return message.entries.every(({ type }) => entryTypesIn1.has(type));
    case "installSnapshotRequest":
      return isFounding(message.configuration, members) && isOfFirstFormula(message.data);
    default:
      return true;
  }
}

/** Whether a chunk brings no hash that code of then would take for a broken one, and stop at. */
function isOfFirstFormula(chunk: Uint8Array): boolean {
  const { state } = unpackChunk(chunk);
  return state === null || formulaOf(state.hash) === 1;
}

/** Whether nobody ever came or went, and nobody is about to. */
function isFounding(configuration: Configuration, members: readonly Member[]): boolean {
  const { voters, outgoing, learners, nextId, epoch } = configuration;
  const first = founding(members);
  const ids = (list: readonly Member[]): string => list.map(({ id }) => id).join();
  return (
    ids(voters) === ids(members) &&
    outgoing.length + learners.length === 0 &&
    nextId === first.nextId &&
    epoch === first.epoch
  );
}

/** Nothing but what version 1 has. What is left out must be such that a replica can do without. */
function asIn1(message: Message): Message {
  const fields = fieldsIn1[message.type];
  const own = Object.entries(message).filter(([name]) => fields.includes(name));
  return Object.fromEntries(own) as unknown as Message;
}
