import type { ClientRequest, ClientResult } from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { defaultSizes } from "../../src/raft/config.ts";
import type { Message } from "../../src/raft/messages.ts";
import { majority } from "../../src/raft/quorum.ts";
import { Random } from "../../src/raft/random.ts";
import { type EntryId, type LogIndex, offset } from "../../src/raft/types.ts";
import { answerBatch } from "../../src/replica/client-api.ts";
import { MonotonicClock } from "../../src/replica/clock.ts";
import { Driver } from "../../src/replica/driver.ts";
import { AlarmWake } from "../../src/replica/wake.ts";
import { Agenda } from "./agenda.ts";
import { MemoryDisk, type MemoryStorage } from "./memory-storage.ts";

const heartbeatMs = 50;
const callTimeoutMs = 300;

/** How the world may be unkind. Chances are in thousandths. */
export interface Unkindness {
  readonly lostMessages: number;
  readonly doubledMessages: number;
  readonly maxDelayMs: number;
  readonly maxDiskMs: number;
  readonly lostAlarms: number;
  readonly doubledAlarms: number;
  readonly maxLateMs: number;
  /** How long it takes from the start of an event to the end of its body. */
  readonly maxBodyMs: number;
}

export type Sizes = { readonly [Name in keyof typeof defaultSizes]: number };

export const kind: Unkindness = {
  lostMessages: 0,
  doubledMessages: 0,
  maxDelayMs: 5,
  maxDiskMs: 3,
  lostAlarms: 0,
  doubledAlarms: 0,
  maxLateMs: 1,
  maxBodyMs: 0,
};

/**
 * One life of a replica: from an event that found none to a crash. After it, it may live on as a
 * zombie.
 */
export class Instance {
  readonly driver: Driver;
  readonly storage: MemoryStorage;
  readonly wake: AlarmWake;
  /** Whether its code still runs. */
  isAlive = true;
  /** Whether the test broke its storage, so that it must abort. */
  isBroken = false;
  checkedCommit: LogIndex;

  constructor(world: DriverWorld, host: Host) {
    this.storage = host.disk.open();
    const clock = new MonotonicClock(() => world.agenda.nowMs + host.skewMs);
    this.wake = new AlarmWake((wallMs) => host.setAlarm(wallMs), clock);
    const calls = new Map<string, number>();
    this.driver = new Driver(
      {
        id: host.id,
        voters: world.ids,
        seed: world.random.between(1, 1_000_000),
        heartbeatMs,
        electionMinMs: 150,
        electionMaxMs: 300,
        ...world.sizes,
      },
      {
        storage: this.storage,
        peers: { send: (to, messages) => world.call(host, this, to, messages, calls) },
        wake: this.wake,
        clock,
        abort: (error, state) => {
          this.isAlive = false;
          this.storage.crash();
          host.forget(this);
          if (!this.isBroken) world.aborts.push(`${state}: ${String(error)}`);
        },
      },
    );
    this.checkedCommit = this.driver.raft.log.commitIndex;
  }
}

/** Where the lives of one replica follow each other. */
export class Host {
  readonly id: string;
  readonly disk: MemoryDisk;
  /** Replicas whose calls do not get here. */
  readonly deafTo = new Set<string>();
  skewMs = 0;
  readonly #world: DriverWorld;
  #instance: Instance | null = null;
  #alarm: { readonly atMs: number } | null = null;

  constructor(world: DriverWorld, id: string) {
    this.#world = world;
    this.id = id;
    const { random, agenda } = world;
    this.disk = new MemoryDisk({
      later: (work) => agenda.after(random.between(0, world.unkindness.maxDiskMs), work),
    });
  }

  /**
   * The instance that a new event reaches: the current one, or a new one that starts with the
   * event.
   */
  get instance(): Instance {
    if (this.#instance === null) {
      this.#instance = new Instance(this.#world, this);
      this.#world.instances.push(this.#instance);
    }
    return this.#instance;
  }

  /**
   * Ends the current instance. Some of the turns that it had finished may have become durable. A
   * zombie's code runs on: it gets answers and promises, but no new events.
   */
  crash({ survivors = 0, zombie = false } = {}): void {
    if (this.#instance === null) return;
    this.#instance.storage.crash(survivors);
    this.#instance.isAlive &&= zombie;
    this.#instance = null;
  }

  /** An instance has ended itself. The next event starts another. */
  forget(instance: Instance): void {
    if (this.#instance === instance) this.#instance = null;
  }

  /** Makes the current instance's storage fail from its next wait on. */
  breakStorage(): void {
    this.instance.isBroken = true;
    this.instance.storage.fail(new Error("the disk is gone"));
  }

  /**
   * The alarm service has a clock of its own: with a skewed one here, alarms come early or late.
   */
  setAlarm(wallMs: number): Promise<void> {
    const { random, agenda, unkindness } = this.#world;
    const alarm = { atMs: wallMs };
    this.#alarm = alarm;
    const inMs = Math.max(1, alarm.atMs - agenda.nowMs) + random.between(0, unkindness.maxLateMs);
    agenda.after(inMs, () => {
      if (this.#alarm !== alarm) return;
      if (random.between(0, 999) < unkindness.lostAlarms) return;
      this.#alarm = null;
      this.ring();
      if (random.between(0, 999) < unkindness.doubledAlarms) this.ring();
    });
    return Promise.resolve();
  }

  ring(): void {
    const { driver, wake } = this.instance;
    wake.rang(driver.raft.wakeAtMs, heartbeatMs);
    driver.checkTime();
  }

  /** Somebody knocks, as the edge does on a replica when its leader does not answer. */
  poke(): void {
    this.instance.driver.checkTime();
  }
}

/**
 * Whole replicas without a Durable Object around them: drivers on memory disks, in a time of their
 * own. Everything is drawn from one seed. What leaves an instance waits for its disk as behind a
 * Durable Object's output gate.
 */
export class DriverWorld {
  readonly agenda = new Agenda();
  readonly random: Random;
  readonly ids: readonly string[];
  readonly hosts: ReadonlyMap<string, Host>;
  readonly instances: Instance[] = [];
  readonly aborts: string[] = [];
  /** How often something happened that a run is made to bring about. */
  readonly seen = { terms: 0, answersOfZombies: 0, callsOfZombies: 0, eventsOfZombies: 0 };
  unkindness: Unkindness = kind;
  /** The core's limits, the same for all replicas. Small ones are reached, so that what they do is seen. */
  sizes: Sizes = defaultSizes;
  /** Which instance led a term: never two, not even two of one replica. */
  readonly #leaderOf = new Map<number, Instance>();
  /** The term of each committed entry. */
  readonly #committed: number[] = [];

  constructor(seed: number, size = 3) {
    this.random = new Random(seed);
    this.ids = Array.from({ length: size }, (_, i) => String(i + 1));
    this.hosts = new Map(this.ids.map((id) => [id, new Host(this, id)]));
  }

  host(id: string): Host {
    return this.hosts.get(id)!;
  }

  get anyHost(): Host {
    return this.host(this.ids[this.random.between(0, this.ids.length - 1)]!);
  }

  /** The current instance that leads the newest term, if any does. */
  get leader(): Host | null {
    const leading = [...this.hosts.values()].filter(
      ({ instance }) => instance.driver.raft.role === "leader",
    );
    const termOf = (host: Host): number => host.instance.driver.raft.term;
    return leading.sort((a, b) => termOf(b) - termOf(a))[0] ?? null;
  }

  async runFor(ms: number): Promise<void> {
    await this.agenda.runUntil(this.agenda.nowMs + ms, () => this.#check());
  }

  /** Runs until something holds, and fails when that takes too long. */
  async runUntil(what: string, condition: () => boolean, withinMs = 10_000): Promise<void> {
    const endMs = this.agenda.nowMs + withinMs;
    while (!condition()) {
      if (this.agenda.nowMs >= endMs) throw new Error(`after ${withinMs} ms still not: ${what}`);
      await this.runFor(10);
    }
  }

  /** A message or its answer is on its way. Says whether it gets there, and after how long. */
  transit(from: string, to: Host): number | null {
    if (to.deafTo.has(from) || this.random.between(0, 999) < this.unkindness.lostMessages)
      return null;
    return this.random.between(0, this.unkindness.maxDelayMs);
  }

  /** Carries a call of one instance to a replica, and the answer back. */
  call(
    from: Host,
    caller: Instance,
    to: string,
    messages: readonly Message[],
    calls: Map<string, number>,
  ): void {
    const underWay = calls.get(to) ?? 0;
    const unreachable = (): void => {
      if (caller.isAlive) caller.driver.peerUnreachable(to);
    };
    if (underWay >= defaultSizes.maxInflightMessages + 2) {
      this.agenda.after(0, unreachable);
      return;
    }
    calls.set(to, underWay + 1);
    let isOver = false;
    const end = (then: () => void): void => {
      if (isOver) return;
      isOver = true;
      calls.set(to, calls.get(to)! - 1);
      then();
    };
    // As bytes, since on a real way nothing is shared.
    const bytes = toBytes(messages);
    const deliver = (): void => {
      const target = this.host(to);
      const delayMs = this.transit(from.id, target);
      if (delayMs === null) return;
      this.agenda.after(delayMs, () =>
        this.#handle(target, from, bytes, (answer) => {
          if (caller.isAlive) end(() => caller.driver.receiveAnswer(answer));
        }),
      );
    };
    if (caller.storage.isGone) this.seen.callsOfZombies++;
    void caller.storage.gate().then(() => {
      deliver();
      if (this.random.between(0, 999) < this.unkindness.doubledMessages) deliver();
    });
    this.agenda.after(callTimeoutMs, () => end(unreachable));
  }

  /** An edge asks a replica. `answer` gets what comes back, if anything does. */
  ask(
    host: Host,
    requests: readonly ClientRequest[],
    answer: (results: readonly ClientResult[], sequence: number) => void,
  ): void {
    const sent = fromBytes<ClientRequest[]>(toBytes(requests));
    this.agenda.after(this.random.between(0, this.unkindness.maxDelayMs), () => {
      this.#take(host.instance, (instance) => {
        void answerBatch(instance.driver, sent).then(async (results) => {
          const { sequence } = instance.driver.machine.state;
          await instance.storage.gate();
          if (!instance.isAlive) return;
          if (instance.storage.isGone) this.seen.answersOfZombies++;
          this.agenda.after(this.random.between(0, this.unkindness.maxDelayMs), () =>
            answer(results, sequence),
          );
        });
      });
    });
  }

  /**
   * An event starts, and goes on when its body has been read. By then the instance may be a zombie: only
   * the start is sure to find the current one.
   */
  #take(instance: Instance, work: (instance: Instance) => void): void {
    const { maxBodyMs } = this.unkindness;
    if (maxBodyMs === 0) return work(instance);
    this.agenda.after(this.random.between(0, maxBodyMs), () => {
      if (!instance.isAlive) return;
      if (instance.storage.isGone) this.seen.eventsOfZombies++;
      work(instance);
    });
  }

  #handle(
    target: Host,
    from: Host,
    bytes: Uint8Array,
    back: (messages: readonly Message[]) => void,
  ): void {
    this.#take(target.instance, (instance) => {
      const answer = toBytes(instance.driver.receiveCall(from.id, fromBytes<Message[]>(bytes)));
      void instance.storage.gate().then(() => {
        const delayMs = instance.isAlive ? this.transit(target.id, from) : null;
        if (delayMs !== null) this.agenda.after(delayMs, () => back(fromBytes<Message[]>(answer)));
      });
    });
  }

  /** What must hold after every event, of zombies as well. */
  #check(): void {
    if (this.aborts.length > 0) throw new Error(`a driver aborted: ${this.aborts.join("\n")}`);
    for (const instance of this.instances) {
      const { raft } = instance.driver;
      if (raft.role === "leader") {
        const known = this.#leaderOf.get(raft.term) ?? instance;
        this.#leaderOf.set(raft.term, known);
        this.seen.terms = this.#leaderOf.size;
        if (known !== instance) throw new Error(`term ${raft.term} has two leaders`);
      }
      while (instance.checkedCommit < raft.log.commitIndex) {
        instance.checkedCommit = offset(instance.checkedCommit, 1);
        this.#checkCommitted(raft.log.idAt(instance.checkedCommit));
      }
    }
  }

  /** A committed entry is durable on a majority, and is the same on every replica for ever. */
  #checkCommitted({ term, index }: EntryId): void {
    const known = (this.#committed[index] ??= term);
    if (known !== term)
      throw new Error(`entry ${index} was committed in term ${known} and ${term}`);
    const holders = [...this.hosts.values()].filter(
      ({ disk }) => disk.durableEntries[index - 1]?.term === term,
    );
    if (holders.length < majority(this.ids.length)) {
      throw new Error(`entry ${term}/${index} was committed with ${holders.length} durable copies`);
    }
  }
}
