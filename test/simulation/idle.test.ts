import { expect, test } from "vitest";
import type { ClientBatchResult } from "../../src/protocol/client.ts";
import { put } from "../support/driver-bench.ts";
import { fallAsleep, soundsOf } from "./night.ts";
import { type Plan, planOf } from "./run.ts";
import { Trace } from "./trace.ts";
import { calm } from "./weather.ts";
import { World } from "./world.ts";

const groups = 1000;
const tenMinutesMs = 10 * 60_000;

/** A group of three that has taken a write, and sleeps. */
async function sleepingGroup(seed: number): Promise<World> {
  const plan: Plan = { ...planOf(seed), replicas: 3, weather: calm };
  const world = new World(plan, new Trace(), { restMs: 100 });
  world.builds.upgrade();
  const founder = world.host("1");
  for (const { life } of world.hosts.values()) life.poke(() => {});
  founder.life.driver.campaign();
  await world.runUntil("a leader", () => world.leader !== null, 1000);
  expect(await ask(world)).toBe("put");
  await fallAsleep(world, [...world.hosts.values()]);
  return world;
}

/** Puts something, at the leader. Returns what came of it. */
async function ask(world: World): Promise<string> {
  let answer: ClientBatchResult | null = null;
  const before = world.agenda.nowMs;
  const batch = { version: 1, requests: [put(`r${before}`)] } as const;
  world.host(world.leader!.id).life.answer(batch, (given) => (answer = given));
  await world.runUntil("an answer", () => answer !== null, 100);
  return (answer as unknown as ClientBatchResult).results[0]!.type;
}

test(`${groups} groups sleep in one process: in ten minutes no alarm, no message and no write, and then each answers`, async () => {
  const worlds: World[] = [];
  for (let seed = 1; seed <= groups; seed++) worlds.push(await sleepingGroup(seed));
  for (const world of worlds) {
    const hosts = [...world.hosts.values()];
    const before = soundsOf(world, hosts);
    // What was called off is still on the agenda, and does nothing.
    await world.runFor(5000);
    const { happened } = world.agenda;
    await world.runFor(tenMinutesMs);
    expect(soundsOf(world, hosts)).toBe(before);
    expect(world.agenda.happened).toBe(happened);
    expect(await ask(world)).toBe("put");
  }
});
