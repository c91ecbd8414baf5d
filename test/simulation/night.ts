import { votersOf } from "../../src/raft/membership.ts";
import { check } from "../invariants/check.ts";
import type { SimulatedClient } from "./client.ts";
import type { Host } from "./host.ts";
import { agreeAll } from "./liveness.ts";
import type { World } from "./world.ts";

const nightMs = 10 * 60_000;
/** Round trips of a calm world, as many as an election and a read take. */
const promptMs = 250;
/** How late an answer is noticed, and more than is left of a wait. */
const aMomentMs = 30;

/**
 * The group falls asleep, and for a whole night nothing happens at all. Something may befall it then;
 * in the morning a request is answered nevertheless, late by no more than an election, and the group
 * falls asleep again.
 */
export async function night(
  world: World,
  core: readonly Host[],
  client: SimulatedClient,
): Promise<void> {
  await fallAsleep(world, core);
  // What was said last may have been heard, and not yet answered.
  await world.runFor(aMomentMs);
  const before = soundsOf(world, core);
  // An alarm may have been on its way when it was taken back.
  for (const { life } of core) life.ring();
  await world.runFor(nightMs / 2);
  for (const { life } of core) life.ring();
  await world.runFor(nightMs / 2);
  const after = soundsOf(world, core);
  check(before === after, "night", () => `what was ${before} is ${after}`);
  world.seen.saw("night without a sound");
  await morning(world, core, client);
}

export async function fallAsleep(world: World, hosts: readonly Host[]): Promise<void> {
  const { restMs, patienceMs, electionMaxMs } = world.timing.core;
  // Calls into a cut take their time to be given up, and as long there may be no others.
  const withinMs = world.timing.callMs + 3 * (restMs + patienceMs + electionMaxMs);
  await world.runUntil("all sleep", () => hosts.every(isAsleep), withinMs);
  await agreeAll(world, hosts);
}

/** Asleep, or alone and so without a timer. */
const isAsleep = ({ current, hasAlarm }: Host): boolean =>
  current !== null && current.raft.wakeAtMs === null && !hasAlarm;

/** All that costs anything, counted from the beginning. */
export function soundsOf(world: World, hosts: readonly Host[]): string {
  const alarms = hosts.reduce((sum, { alarmsSet }) => sum + alarmsSet, 0);
  const awake = hosts.filter((host) => !isAsleep(host)).map(({ id }) => id);
  return `${world.messagesOf(hosts)} messages, ${world.written(hosts)} writes, ${alarms} alarms, ${awake.join()} awake`;
}

async function morning(
  world: World,
  core: readonly Host[],
  client: SimulatedClient,
): Promise<void> {
  const { timing, leader, trace } = world;
  const voters = votersOf(world.configuration).length;
  const { electionMinMs, electionMaxMs } = timing.core;
  const random = world.random("morning");
  const first = world.host(leader!.id);
  const others = core.filter((host) => host !== first);
  const isQuorum = others.length > voters / 2;
  const what = (
    ["nothing", "restart", "restart of all", "restart of another", "death", "death", "cut"] as const
  )[random.between(0, 6)]!;
  trace.note(() => `in the night: ${what}`);
  // Several may stand at once, again and again, if their timers are close to each other.
  const electionsMs = 10 * electionMaxMs;
  // Whoever only restarts asks to lead again at once.
  let lateMs = electionMinMs > promptMs ? 0 : electionsMs;
  if (what === "restart") first.crash({ survivors: 0, zombieMs: 0 });
  if (what === "restart of all") {
    for (const host of core) host.crash({ survivors: 0, zombieMs: 0 });
    // One that stood against the leader once asks too.
    lateMs = electionsMs;
  }
  if (what === "restart of another") {
    others[0]?.crash({ survivors: 0, zombieMs: 0 });
    // The same goes for it, and then it takes the leader's place.
    lateMs = electionsMs;
  }
  // The edge waits for it in vain first.
  const replacedMs = Math.max(2 * electionMaxMs, 500) + electionsMs;
  // An edge that knows nobody but the founders, all of them lost, finds nobody.
  const isFindable = others.some(({ id }) => world.founders.includes(id));
  if (what === "death" && isQuorum && isFindable) {
    world.seen.saw("morning with a lost leader");
    first.pause(nightMs);
    lateMs = replacedMs;
  }
  if (what === "cut" && isQuorum && core.length === voters) {
    world.seen.saw("morning with a leader cut off");
    for (const { id } of others) {
      world.links.cut(first.id, id);
      world.links.cut(id, first.id);
    }
    lateMs = replacedMs;
  }
  await world.finish("a request in the morning has ended", client.verify(), lateMs + promptMs);
  first.resume();
  if (core.length === voters) world.links.mend();
  // Who loses its memory right before it is asked to sleep does not know what alarm it has set.
  await world.runFor(Math.max(0, timing.core.restMs - aMomentMs));
  for (const host of others) host.evict();
  await fallAsleep(world, core);
}
