import { expect, test } from "vitest";
import type { Command } from "../../src/kv/command.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import { asIndex } from "../../src/raft/types.ts";
import { DriverWorld, kind } from "../support/driver-world.ts";
import { type Operation, checkHistory } from "../support/history.ts";
import { drawSizes, drawUnkindness, hurtUntil } from "../support/unkindness.ts";
import { WorldClient } from "../support/world-client.ts";

const seeds = Number(process.env["SEEDS"] ?? 24);
const firstSeed = Number(process.env["FIRST_SEED"] ?? 1);
const roughMs = 4000;

/** What all runs together must have come across, or they have shown little. */
const reached = {
  answers: 0,
  retries: 0,
  terms: 0,
  answersOfZombies: 0,
  callsOfZombies: 0,
  eventsOfZombies: 0,
};

test.each(Array.from({ length: seeds }, (_, i) => firstSeed + i))(
  "Through crashes, zombies, partitions and lost messages nothing acknowledged is lost, seed %i",
  { timeout: 30_000 },
  async (seed) => {
    const { world, clients, operations } = await live(seed);
    const drivers = [...world.hosts.values()].map(({ instance }) => instance.driver);
    expect(new Set(drivers.map(({ machine }) => machine.state.hash)).size, "one state").toBe(1);
    checkHistory(committedBy(world), operations);
    reached.answers += operations.filter(({ result }) => result !== null).length;
    reached.retries += clients.reduce((sum, client) => sum + client.retriedAnswers, 0);
    for (const name of Object.keys(world.seen) as (keyof typeof world.seen)[]) {
      reached[name] += world.seen[name];
    }
  },
);

test("Those runs came across what they are about", () => {
  expect(Object.entries(reached).filter(([, times]) => times < seeds)).toEqual([]);
});

test("One seed gives one run, to the last answer", { timeout: 30_000 }, async () => {
  const [one, again] = [await live(firstSeed), await live(firstSeed)];
  expect(again.operations).toEqual(one.operations);
  expect(again.world.agenda.nowMs).toBe(one.world.agenda.nowMs);
});

/** A rough time, then a kind one, in which everybody must get done with what is still under way. */
async function live(
  seed: number,
): Promise<{ world: DriverWorld; clients: WorldClient[]; operations: Operation[] }> {
  const world = new DriverWorld(seed, seed % 4 === 0 ? 5 : 3);
  world.unkindness = drawUnkindness(world);
  world.sizes = drawSizes(world);
  for (const host of world.hosts.values()) host.poke();
  world.host("1").instance.driver.campaign();
  const clients = Array.from({ length: 4 }, (_, i) => new WorldClient(world, `c${i}`));
  for (const client of clients) client.begin();
  hurtUntil(world, roughMs);
  await world.runFor(roughMs);

  world.unkindness = kind;
  for (const host of world.hosts.values()) {
    host.deafTo.clear();
    host.skewMs = 0;
  }
  // The edge pokes replicas when none answers, and so finds those whose alarm was lost.
  const knock = (): void => {
    for (const host of world.hosts.values()) host.poke();
    world.agenda.after(100, knock);
  };
  knock();
  for (const client of clients) client.finish();
  await world.runUntil("every client has its answer", () => clients.every((c) => c.isDone));
  await world.runUntil("all replicas have applied all that any of them has", () => {
    const drivers = [...world.hosts.values()].map(({ instance }) => instance.driver);
    const indexes = drivers.flatMap(({ raft }) => [raft.appliedIndex, raft.log.last.index]);
    return new Set(indexes).size === 1;
  });
  return { world, clients, operations: clients.flatMap((client) => client.operations) };
}

/** The commands of all committed entries, in order. */
function committedBy(world: DriverWorld): Command[] {
  const { storage, driver } = world.host("1").instance;
  return storage.log
    .slice(asIndex(1), driver.raft.log.commitIndex, Number.MAX_SAFE_INTEGER)
    .flatMap(({ type, data }) => (type === "noop" ? [] : fromBytes<Command[]>(data)));
}
