import { Random } from "../../src/raft/random.ts";
import { Violation } from "../invariants/check.ts";
import { BatchClient } from "./batch-client.ts";
import { SimulatedClient } from "./client.ts";
import { SimulatedEdge } from "./edge.ts";
import { recover } from "./liveness.ts";
import { Nemesis } from "./nemesis.ts";
import { Trace } from "./trace.ts";
import { type Fault, type Weather, drawWeather, without } from "./weather.ts";
import { Hopeless, World } from "./world.ts";

/** What a run is made of. All of it follows from the seed, but for what is said otherwise. */
export interface Plan {
  readonly seed: number;
  readonly replicas: number;
  readonly clients: number;
  /** Clients that gather several requests in one call, and ask replicas without an edge. */
  readonly batchClients: number;
  readonly edges: number;
  /** How long the faults last, in ms of the world's time. */
  readonly ms: number;
  readonly weather: Weather;
}

export interface Changes {
  readonly replicas?: number;
  readonly clients?: number;
  readonly batchClients?: number;
  readonly edges?: number;
  readonly ms?: number;
  /** Faults to leave out. */
  readonly without?: readonly Fault[];
}

export interface Outcome {
  readonly plan: Plan;
  /** Null when every invariant held. */
  readonly violation: Violation | null;
  readonly events: number;
  /** The world's time at the end. */
  readonly ms: number;
  /** Requests that ended with an answer that was found true. */
  readonly answers: number;
  /** How often each thing of sometimes.ts happened. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Draws what a seed stands for. */
export function planOf(seed: number, changes: Changes = {}): Plan {
  const random = new Random(seed);
  const among = (...values: readonly number[]): number =>
    values[random.between(0, values.length - 1)]!;
  const drawn = {
    replicas: among(1, 3, 3, 3, 3, 5, 5, 7),
    clients: among(1, 2, 3, 4, 6, 12),
    batchClients: among(0, 0, 1, 2, 4),
    edges: random.between(1, 3),
    ms: among(500, 1000, 2000, 4000),
  };
  const weather = without(drawWeather(random), changes.without ?? []);
  const { without: _, ...given } = changes;
  return { seed, ...drawn, ...given, weather };
}

/**
 * Runs one world: a rough time in which nothing may go wrong for good, then a kind one, in which
 * everything must come right. The same plan gives the same run, to the last event.
 *
 * An exception, in whatever promise, is a violation too: so no seed is lost to it.
 *
 * @param write takes the trace, a line at a time.
 */
export async function run(plan: Plan, write?: (line: string) => void): Promise<Outcome> {
  const trace = new Trace(write);
  const world = new World(plan, trace);
  const restore = world.virtual.install();
  const judge = (error: unknown): void => world.judge(() => throwAsViolation(error));
  process.on("unhandledRejection", judge);
  let violation: Violation | null = null;
  try {
    await live(world, plan);
  } catch (error) {
    if (error instanceof Hopeless) {
      trace.note(() => "no majority is right any more");
      return outcome(world, plan, null);
    }
    violation = asViolation(error);
    trace.note(() => violation!.message);
  } finally {
    restore();
    process.off("unhandledRejection", judge);
  }
  return outcome(world, plan, violation);
}

function outcome(
  { agenda, ledger, seen }: World,
  plan: Plan,
  violation: Violation | null,
): Outcome {
  const { happened: events, nowMs: ms } = agenda;
  return { plan, violation, events, ms, answers: ledger.answered, counts: seen.counts };
}

function asViolation(error: unknown): Violation {
  if (error instanceof Violation) return error;
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Violation("no exception", what);
}

function throwAsViolation(error: unknown): never {
  throw asViolation(error);
}

async function live(world: World, { clients, batchClients, edges, ms }: Plan): Promise<void> {
  const allEdges = names("e", edges).map((name) => new SimulatedEdge(world, name));
  const allClients = names("c", clients).map((name) => new SimulatedClient(world, name, allEdges));
  const batches = names("b", batchClients).map((name) => new BatchClient(world, name));
  for (const { life } of world.hosts.values()) life.poke(() => {});
  // The founder need not wait for anybody's silence.
  world.host(world.founders[0]!).life.driver.campaign();
  for (const client of [...allClients, ...batches]) client.begin();
  new Nemesis(world, allEdges, ms).begin();
  await world.runFor(ms);
  await recover(world, allClients, batches);
}

const names = (letter: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);
