import { expect, test } from "vitest";
import type { Command } from "../../src/kv/command.ts";
import type { ClientRequest, ClientResult } from "../../src/protocol/client.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import { asIndex } from "../../src/raft/types.ts";
import { DriverWorld, type Unkindness, kind } from "../support/driver-world.ts";
import { type Operation, checkHistory } from "../support/history.ts";
import { utf8 } from "../support/machine-bench.ts";

const seeds = Number(process.env["SEEDS"] ?? 24);
const firstSeed = Number(process.env["FIRST_SEED"] ?? 1);
const roughMs = 4000;

/** What all runs together must have come across, or they have shown little. */
const reached = { answers: 0, retries: 0, terms: 0, answersOfZombies: 0, callsOfZombies: 0 };

test.each(Array.from({ length: seeds }, (_, i) => firstSeed + i))(
  "Through crashes, zombies, partitions and lost messages nothing acknowledged is lost, seed %i",
  { timeout: 30_000 },
  async (seed) => {
    const world = new DriverWorld(seed, seed % 4 === 0 ? 5 : 3);
    world.unkindness = drawUnkindness(world);
    for (const host of world.hosts.values()) host.poke();
    world.host("1").instance.driver.campaign();
    const clients = Array.from({ length: 4 }, (_, i) => new Client(world, `c${i}`));
    for (const client of clients) client.begin();
    hurt(world);
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
    await world.runUntil("all replicas have applied the same", () => {
      const states = [...world.hosts.values()].map(({ instance }) => instance.driver);
      const logs = states.map(({ raft }) => `${raft.appliedIndex} ${raft.log.last.index}`);
      return (
        new Set([...logs, `${states[0]!.raft.log.last.index} ${states[0]!.raft.appliedIndex}`])
          .size === 1
      );
    });

    const drivers = [...world.hosts.values()].map(({ instance }) => instance.driver);
    expect(new Set(drivers.map(({ machine }) => machine.state.hash)).size, "one state").toBe(1);
    const operations = clients.flatMap((client) => client.operations);
    checkHistory(committedBy(world), operations);
    reached.answers += operations.filter(({ result }) => result !== null).length;
    reached.retries += clients.reduce((sum, client) => sum + client.retriedAnswers, 0);
    for (const name of ["terms", "answersOfZombies", "callsOfZombies"] as const) {
      reached[name] += world.seen[name];
    }
  },
);

test("Those runs came across what they are about", () => {
  expect(Object.entries(reached).filter(([, times]) => times < seeds)).toEqual([]);
});

function committedBy(world: DriverWorld): Command[] {
  const { storage, driver } = world.host("1").instance;
  return storage.log
    .slice(asIndex(1), driver.raft.log.commitIndex, Number.MAX_SAFE_INTEGER)
    .flatMap(({ type, data }) => (type === "noop" ? [] : fromBytes<Command[]>(data)));
}

/** Most kinds of trouble are off in a run, and a few go to extremes. */
function drawUnkindness({ random }: DriverWorld): Unkindness {
  const maybe = (value: number): number =>
    random.between(0, 2) === 0 ? random.between(0, value) : 0;
  return {
    lostMessages: maybe(300),
    doubledMessages: maybe(300),
    maxDelayMs: 3 + maybe(120),
    maxDiskMs: maybe(60),
    lostAlarms: maybe(100),
    doubledAlarms: maybe(200),
    maxLateMs: 1 + maybe(200),
  };
}

/** Crashes and cuts, again and again. */
function hurt(world: DriverWorld): void {
  const { random, agenda } = world;
  const [crashEveryMs, cutEveryMs] = [random.between(30, 600), random.between(100, 1500)];
  const crash = (): void => {
    if (agenda.nowMs > roughMs) return;
    const all = random.between(0, 9) === 0;
    const one = random.between(0, 1) === 0 ? (world.leader ?? world.anyHost) : world.anyHost;
    for (const victim of all ? world.hosts.values() : [one]) {
      victim.crash({ survivors: random.between(0, 3), zombie: random.between(0, 1) === 0 });
      // Usually the next event finds it gone; sometimes one comes at once.
      if (random.between(0, 1) === 0) victim.poke();
    }
    agenda.after(random.between(1, 2 * crashEveryMs), crash);
  };
  const cut = (): void => {
    for (const host of world.hosts.values()) host.deafTo.clear();
    if (agenda.nowMs > roughMs) return;
    const mode = random.between(0, 3);
    for (const a of world.ids) {
      for (const b of world.ids) {
        const isOff =
          mode === 1
            ? random.between(0, 3) === 0
            : mode === 2
              ? (a === "1") !== (b === "1")
              : false;
        if (isOff && a !== b) world.host(b).deafTo.add(a);
      }
    }
    agenda.after(random.between(1, 2 * cutEveryMs), cut);
  };
  /** Disks that fail and clocks that are set, both rare. */
  const upset = (): void => {
    if (agenda.nowMs > roughMs) return;
    if (random.between(0, 3) === 0) world.anyHost.breakStorage();
    else world.anyHost.skewMs = random.between(-50, 50);
    agenda.after(random.between(200, 3000), upset);
  };
  crash();
  cut();
  agenda.after(random.between(200, 3000), upset);
}

/**
 * A client behind an edge: it asks one replica after the other, with one request id, until one
 * answers.
 */
class Client {
  readonly operations: Operation[] = [];
  readonly #world: DriverWorld;
  readonly #name: string;
  #floor = 0;
  #count = 0;
  #isFinishing = false;
  #isIdle = false;
  /** Writes that were answered at a later attempt than the first. */
  retriedAnswers = 0;
  #hint: string | null = null;

  constructor(world: DriverWorld, name: string) {
    this.#world = world;
    this.#name = name;
  }

  get isDone(): boolean {
    return this.#isFinishing && this.#isIdle;
  }

  begin(): void {
    const requests = Array.from({ length: this.#world.random.between(1, 3) }, () => this.#draw());
    const operations = requests.map((request): Operation => ({
      request,
      invokedMs: this.#world.agenda.nowMs,
      answeredMs: null,
      result: null,
    }));
    this.operations.push(...operations);
    this.#attempt(operations, 0);
  }

  /** From now on it goes on only until it knows about what it has asked for. */
  finish(): void {
    this.#isFinishing = true;
  }

  #attempt(operations: readonly Operation[], attempt: number): void {
    const { random, agenda } = this.#world;
    const open = operations.filter(({ result }) => result === null);
    const isHopeless = attempt > 12 && !this.#isFinishing;
    if (open.length === 0 || isHopeless) {
      this.#isIdle = this.#isFinishing;
      if (!this.#isFinishing) agenda.after(random.between(0, 10), () => this.begin());
      return;
    }
    const host = this.#hint === null ? this.#world.anyHost : this.#world.host(this.#hint);
    this.#hint = null;
    let isOver = false;
    const next = (delayMs: number): void => {
      if (isOver) return;
      isOver = true;
      agenda.after(delayMs, () => this.#attempt(operations, attempt + 1));
    };
    this.#world.ask(
      host,
      open.map(({ request }) => request),
      (results, sequence) => {
        // An answer that comes after the client has asked elsewhere is as true as any.
        results.forEach((result, i) => this.#take(open[i]!, result, attempt));
        this.#floor = Math.max(this.#floor, sequence);
        next(1);
      },
    );
    agenda.after(random.between(20, 250), () => {
      if (!isOver) this.#world.anyHost.poke();
      next(0);
    });
  }

  #take(operation: Operation, result: ClientResult, attempt: number): void {
    if (result.type === "notLeader") this.#hint = result.leader;
    const isFinal = !["notLeader", "dropped", "unknown"].includes(result.type);
    if (!isFinal || operation.result !== null) return;
    if (attempt > 0 && operation.request.type !== "get") this.retriedAnswers++;
    operation.result = result;
    operation.answeredMs = this.#world.agenda.nowMs;
  }

  #draw(): ClientRequest {
    const { random } = this.#world;
    const key = `k${random.between(0, 2)}`;
    const requestId = `${this.#name}/${this.#count++}`;
    const common = { key, requestId, floor: this.#floor };
    switch (random.between(0, 4)) {
      case 0:
      case 1:
        return { type: "get", key, metadataOnly: false };
      case 2:
        return { type: "delete", ...common };
      default:
        return { type: "put", ...common, value: utf8(requestId), contentType: null };
    }
  }
}
