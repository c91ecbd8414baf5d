import type { Member, MemberStatus, ReplicaStatus, StatusResult } from "../protocol/client.ts";

/** What replicas say that run code of before members could change. */
type OldStatus = Omit<ReplicaStatus, "members" | "membersIndex" | "nextId" | "epoch"> & {
  readonly type: "status";
  readonly members: readonly Member[];
};

export type StatusOfAnyCode = StatusResult | OldStatus;

/** What a replica says of itself; old code leaves out of it what then went without saying. */
export function inFull(status: StatusOfAnyCode): StatusResult {
  if (status.type !== "status" || "membersIndex" in status) return status;
  const voter = { role: "voter", replaces: null } as const;
  const members = status.members.map((member): MemberStatus => Object.assign({}, member, voter));
  const nextId = String(1 + Math.max(...members.map(({ id }) => Number(id))));
  return { ...status, members, membersIndex: 0, nextId, epoch: 1 };
}
