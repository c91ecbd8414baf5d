import type { Message } from "../raft/messages.ts";
import type { Member } from "./client.ts";

/**
 * What replicas of one group send each other. One call carries messages there, and its answer
 * messages back.
 */

/**
 * Raised when a body changes so that the other side could not read it; replicas of both versions
 * then run side by side.
 */
export const peerProtocolVersion = 1;

export const peerPath = "/peer";

export interface PeerRequest {
  readonly version: typeof peerProtocolVersion;
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
  readonly version: typeof peerProtocolVersion;
  readonly messages: readonly Message[];
}
