/** The paths of a replica, each with its method. Anything else is answered 404. */
export const replicaPath = {
  /** `POST`: a batch of clients' requests. */
  client: "/client",
  /** `POST`: let others belong to the group. */
  members: "/members",
  /** `POST`: what replicas send each other. */
  peer: "/peer",
  /** `POST`: check your deadlines now. Answers as `status` does. */
  poke: "/poke",
  /** `POST`: go on alone, though the quorum is lost. */
  rebuild: "/rebuild",
  /** `POST`: the group was rebuilt without this replica. Answers as `status` does. */
  retire: "/retire",
  /** `GET`: what one replica says of itself. Needs no leader and changes nothing. */
  status: "/status",
  /** `POST`: hand the leadership to another voter. */
  transfer: "/transfer",
  /**
   * `POST`: be told what changes. Any replica tells, as far as it knows. `GET` with an upgrade to a WebSocket:
   * the same, where the body is in a header.
   */
  watch: "/watch",
} as const;

export type ReplicaPath = (typeof replicaPath)[keyof typeof replicaPath];

/** What a replica is asked, by an edge or by another replica, and however it is reached. */
export interface ReplicaCall extends Pick<RequestInit, "method" | "body" | "signal"> {
  readonly path: ReplicaPath;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Carries what is to be watched, in base64, where a request has no body. */
export const watchHeader = "KV-Watch";
