import type { MemberStatus } from "../protocol/client.ts";
import { type Configuration, isAmong } from "../raft/membership.ts";

/** Who belongs to a group, and what each may do. */
export function describeMembers(configuration: Configuration): MemberStatus[] {
  const { voters, outgoing, learners } = configuration;
  const leaving = outgoing.filter(({ id }) => !isAmong(voters, id));
  return [
    ...voters.map(({ id, region }) => ({ id, region, role: "voter" as const, replaces: null })),
    ...leaving.map(({ id, region }) => ({ id, region, role: "leaving" as const, replaces: null })),
    ...learners.map(({ id, region, replaces }) => ({
      id,
      region,
      role: "learner" as const,
      replaces,
    })),
  ];
}
