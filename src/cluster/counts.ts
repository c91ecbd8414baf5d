/**
 * What costs something in production, counted in a local cluster over all replicas of all namespaces since it
 * started. A group that sleeps adds to none of it.
 */
export interface Counts {
  /** Objects that began to run, for the first time or after they had been out of memory. */
  starts: number;
  /** Requests that reached a replica, its peers' among them. */
  requests: number;
  /** Requests that a replica made to another. */
  peerRequests: number;
  alarmsSet: number;
  alarmsTakenBack: number;
  alarmsRung: number;
  rowsWritten: number;
}

export const counts: Counts = {
  starts: 0,
  requests: 0,
  peerRequests: 0,
  alarmsSet: 0,
  alarmsTakenBack: 0,
  alarmsRung: 0,
  rowsWritten: 0,
};
