/** What a replica is asked, by an edge or by another replica, and however it is reached. */
export interface ReplicaCall extends Pick<RequestInit, "method" | "body" | "signal"> {
  /** Of the protocol between the two, like `/peer`. */
  readonly path: string;
}
