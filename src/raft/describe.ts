import { unreachable } from "./assert.ts";
import type { AuditRecord } from "./audit.ts";
import type { Digest, Verdict } from "./digests.ts";
import type { Failure, Input, Output, Persist } from "./io.ts";
import { Leader } from "./leader.ts";
import { type Change, type Configuration, type Member, isJoint } from "./membership.ts";
import type { AppendResult, Message, SnapshotResult } from "./messages.ts";
import type { Raft } from "./raft.ts";
import type { Entry, EntryId } from "./types.ts";

/**
 * One line of text for anything in the core, the same in logs, tests, traces and documents. Entries
 * are written `term/index`.
 */

export const describeId = ({ term, index }: EntryId): string => `${term}/${index}`;

/**
 * `1/2` for one entry, `1/2..1/5` for a run of one term, `1/2..2/5` when the term changes within.
 */
export function describeEntries(entries: readonly Entry[]): string {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) return "none";
  return first === last ? describeId(first) : `${describeId(first)}..${describeId(last)}`;
}

/** `1 2 3`, `1 2 4 (1 2 3)` while voters change, `1 2 3 +4` with a learner, `+4/3` where it replaces. */
export function describeConfiguration(configuration: Configuration): string {
  const ids = (members: readonly Member[]): string => members.map(({ id }) => id).join(" ");
  const { voters, outgoing, learners } = configuration;
  return [
    ids(voters),
    ...(isJoint(configuration) ? [`(${ids(outgoing)})`] : []),
    ...learners.map(({ id, replaces }) => `+${id}${replaces === null ? "" : `/${replaces}`}`),
  ].join(" ");
}

const describeChange = (change: Change): string =>
  change.type === "remove" ? `remove ${change.id}` : `add ${change.replaces ?? ""}`.trimEnd();

export function describeMessage(message: Message): string {
  const head = `${message.from}->${message.to} ${message.type} t${message.term}`;
  switch (message.type) {
    case "preVoteRequest":
      return `${head} last ${describeId(message.last)}`;
    case "requestVoteRequest": {
      const transfer = message.isTransfer ? " transfer" : "";
      return `${head} last ${describeId(message.last)}${transfer}`;
    }
    case "timeoutNowRequest":
      return message.last === undefined ? head : `${head} last ${describeId(message.last)}`;
    case "preVoteResponse":
      if (message.left !== undefined) return `${head} refused, has left`;
      if (message.others !== undefined) {
        return `${head} refused, ask ${message.others.map(({ id }) => id).join(" ")}`;
      }
      return `${head} ${message.granted ? "granted" : "refused"}`;
    case "requestVoteResponse":
      return `${head} ${message.granted ? "granted" : "refused"}`;
    case "appendEntriesRequest": {
      const { prev, entries, leaderCommit, round, sleep } = message;
      const carried = entries.length === 0 ? "" : ` entries ${describeEntries(entries)}`;
      const verdict =
        message.verdict === undefined ? "" : ` verdict ${describeDigest(message.verdict)}`;
      const mark = sleep === true ? " sleep" : "";
      return `${head} prev ${describeId(prev)}${carried} commit ${leaderCommit}${describeRound(round)}${verdict}${mark}`;
    }
    case "appendEntriesResponse": {
      const { result, round, digest, diverged, asleep } = message;
      const said = digest === undefined ? "" : ` digest ${describeDigest(digest)}`;
      const wrong = diverged === undefined ? "" : ` diverged ${diverged}`;
      const sleeps = asleep === true ? " asleep" : "";
      return `${head} ${describeResult(result)}${describeRound(round)}${said}${wrong}${sleeps}`;
    }
    case "installSnapshotRequest": {
      const { snapshot, shipment, chunk, isLast } = message;
      const last = isLast ? " last" : "";
      return `${head} to ${describeId(snapshot)} shipment ${shipment} chunk ${chunk}${last}`;
    }
    case "installSnapshotResponse": {
      const { shipment, chunk, result } = message;
      return `${head} shipment ${shipment} chunk ${chunk} ${describeResult(result)}`;
    }
    default:
      return unreachable(message);
  }
}

const describeRound = (round: number): string => (round === 0 ? "" : ` round ${round}`);

/** `8=1:abc`: at index 8 the hash abc by formula 1. */
const describeDigest = ({ index, formula, hash }: Digest | Verdict): string =>
  `${index}=${formula}:${hash ?? "none"}`;

function describeAudit({ digests, divergedIndex }: AuditRecord): string {
  const said = digests.map(describeDigest).join(" ") || "nothing";
  return `audit ${said}${divergedIndex === null ? "" : ` diverged ${divergedIndex}`}`;
}

function describeResult(result: AppendResult | SnapshotResult): string {
  switch (result.type) {
    case "accepted":
      return `match ${result.matchIndex}`;
    case "conflict":
      return `conflict at ${result.prevIndex} hint ${describeId(result.hint)}`;
    case "stale":
    case "stored":
    case "restart":
      return result.type;
    default:
      return unreachable(result);
  }
}

export function describePersist(persist: Persist): string {
  const { batch, hardState, chunk, install, repair, audit, compactTo, truncateFrom, entries } =
    persist;
  const parts = [
    hardState === null ? "" : `term ${hardState.term} vote ${hardState.vote ?? "none"}`,
    chunk === null ? "" : `chunk ${chunk.place}`,
    install === null ? "" : `install ${describeId(install)}`,
    repair === null ? "" : `repair ${describeId(repair)}`,
    audit === null ? "" : describeAudit(audit),
    compactTo === null ? "" : `compact to ${describeId(compactTo)}`,
    truncateFrom === null ? "" : `cut ${truncateFrom}`,
    entries.length === 0 ? "" : `append ${describeEntries(entries)}`,
    ...entries.map((entry) =>
      entry.type === "configuration" ? `members ${describeConfiguration(entry.configuration)}` : "",
    ),
  ];
  return `persist #${batch} ${parts.filter((part) => part !== "").join(", ")}`;
}

const describeFailure = ({ id, reason, leader }: Failure): string =>
  `failed #${id} ${reason}${leader === null ? "" : ` leader ${leader}`}`;

export function describeInput(input: Input): string {
  switch (input.type) {
    case "receive":
      return `receive ${describeMessage(input.message)}`;
    case "propose":
      return `propose ${input.proposals.map(({ id }) => `#${id}`).join(" ")}`;
    case "read":
      return `read #${input.id}`;
    case "change":
      return `change #${input.id} ${describeChange(input.change)}`;
    case "persisted":
      return `persisted #${input.batch}`;
    case "applied":
      return `applied ${input.index}`;
    case "compact":
      return `compact to ${input.index}`;
    case "transfer":
      return `transfer to ${input.to}`;
    case "unreachable":
      return `unreachable ${input.node}`;
    case "time":
    case "campaign":
    case "poke":
    case "rebuild":
      return input.type;
    default:
      return unreachable(input);
  }
}

/** One line an effect, in the order in which the host carries them out. */
export function describeOutput(output: Output): string[] {
  return [
    ...output.sendNow.map((message) => `send ${describeMessage(message)}`),
    ...(output.persist === null ? [] : [describePersist(output.persist)]),
    ...output.sendAfterPersist.map((message) => `then send ${describeMessage(message)}`),
    ...(output.apply.length === 0 ? [] : [`apply ${describeEntries(output.apply)}`]),
    ...output.done.map(({ id, index }) => `done #${id} at ${index}`),
    ...output.reads.map(({ id, index }) => `read #${id} at ${index}`),
    ...output.failed.map(describeFailure),
  ];
}

/** The whole state of a replica's core. */
export function describeRaft(raft: Raft): string {
  const { config, role, term, vote, leader, log } = raft;
  const followers =
    raft.roleHandler instanceof Leader
      ? [...raft.roleHandler.followers].map(
          ([node, { state, matchIndex, nextIndex, inflightMessages }]) =>
            ` ${node}:${state} match ${matchIndex} next ${nextIndex} inflight ${inflightMessages}`,
        )
      : [];
  return (
    `${config.id} ${role}${raft.isAsleep ? " asleep" : ""} t${term} vote ${vote ?? "none"} leader ${leader ?? "none"} ` +
    `log ${describeId(log.base)}..${describeId(log.last)} durable ${log.durableIndex} ` +
    `commit ${log.commitIndex} applied ${raft.appliedIndex}` +
    `${raft.audit.hasDiverged ? ` diverged ${raft.audit.divergedIndex}` : ""}${followers.join(";")}`
  );
}
