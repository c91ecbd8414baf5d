import {
  type ChangeRequest,
  type ClientBatch,
  type RebuildRequest,
  type RetireRequest,
  type TransferRequest,
  clientProtocolVersion,
} from "../protocol/client.ts";
import { MalformedBody } from "../protocol/codec.ts";
import { maxValueBytes } from "../protocol/limits.ts";
import { type PeerRequest, peerVersions } from "../protocol/peer.ts";
import { checkVersion } from "../protocol/version.ts";
import { checkChunk } from "./snapshot-chunk.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * A body from an edge. Every field of a write is looked at, since a command that no replica can
 * apply would, once committed, stop each replica of the group at each start, for ever.
 */
export function asClientBatch(body: unknown): ClientBatch {
  const { version, requests } = asFields(body);
  checkVersion("client", version, [clientProtocolVersion]);
  require(Array.isArray(requests), "requests must be a list");
  for (const request of requests as unknown[]) checkRequest(asFields(request));
  return body as ClientBatch;
}

/** A body from an edge that wants another replica to lead. */
export function asTransferRequest(body: unknown): TransferRequest {
  const { version, to } = asFields(body);
  checkVersion("client", version, [clientProtocolVersion]);
  require(isText(to), "to must be a text");
  return body as TransferRequest;
}

/** A body from an edge that wants others to belong to the group. */
export function asChangeRequest(body: unknown): ChangeRequest {
  const { version, change } = asFields(body);
  checkVersion("client", version, [clientProtocolVersion]);
  const { type, id, region, replaces } = asFields(change);
  require(type === "add" || type === "remove", `unknown change ${String(type)}`);
  require(type === "add" ? isText(region) : isText(id), "no region or id");
  require(type === "remove" || replaces === null || isText(replaces), "replaces must be an id");
  return body as ChangeRequest;
}

/** A body from an edge whose operator gives the other replicas up. */
export function asRebuildRequest(body: unknown): RebuildRequest {
  const { version, epoch } = asFields(body);
  checkVersion("client", version, [clientProtocolVersion]);
  require(Number.isSafeInteger(epoch) && Number(epoch) >= 1, "epoch must be 1 or more");
  return body as RebuildRequest;
}

/** A body from an edge that tells a replica that its group was rebuilt without it. */
export function asRetireRequest(body: unknown): RetireRequest {
  const { version, epoch, members } = asFields(body);
  checkVersion("client", version, [clientProtocolVersion]);
  require(Number.isSafeInteger(epoch), "epoch must be a whole number");
  require(Array.isArray(members), "members must be a list");
  for (const member of members as unknown[])
    require(isText(asFields(member)["id"]), "no member id");
  return body as RetireRequest;
}

/**
 * A body from another replica, which runs this project's code: only its envelope is looked at, and what
 * has a version of its own.
 */
export function asPeerRequest(body: unknown): PeerRequest {
  const { version, namespace, from, to, members, messages } = asFields(body);
  checkVersion("peer", version, peerVersions);
  require([namespace, from, to].every(isText), "namespace, from and to must be texts");
  require(Array.isArray(members) && Array.isArray(messages), "members and messages must be lists");
  for (const member of members as unknown[])
    require(isText(asFields(member)["id"]), "no member id");
  for (const message of messages as unknown[]) {
    const { type, data } = asFields(message);
    if (type !== "installSnapshotRequest") continue;
    require(data instanceof Uint8Array, "a chunk must be bytes");
    checkChunk(data as Uint8Array);
  }
  return body as PeerRequest;
}

function checkRequest({ type, key, requestId, floor, value, contentType }: Fields): void {
  require(isText(key), "key must be a text");
  if (type === "get") return;
  require(type === "put" || type === "delete", `unknown request type ${String(type)}`);
  require(isText(requestId), "requestId must be a text");
  require(Number.isSafeInteger(floor), "floor must be a whole number");
  if (type === "delete") return;
  require(value instanceof Uint8Array && value.byteLength <= maxValueBytes, "no such value");
  require(contentType === null || isText(contentType), "contentType must be a text or null");
}

function asFields(body: unknown): Fields {
  require(typeof body === "object" && body !== null && !Array.isArray(body), "not a map of fields");
  return body as Fields;
}

const isText = (value: unknown): boolean => typeof value === "string";

function require(ok: boolean, why: string): void {
  if (!ok) throw new MalformedBody(why);
}
