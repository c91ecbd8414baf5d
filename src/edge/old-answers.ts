import type {
  ClientResult,
  Member,
  MemberStatus,
  ReplicaStatus,
  StatusResult,
} from "../protocol/client.ts";

/** What replicas that run older code leave out of their answers, since it went without saying then. */

/** What replicas say that run code of before members could change. */
type OldStatus = Omit<ReplicaStatus, "members" | "membersIndex" | "nextId" | "epoch"> & {
  readonly type: "status";
  readonly members: readonly Member[];
};

export type StatusOfAnyCode = StatusResult | OldStatus;

/** What a replica says of itself, in full. */
export function statusInFull(status: StatusOfAnyCode): StatusResult {
  if (status.type !== "status" || "membersIndex" in status) return status;
  const voter = { role: "voter", replaces: null } as const;
  const members = status.members.map((member): MemberStatus => Object.assign({}, member, voter));
  const nextId = String(1 + Math.max(...members.map(({ id }) => Number(id))));
  return { ...status, members, membersIndex: 0, nextId, epoch: 1 };
}

const nothingElse = { metadata: null, expiresMs: null, lease: null, large: null };

/** The answer to a request of version 1, in full. */
export const resultInFull = (result: ClientResult): ClientResult =>
  result.type === "value" ? { ...nothingElse, ...result } : result;
