import { describeRaft } from "../../src/raft/describe.ts";
import { type Member, isAmong, isMember, membersOf, votersOf } from "../../src/raft/membership.ts";
import { Violation, check } from "../invariants/check.ts";
import type { BatchClient } from "./batch-client.ts";
import type { SimulatedClient } from "./client.ts";
import { clearAway, nothingIsOverdue, valuesGo, valuesGoAsleep } from "./expiries.ts";
import type { Host } from "./host.ts";
import { night } from "./night.ts";
import { counters } from "./tally.ts";
import { calm } from "./weather.ts";
import type { World } from "./world.ts";

/** More than any request of a client takes, and many elections. */
const patienceMs = 8000;
/** The slowest link is no slower, and those who cannot agree have had their elections. */
const settleMs = 3000;
/** A group that has come to rest stays there. */
const restMs = 2000;

/**
 * The kind time after a rough one: faults end, but perhaps for a minority that stays faulty for good.
 * All others must soon agree on a leader, on the log and on the state; every request must end, a new
 * one must succeed, and then nothing may happen any more but heartbeats.
 *
 * @throws Violation
 */
export async function recover(
  world: World,
  clients: readonly SimulatedClient[],
  batchClients: readonly BatchClient[],
): Promise<void> {
  const haveMembersChanged = world.weather.membersEveryMs > 0;
  world.builds.upgrade();
  world.weather = { ...calm, smallSizes: world.weather.smallSizes };
  world.links.heal();
  for (const host of world.hosts.values()) host.recover();
  const everybody = [...clients, ...batchClients];
  for (const client of everybody) client.finish();
  if (haveMembersChanged) {
    // A change that was wanted in the last moment has begun by then; nobody wants another.
    await world.runFor(10);
    await membersSettle(world);
  }
  // Whose state is wrong is one that may fail; and it takes a majority of right ones to find it.
  const minority = wrongIn(world).length > 0 ? nobody : drawMinority(world);
  if (!minority.isReached) cut(world, minority);
  const core = votersIn(world).filter(({ id }) => !minority.ids.has(id));
  const isOver = (): boolean => everybody.every(({ isDone }) => isDone);
  await world.runUntil("every request has ended", isOver, patienceMs);
  const [client] = clients as [SimulatedClient];
  await world.finish("a new request has ended", client.verify(), 3 * patienceMs);
  await statesAreRight(world, client);
  await world.finish("counters are read", countersAreRight(world, client), patienceMs);
  await alarmsAreSet(world);
  // Whom no request has reached since, an alarm does.
  for (const host of world.hosts.values()) host.mendAlarm();
  // What was still on its way has come by then.
  await world.runFor(settleMs);
  requestsHaveEnded(world);
  await agreeAll(world, minority.isReached ? votersIn(world) : core);
  if (minority.isReached) {
    // One that should rather lead, and can't, is told to again and again.
    if (world.timing.core.ranks.size === 0) await keepLeader(world, minority);
    return;
  }
  if (minority.ids.size === 0) await preferredLeads(world, core);
  if (minority.ids.size === 0) await othersHaveLeft(world);
  await expire(world, core, client, minority);
  await agreeAll(world, core);
  if (maySleep(world, minority)) await night(world, core, client);
  else await rest(world, core);
  world.judge(() => {
    world.invariants.commits.quorumHoldsCommitted();
    for (const { id, life } of core) {
      world.ledger.holds(id, life.driver.machine.state, life.storage);
    }
  });
  await world.runFor(1);
}

/** What is to go by itself has gone, or goes; and in the end there is nothing left that would. */
async function expire(
  world: World,
  core: readonly Host[],
  client: SimulatedClient,
  minority: Minority,
): Promise<void> {
  nothingIsOverdue(world);
  const what = (["nothing", "awake", "asleep"] as const)[world.random("expire").between(0, 2)]!;
  if (what === "awake") await valuesGo(world, client);
  await clearAway(world, client);
  if (what !== "asleep" || !maySleep(world, minority)) return;
  await agreeAll(world, core);
  await valuesGoAsleep(world, core, client, minority.ids.size === 0 && core.length > 2);
}

const votersIn = (world: World): Host[] =>
  votersOf(world.configuration).map(({ id }) => world.host(id));

/** What somebody wanted of the members has come to an end. */
async function membersSettle(world: World): Promise<void> {
  const isSettled = (): boolean => {
    const { configuration, leader } = world;
    if (configuration.outgoing.length + configuration.learners.length > 0) return false;
    // What one of late did not bring to its end, the next leader may.
    const newest = Math.max(...votersIn(world).map(({ life }) => life.raft.term));
    if (leader === null || leader.raft.term < newest) return false;
    const { log, term } = leader.raft;
    return log.configurationIndex <= log.commitIndex && log.termAt(log.commitIndex) === term;
  };
  // Somebody must do it, even if nobody asks for anything any more and every alarm was lost. One that a clock has
  // put off for long, when it was set back, shows only later that it is.
  let isOver = false;
  const poke = (): void => {
    if (isOver) return;
    for (const { life } of world.hosts.values()) life.poke(() => {});
    world.agenda.after(settleMs, poke);
  };
  poke();
  for (const host of world.hosts.values()) host.mendAlarm();
  await world.runUntil("the members settle", isSettled, 2 * patienceMs);
  isOver = true;
}

/** Whoever belongs to the group no more knows, or wants nothing anyway. */
async function othersHaveLeft(world: World): Promise<void> {
  const others = [...world.hosts.values()].filter(({ id }) => !isMember(world.configuration, id));
  const isOver = (): boolean =>
    others.every(
      (host) => host.hasLeft || host.life.raft.wakeAtMs === null || !canBeTold(world, host),
    );
  await world.runUntil("who has left knows", isOver, patienceMs);
}

/** Whoever it asks for pre-votes must know of somebody who goes on, or of somebody who knows. */
function canBeTold(world: World, { id, life }: Host): boolean {
  const asked = new Set<string>();
  const ask = (member: string): boolean => {
    if (asked.has(member) || member === id) return false;
    asked.add(member);
    if (isMember(world.configuration, member)) return true;
    return (world.host(member).disk.left?.members ?? []).some((other) => ask(other.id));
  };
  return votersOf(life.raft.log.configuration).some((voter) => ask(voter.id));
}

/** Who else has ways to replicas. */
const outside = ["e1", "e2", "e3", "b1", "b2", "b3", "b4"];

/** Who stays faulty for good, and how. */
interface Minority {
  readonly ids: ReadonlySet<string>;
  readonly kind: "dead" | "deaf" | "mute" | "reached by some";
  /**
   * Whether some others still reach it, and it them. Then one of it may lead for good, and keep from
   * agreeing whom it cannot reach; all else must be well.
   */
  readonly isReached: boolean;
}

const nobody: Minority = { ids: new Set(), kind: "dead", isReached: false };
/** One that is deaf asks again and again for votes, and so keeps the others awake. */
const maySleep = ({ timing }: World, { ids, kind }: Minority): boolean =>
  timing.core.restMs > 0 && (ids.size === 0 || kind !== "deaf");

/** In some runs a minority never recovers. */
function drawMinority(world: World): Minority {
  const { seen } = world;
  const ids = votersIn(world).map(({ id }) => id);
  const random = world.random("minority");
  const size = random.between(0, 2) === 0 ? random.between(0, (ids.length - 1) >> 1) : 0;
  const faulty = new Set<string>();
  while (faulty.size < size) faulty.add(ids[random.between(0, ids.length - 1)]!);
  // An edge that knows nothing finds a group through its founders: by what they are, or were.
  if (world.founders.every((id) => faulty.has(id))) return nobody;
  if (size > 0) seen.saw("faulty minority in the end");
  const kind = (["dead", "deaf", "mute", "reached by some"] as const)[random.between(0, 3)]!;
  return { ids: faulty, kind, isReached: size > 0 && kind === "reached by some" };
}

function cut(world: World, { ids: faulty, kind, isReached }: Minority): void {
  const { ids, links, trace, leader } = world;
  const random = world.random("minority's links");
  const isHalf = (): boolean => random.between(0, 1) === 0;
  // Whoever hears all but the leader must not be helped to replace it.
  const lost = isReached && isHalf() ? leader?.id : undefined;
  if (faulty.size > 0) trace.note(() => `${[...faulty].join(" ")} ${kind} for good`);
  for (const id of faulty) {
    for (const other of isReached ? ids : [...ids, ...outside]) {
      const [hears, speaks] = isReached ? [isHalf(), isHalf()] : [kind === "mute", kind === "deaf"];
      const isJoined = lost !== undefined && other !== lost;
      const isCutOff = other === lost;
      if (isCutOff || !(hears || isJoined)) links.cut(other, id);
      if (isCutOff || !(speaks || isJoined)) links.cut(id, other);
    }
  }
}

/** Whoever has an event finds that its alarm was lost, and sets another. */
async function alarmsAreSet(world: World): Promise<void> {
  // A clock that was set back shows only with an event that time has passed at all.
  for (const { life } of world.hosts.values()) life.poke(() => {});
  // An alarm that was lost before its time must be due, and then overdue for as long as it may be.
  await world.runFor(world.timing.core.electionMaxMs + 2500);
  const voters = votersIn(world);
  for (const { life } of world.hosts.values()) life.poke(() => {});
  for (const host of voters) {
    // Out of reach, one may not know yet that it has a vote.
    const isSet = host.hasAlarm || host.life.driver.wakeAtMs === null || voters.length === 1;
    check(isSet, "alarm", () => `${host.id} has none`);
  }
}

/** The core has ended whatever it was asked for. */
function requestsHaveEnded({ hosts }: World): void {
  for (const { id, current } of hosts.values()) {
    const open = current?.driver.openRequests ?? 0;
    check(open === 0, "every request ends", () => `${id} has ${open} that do not`);
  }
}

/** What clients were told of adds up to what is there. */
async function countersAreRight(world: World, client: SimulatedClient): Promise<void> {
  for (const key of counters) {
    const { result } = await client.insist({ type: "get", key, metadataOnly: false });
    const text = result.type === "value" ? new TextDecoder().decode(result.value!) : "0";
    world.tally.isRight(key, Number(text));
  }
}

/** Members whose state is wrong. */
const wrongIn = (world: World): string[] =>
  membersOf(world.configuration)
    .map(({ id }) => id)
    .filter((id) => world.corruptions.has(id));

/** What is wrong with a state is found when it is written to, and then repaired. */
async function statesAreRight(world: World, client: SimulatedClient): Promise<void> {
  const { corruptions } = world;
  if (wrongIn(world).length === 0) return;
  let isOver = false;
  const touchAll = async (): Promise<void> => {
    while (wrongIn(world).length > 0) {
      for (const key of corruptions.keys) await client.touch(key);
      for (let n = 0; n < world.digestEvery; n++) await client.touch("last");
      // Where logs are very short, a repair gets through only when nobody writes, in however many chunks.
      await new Promise<void>((resolve) => world.agenda.after(6000, resolve));
    }
    isOver = true;
  };
  void touchAll();
  const what = `all states are right, of ${wrongIn(world).join(" ")}`;
  await world.runUntil(what, () => isOver, 6 * patienceMs);
}

function agree(core: readonly Host[]): boolean {
  const states = core.map(({ life: { raft, driver } }) => {
    const { term, leader, log, appliedIndex } = raft;
    const { hash } = driver.machine.state;
    return [term, leader, log.last.index, log.commitIndex, appliedIndex, hash].join(" ");
  });
  const leaders = core.filter(({ life }) => life.raft.role === "leader");
  const { log, appliedIndex } = core[0]!.life.raft;
  const isDone = log.commitIndex === log.last.index && appliedIndex === log.commitIndex;
  return leaders.length === 1 && new Set(states).size === 1 && isDone;
}

export async function agreeAll(world: World, hosts: readonly Host[]): Promise<void> {
  try {
    await world.runUntil("all agree", () => agree(hosts), patienceMs);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    throw new Violation(error.invariant, `${error.message}\n${describeAll(hosts)}`);
  }
}

/**
 * A minority loses some of its links, at a time when its logs are as good as any. A leader outside of
 * it stays the leader, whoever cannot hear it any more (thesis, 4.2.3); one of its own may have to go,
 * but the next one stays.
 */
async function keepLeader(world: World, minority: Minority): Promise<void> {
  // One that sleeps shows nobody that it is there, so somebody keeps it awake.
  const end = keepAwake(world);
  await world.runFor(3 * world.timing.core.heartbeatMs);
  check(world.leader !== null, "liveness", () => "nobody leads any more who did when all agreed");
  const newest = (): number => Math.max(...votersIn(world).map(({ life }) => life.raft.term));
  const mayFall = minority.ids.has(world.leader!.id);
  // A leader that a few can call, and that can't call them, leads on as well.
  const isUncalled = !mayFall && world.random("uncalled").between(0, 1) === 0;
  if (isUncalled) for (const id of minority.ids) world.links.muffle(world.leader!.id, id);
  else cut(world, minority);
  if (mayFall) await world.runFor(settleMs);
  const before = newest();
  await world.runFor(restMs);
  check(newest() === before, "liveness", () => `the term goes on to rise, to ${newest()}`);
  end();
}

/** Somebody pokes all replicas again and again. Returns how to make it stop. */
function keepAwake({ agenda, hosts }: World): () => void {
  let isOver = false;
  const poke = (): void => {
    if (isOver) return;
    for (const { life } of hosts.values()) life.poke(() => {});
    agenda.after(5, poke);
  };
  poke();
  return () => (isOver = true);
}

/** Whoever should rather lead does so in the end. */
async function preferredLeads(world: World, core: readonly Host[]): Promise<void> {
  const { ranks } = world.timing.core;
  const isPreferred = ({ region }: Member): boolean => ranks.has(region);
  const preferred = votersOf(world.configuration).filter(isPreferred);
  if (preferred.length === 0) return;
  const isBest = (): boolean => {
    // One that sleeps looks for nobody.
    world.leader?.poke(() => {});
    return isAmong(preferred, world.leader?.id ?? "");
  };
  await world.runUntil("the preferred replica leads", isBest, 3 * world.timing.core.patienceMs);
  await world.runFor(settleMs);
  await agreeAll(world, core);
}

/** From here on there are heartbeats, and nothing else. */
async function rest(world: World, core: readonly Host[]): Promise<void> {
  const written = world.written(core);
  const alarms = core.map(({ alarmsSet }) => alarmsSet);
  const { term } = core[0]!.life.raft;
  await world.runFor(restMs);
  const isSame = core.every(({ life }) => life.raft.term === term);
  check(isSame && agree(core), "liveness", () => `no rest:\n${describeAll(core)}`);
  const more = world.written(core) - written;
  check(more === 0, "liveness", () => `${more} writes by a group at rest`);
  const usual = 2 * (restMs / world.timing.core.heartbeatMs);
  core.forEach(({ id, alarmsSet }, i) => {
    const set = alarmsSet - alarms[i]!;
    check(set <= usual, "alarms at rest", () => `${id} set ${set} alarms in ${restMs} ms`);
  });
}

const describeAll = (hosts: readonly Host[]): string =>
  hosts.map(({ life }) => describeRaft(life.raft)).join("\n");
