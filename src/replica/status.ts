import type { MemberStatus, ServedBy, StatusResult } from "../protocol/client.ts";
import { anyRegion } from "../protocol/settings.ts";
import { type Configuration, isAmong, regionOf } from "../raft/membership.ts";
import type { Driver } from "./driver.ts";

/** What a replica says of itself to whoever asks. */
export function describeStatus(id: string, { raft, machine, logBytes }: Driver): StatusResult {
  const { log, role, term, leader } = raft;
  const { configuration } = log;
  return {
    type: "status",
    id,
    region: regionOf(configuration, id) ?? anyRegion,
    role,
    term,
    leader,
    commitIndex: log.commitIndex,
    lastApplied: raft.appliedIndex,
    firstLogIndex: log.base.index + 1,
    lastLogIndex: log.last.index,
    logBytes,
    revision: machine.state.revision,
    stateHash: machine.state.hash,
    diverged: raft.audit.hasDiverged,
    members: describeMembers(configuration),
    outgoing: configuration.outgoing.map((member) => member.id),
    membersIndex: log.configurationIndex,
    nextId: String(configuration.nextId),
    epoch: configuration.epoch,
    lastLogTerm: log.last.term,
  };
}

/** Who it is that has answered clients. Without a driver it belongs to no group. */
export function describeServer(id: string, driver: Driver | null): ServedBy {
  if (driver === null) return { replica: id, region: anyRegion, role: "none", term: 0, epoch: 0 };
  const { role, term, log } = driver.raft;
  const region = regionOf(log.configuration, id) ?? anyRegion;
  return { replica: id, region, role, term, epoch: log.configuration.epoch };
}

/** Who belongs to a group, and what each may do. */
function describeMembers(configuration: Configuration): MemberStatus[] {
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
