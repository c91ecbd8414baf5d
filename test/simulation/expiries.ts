import type { Expiry } from "../../src/kv/command.ts";
import { check } from "../invariants/check.ts";
import type { SimulatedClient } from "./client.ts";
import type { Host } from "./host.ts";
import type { World } from "./world.ts";

/** An alarm, a round trip and a disk of a calm world, and some more. */
const promptMs = 250;
/** Longer than any group takes to fall asleep. */
const longTtlMs = 120_000;
const shortTtlMs = 2000;
/** More than all that is to be cleared away takes. */
const patienceMs = 20_000;

/** What had its time when there were faults has gone. */
export function nothingIsOverdue(world: World): void {
  const { leader } = world;
  const { rows, leases } = world.ledger.model.holdings;
  // The group's time is not behind its leader's.
  const longAgoMs = leader === null ? 0 : world.host(leader.id).wallMs - promptMs;
  const late = [...rows, ...leases].find(([, { expiresMs }]) => {
    return expiresMs !== null && expiresMs < longAgoMs;
  });
  check(late === undefined, "liveness of expiry", () => {
    return `${late![0]} was to go at ${late![1].expiresMs}, ${longAgoMs} is over`;
  });
}

/** Nobody asks for anything, and yet what has its time goes in time. */
export async function valuesGo(world: World, client: SimulatedClient): Promise<void> {
  const random = world.random("expiries");
  const ttlMs = random.between(1, 1500);
  const keys = await putMortals(world, client, ttlMs, random.between(0, 1) === 0);
  // One whose clock is ahead wakes others at its own time, and may take the leader's place.
  const electionsMs = world.clocksAreRight ? 0 : 12 * world.timing.core.electionMaxMs;
  await areGone(world, keys, ttlMs + promptMs + electionsMs);
}

/**
 * The same while all sleep, though their leader may be lost. Where a clock is ahead of the leader's, whoever
 * has it keeps the others awake until what it takes for due is gone.
 */
export async function valuesGoAsleep(
  world: World,
  hosts: readonly Host[],
  client: SimulatedClient,
  mayLoseLeader: boolean,
): Promise<void> {
  const { seen, timing, trace, clocksAreRight, agenda } = world;
  const random = world.random("expiries asleep");
  const ttlMs = clocksAreRight ? longTtlMs : shortTtlMs;
  const keys = await putMortals(world, client, ttlMs, random.between(0, 1) === 0);
  const dueMs = agenda.nowMs + ttlMs;
  const isAsleep = ({ current }: Host): boolean => current?.raft.wakeAtMs === null;
  if (clocksAreRight) await world.runUntil("all sleep", () => hosts.every(isAsleep), ttlMs);
  const first = world.host(world.leader!.id);
  const what = (["nothing", "eviction", "eviction of all", "death"] as const)[
    random.between(0, 3)
  ]!;
  trace.note(() => `while values are to go: ${what}`);
  const electionsMs = 12 * timing.core.electionMaxMs;
  let lateMs = promptMs;
  if (what === "eviction" || what === "eviction of all") {
    for (const host of what === "eviction" ? [first] : hosts) host.evict();
    lateMs += electionsMs;
  }
  if (what === "death" && mayLoseLeader) {
    first.pause(10 * ttlMs);
    if (clocksAreRight) seen.saw("key expired with its leader lost asleep");
    lateMs += 2 * electionsMs;
  }
  // Whoever starts again knows nothing of the time since the group was told last, but by its clock.
  if (!clocksAreRight) lateMs += ttlMs;
  await areGone(world, keys, dueMs + lateMs - agenda.nowMs);
  if (clocksAreRight) seen.saw("key expired while the group slept");
  first.resume();
  // Whoever was evicted, and woken by nothing, has no memory of being asleep.
  for (const { life } of hosts) life.poke(() => {});
}

/** Nothing is left that would go by itself. */
export async function clearAway(world: World, client: SimulatedClient): Promise<void> {
  const { model } = world.ledger;
  const clear = async (): Promise<void> => {
    for (const lease of model.holdings.leases.keys())
      await client.insist({ type: "revoke", lease });
    for (const [key, { expiresMs }] of model.holdings.rows) {
      if (expiresMs !== null) await client.insist({ type: "delete", key });
    }
  };
  await world.finish("all that is mortal is cleared away", clear(), patienceMs);
  const { rows, leases } = model.holdings;
  const isLeft = leases.size > 0 || [...rows.values()].some(({ expiresMs }) => expiresMs !== null);
  check(!isLeft, "liveness of expiry", () => "something is left that was deleted");
}

/** Puts what goes in a while, by a time of its own or with a lease. Returns the keys. */
async function putMortals(
  world: World,
  client: SimulatedClient,
  ttlMs: number,
  withLease: boolean,
): Promise<readonly string[]> {
  const keys = ["m0", "m1"];
  const put = async (): Promise<void> => {
    let expiry: Expiry = { type: "ttl", ttlMs };
    if (withLease) {
      const { result } = await client.insist({ type: "grant", ttlMs });
      check(result.type === "lease", "liveness", () => `a grant ended as ${result.type}`);
      if (result.type === "lease") expiry = { type: "lease", lease: result.lease };
    }
    for (const key of keys) await client.put(key, { expiry });
  };
  await world.finish("values are put", put(), patienceMs);
  return keys;
}

async function areGone(world: World, keys: readonly string[], withinMs: number): Promise<void> {
  const isGone = (): boolean => keys.every((key) => !world.ledger.model.holdings.rows.has(key));
  await world.runUntil("what is due has gone", isGone, withinMs);
}
