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
} as const;

export type ReplicaPath = (typeof replicaPath)[keyof typeof replicaPath];

/** What a replica is asked, by an edge or by another replica, and however it is reached. */
export interface ReplicaCall extends Pick<RequestInit, "method" | "body" | "signal"> {
  readonly path: ReplicaPath;
}
