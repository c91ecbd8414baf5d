import type { Message } from "../raft/messages.ts";
import type { Member } from "./client.ts";

/**
 * What replicas of one group send each other. One call carries messages there, and its answer
 * messages back.
 */

/**
 * The versions that this code speaks, the oldest first. One is added when a body changes so that the
 * other side could not read it or would take it for something else; replicas of both then run side by
 * side, and the newer one speaks the older's (src/replica/peer-version.ts). Requests are answered in
 * their own version.
 */
export const peerVersions = [1, 2, 3] as const;

export type PeerVersion = (typeof peerVersions)[number];

export const newestPeerVersion: PeerVersion = 3;

export interface PeerRequest {
  readonly version: PeerVersion;
  readonly namespace: string;
  readonly from: string;
  readonly to: string;
  /**
   * The founding members. A replica that has no memory of a group joins the one that its first peer
   * tells it of.
   */
  readonly members: readonly Member[];
  /** That of the sender's group. Left out, it is 1. */
  readonly epoch?: number;
  readonly messages: readonly Message[];
}

/** What a peer of an older epoch is told, with status 410: the group was rebuilt without it. */
export interface Outdated {
  readonly epoch: number;
  readonly members: readonly Member[];
}

export interface PeerResponse {
  readonly version: PeerVersion;
  readonly messages: readonly Message[];
}
