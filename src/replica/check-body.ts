import {
  type ChangeRequest,
  type ClientBatch,
  type RebuildRequest,
  type RetireRequest,
  type TransferRequest,
  clientProtocolVersion,
  clientVersions,
} from "../protocol/client.ts";
import { type PeerRequest, peerVersions } from "../protocol/peer.ts";
import { checkVersion } from "../protocol/version.ts";
import { type WatchRequest, watchVersion } from "../protocol/watch.ts";
import { maxWatchWaitMs } from "../protocol/limits.ts";
import { checkRange, checkRequest } from "./check-request.ts";
import { asFields, asList, isCount, isText, require } from "./fields.ts";
import { checkChunk } from "./snapshot-chunk.ts";

/** A body from an edge with requests of clients. */
export function asClientBatch(body: unknown): ClientBatch {
  const { version, requests } = asFields(body);
  checkVersion("client", version, clientVersions);
  for (const request of asList(requests, "requests")) checkRequest(asFields(request));
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
  require(isCount(epoch, 1), "epoch must be 1 or more");
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

/** A body from an edge that wants to be told what changes. */
export function asWatchRequest(body: unknown): WatchRequest {
  const { version, range, after, waitMs } = asFields(body);
  checkVersion("client", version, [watchVersion]);
  checkRange(range);
  require(after === null || isCount(after), "after must be a revision or null");
  require(waitMs === null ||
    (isCount(waitMs) && Number(waitMs) <= maxWatchWaitMs), "no such waitMs");
  return body as WatchRequest;
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
