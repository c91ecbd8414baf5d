import { defaultSizes } from "../../src/raft/config.ts";
import { chunkBytes as usualChunkBytes } from "../../src/replica/chunked-export.ts";
import type { LogLimits } from "../../src/replica/compaction.ts";
import { type Configuration, type Member, halvesOf, isMember } from "../../src/raft/membership.ts";
import { majority } from "../../src/raft/quorum.ts";
import { Leader } from "../../src/raft/leader.ts";
import type { Message } from "../../src/raft/messages.ts";
import { Random } from "../../src/raft/random.ts";
import { windowSize } from "../../src/kv/request-window.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import type { PeerVersion } from "../../src/protocol/peer.ts";
import { Violation, check } from "../invariants/check.ts";
import { Invariants } from "../invariants/invariants.ts";
import type { Life, Step } from "../invariants/life.ts";
import { foundedBy } from "../support/members.ts";
import { Agenda } from "./agenda.ts";
import { Corruptions, wrongRow, wrongState } from "./corruptions.ts";
import { Builds, passed } from "./builds.ts";
import { Host } from "./host.ts";
import { Hearsay } from "./hearsay.ts";
import { Ledger } from "./ledger.ts";
import type { SimulatedLife } from "./life.ts";
import { type Cargo, Links } from "./links.ts";
import { Proposals } from "./proposals.ts";
import { type Sizes, drawLogLimits, drawSizes } from "./sizes.ts";
import { Sightings } from "./sometimes.ts";
import { Tally } from "./tally.ts";
import { type Timing, drawTiming } from "./timing.ts";
import type { Trace } from "./trace.ts";
import { VirtualHost } from "./virtual-host.ts";
import type { Plan } from "./run.ts";
import { Watcher } from "./watcher.ts";
import { type Weather, hasRightClocks } from "./weather.ts";

/** What somebody hears of a call to a replica: one of the two, or nothing. */
interface Hearing<Answer> {
  readonly answered: (answer: Answer) => void;
  readonly failed: () => void;
}

type PeerHearing = Hearing<readonly Message[]>;

/**
 * A group of replicas in a time of its own, with the ways to them. Everything is drawn from one
 * seed, each concern from a stream of its own, so that leaving one out changes little of the others.
 */
export class World {
  readonly seed: number;
  /** The replicas that the group is founded with. */
  readonly founders: readonly string[];
  readonly agenda = new Agenda();
  readonly seen = new Sightings();
  readonly watcher = new Watcher(this);
  readonly trace: Trace;
  readonly links: Links;
  /** All replicas that there ever were. */
  readonly hosts = new Map<string, Host>();
  readonly #durables = new Map<string, Pick<Life, "id" | "durable">>();
  readonly invariants: Invariants;
  readonly ledger: Ledger;
  readonly proposals: Proposals;
  /** Whether all clocks show the world's time. */
  readonly clocksAreRight: boolean;
  readonly hearsay = new Hearsay();
  readonly tally = new Tally();
  readonly corruptions = new Corruptions();
  readonly virtual: VirtualHost;
  readonly builds: Builds;
  /** The founders, as replicas know each other. */
  readonly #members: readonly Member[];
  /** The core's limits and timers, the same for all replicas. */
  readonly sizes: Sizes;
  readonly timing: Timing;
  /** How long logs may become, and how much of a snapshot goes in one message. */
  readonly logLimits: LogLimits;
  readonly chunkBytes: number;
  /** After how many entries replicas compare their states. */
  readonly digestEvery: number;
  /** How many outcomes of requests replicas remember. */
  readonly requestWindow: number;
  #weather: Weather;
  readonly #calls: Random;
  #violation: Error | null = null;
  /** Steps that wrote, by replica. */
  readonly #writes = new Map<string, number>();
  readonly #messages = new Map<string, number>();
  /** Writes of clients that are under way. */
  openWrites = 0;
  /** Until when clients want nothing. */
  lullUntilMs = 0;

  /** @param core replaces what is drawn of the core's timers. */
  constructor({ seed, replicas, weather }: Plan, trace: Trace, core: Partial<Timing["core"]> = {}) {
    this.seed = seed;
    this.#weather = weather;
    this.trace = trace;
    trace.follow(this.agenda);
    this.founders = Array.from({ length: replicas }, (_, i) => String(i + 1));
    this.#calls = this.random("calls");
    this.sizes = weather.smallSizes > 0 ? drawSizes(this.random("sizes")) : defaultSizes;
    this.requestWindow = [8, 50, windowSize, windowSize][this.random("window").between(0, 3)]!;
    this.builds = new Builds(this.random("builds"), this.founders);
    this.clocksAreRight = hasRightClocks(weather);
    this.ledger = new Ledger({
      seen: this.seen,
      corruptions: this.corruptions,
      window: this.requestWindow,
      nowMs: () => this.agenda.nowMs,
      keepsPace: weather.clockJumpEveryMs + weather.clockStopEveryMs === 0,
      isPunctual: this.clocksAreRight && !this.builds.isMixed,
    });
    this.proposals = new Proposals(this);
    // What has been tampered with is to be found within a run.
    const often = weather.corruptEveryMs > 0 ? 3 : 4;
    this.digestEvery = [1, 2, 5, 20, 256][this.random("digests").between(0, often)]!;
    const timing = drawTiming(this.random("timing"));
    this.timing = { ...timing, core: { ...timing.core, ...core } };
    this.logLimits = drawLogLimits(this.random("log"));
    this.chunkBytes = [50, 100, 100, 300, usualChunkBytes][this.random("chunks").between(0, 4)]!;
    this.#members = foundedBy(this.founders).voters;
    this.virtual = new VirtualHost(this.agenda, this.random("edges"));
    this.links = new Links(this.agenda, this.random("links"), this.seen, weather);
    this.invariants = new Invariants(foundedBy(this.founders), this.#durables);
    for (const id of this.founders) this.host(id);
  }

  get weather(): Weather {
    return this.#weather;
  }

  /** The faults of the weather come less, or not at all. What has happened is not undone. */
  set weather(weather: Weather) {
    this.#weather = weather;
    this.links.weather = weather;
  }

  /** Random numbers for one concern, which do not depend on how many others draw. */
  random(concern: string): Random {
    let mixed = this.seed;
    for (const char of concern) mixed = (Math.imul(mixed, 31) + char.charCodeAt(0)) | 0;
    return new Random(mixed);
  }

  /** The replica of that id, which comes into being when it is first called. */
  host(id: string): Host {
    const known = this.hosts.get(id);
    if (known !== undefined) return known;
    const host = new Host(this, id, this.random(`replica ${id}`));
    host.skewMs = this.random(`skew ${id}`).between(-this.weather.skewMs, this.weather.skewMs);
    this.hosts.set(id, host);
    this.#durables.set(id, { id, durable: host.disk.durable });
    return host;
  }

  /** Those that have not left, as far as they know. */
  get ids(): readonly string[] {
    return [...this.hosts.values()].filter(({ hasLeft }) => !hasLeft).map(({ id }) => id);
  }

  /** Who belongs to the group, by the newest configuration that is committed. */
  get configuration(): Configuration {
    return this.invariants.members.configuration;
  }

  /** The current life that leads the newest term, if any does. */
  get leader(): SimulatedLife | null {
    let leader: SimulatedLife | null = null;
    for (const { current } of this.hosts.values()) {
      if (current?.raft.role !== "leader") continue;
      if (leader === null || current.raft.term > leader.raft.term) leader = current;
    }
    return leader;
  }

  /** Runs for so many ms. Throws what was violated first. */
  async runFor(ms: number): Promise<void> {
    await this.agenda.runUntil(this.agenda.nowMs + ms, () => {
      if (this.#violation !== null) throw this.#violation;
    });
  }

  /** Runs until something holds. Violates liveness when that takes too long. */
  async runUntil(what: string, condition: () => boolean, withinMs: number): Promise<void> {
    const endMs = this.agenda.nowMs + withinMs;
    while (!condition()) {
      check(this.agenda.nowMs < endMs, "liveness", () => `after ${withinMs} ms still not: ${what}`);
      await this.runFor(10);
    }
  }

  /** Runs until somebody's work has ended, and well. */
  async finish(what: string, work: Promise<unknown>, withinMs: number): Promise<void> {
    let ended: Error | "well" | null = null;
    work.then(
      () => (ended = "well"),
      (error: unknown) => (ended = error as Error),
    );
    await this.runUntil(what, () => ended !== null, withinMs);
    check(ended === "well", "liveness", () => (ended as unknown as Error).message);
  }

  /** How often these replicas have written. */
  written(hosts: readonly Host[]): number {
    return hosts.reduce((sum, { id }) => sum + (this.#writes.get(id) ?? 0), 0);
  }

  /** A call of one replica to another. */
  call(
    from: string,
    to: string,
    messages: readonly Message[],
    { answered, failed }: PeerHearing,
  ): void {
    this.judge(() => this.invariants.members.mayBeCalled(to));
    const version = this.builds.versionBetween(from, to);
    // The whole call counts as lost, as src/replica/peers.ts has it.
    if (passed(version, messages, this.#members).length < messages.length) {
      if (version === 1) this.seen.saw("message that peer version 1 cannot say");
      this.agenda.after(1, failed);
      return;
    }
    const arrive = this.#copied(version, messages);
    this.#exchange<() => Message[]>(
      from,
      to,
      "peer request",
      (life, back) => life.receive(from, arrive(), (answer) => back(this.#copied(version, answer))),
      { answered: (arriveBack) => answered(arriveBack()), failed },
    );
  }

  /** Messages go as bytes, since on a real way nothing is shared. Returns what becomes of them. */
  #copied(version: PeerVersion, messages: readonly Message[]): () => Message[] {
    if (version !== 3) this.seen.saw(`message in peer version ${version}`, messages.length);
    const whole = passed(version, messages, this.#members);
    const bytes = toBytes(whole.map(({ said }) => said));
    return () => {
      const copies = fromBytes<Message[]>(bytes);
      copies.forEach((copy, i) => this.invariants.following.arrives(copy, whole[i]!.sent));
      return copies;
    };
  }

  /** A call of an edge to a replica. */
  ask(
    edge: string,
    id: string,
    {
      take,
      ...hearing
    }: Hearing<Uint8Array> & {
      take: (life: SimulatedLife, back: (answer: unknown) => void, beganMs: number) => void;
    },
  ): void {
    const { seen } = this;
    this.#exchange<Uint8Array>(
      edge,
      id,
      "edge request",
      (life, back, beganMs) => {
        const answer = (said: unknown): void => {
          if (life.isReplaced) seen.saw("zombie still answers");
          back(toBytes(said));
        };
        take(life, answer, beganMs);
      },
      hearing,
    );
  }

  /** A life begins. It knows what was durable when the last one ended, and nothing else. */
  booted(life: SimulatedLife): SimulatedLife {
    const { raft, durable, number } = life;
    const { hardState, log } = durable;
    this.trace.note(() => `${life.id} boots, life ${number}`);
    if (this.#isHopeless(raft.log.configuration)) this.#violation ??= new Hopeless();
    if (raft.audit.hasDiverged) this.seen.saw("restart of a diverged replica");
    this.judge(() => {
      const isTrue =
        raft.role === "follower" &&
        raft.term === hardState.term &&
        raft.vote === hardState.vote &&
        raft.log.last.index === log.last.index &&
        raft.log.last.term === log.last.term &&
        raft.audit.divergedIndex === durable.audit.divergedIndex;
      check(isTrue, "restart", () => `${life.id} does not boot with what is durable`);
    });
    return life;
  }

  /** A life has found that its replica belongs to the group no more. */
  left({ id }: SimulatedLife): void {
    this.seen.saw("replica has left");
    this.trace.note(() => `${id} has left`);
    this.judge(() => this.invariants.members.left(id));
  }

  /** A life has a snapshot in the place of its state: it must be the state of that moment. */
  installed({ id, driver, isAlive, storage, raft: { leader } }: SimulatedLife): void {
    if (!isAlive) return;
    // Nothing can be said any more of a group in which a wrong state spreads before it is found.
    if (this.corruptions.has(leader ?? "")) {
      this.seen.saw("wrong state spreads");
      this.#violation ??= new Hopeless();
    }
    // Until it is durable, a crash may bring back what was there.
    void storage.gate().then(() => this.corruptions.repaired(id));
    if (storage.outcomes.newest() !== null) this.seen.saw("outcome of a name by snapshot");
    this.judge(() => {
      this.ledger.holds(id, driver.machine.state, storage);
    });
  }

  /** Tampers with what a replica has, if most others are right and nothing is on its way to the disk. */
  corrupt({ id, disk, current }: Host, random: Random): void {
    const logs = [...this.hosts.values()].flatMap((host) => host.current?.raft.log ?? []);
    const configurations = [this.configuration, ...logs.map((log) => log.configuration)];
    const isTooMany = configurations.some((each) => this.#isHopeless(each, id));
    const isBusy = (current?.storage.pendingTurns ?? 0) > 0;
    // Who has been repaired counts among the wrong ones as long as the leader does not know it.
    const leader = this.leader?.raft.roleHandler;
    const isRepairing =
      leader instanceof Leader &&
      [...leader.followers.values()].some((each) => each.diverged !== null);
    if (isTooMany || isBusy || isRepairing || !isMember(this.configuration, id)) return;
    const keys: string[] = [];
    disk.tamper(({ rows }) => keys.splice(0, keys.length, ...rows.keys()));
    const key =
      random.between(0, 2) === 0 ? null : (keys[random.between(0, keys.length - 1)] ?? null);
    if (key === null && this.corruptions.hasHashOf(id)) return;
    this.trace.note(() => `corrupt ${key ?? "the hash"} at ${id}`);
    this.seen.saw("state corrupted");
    if (current?.raft.role === "leader") this.seen.saw("leader's state corrupted");
    this.corruptions.add(id, key);
    if (key !== null) {
      disk.tamper(({ rows }) => rows.set(key, wrongRow(rows.get(key)!)));
      return;
    }
    disk.tamper((state) => (state.machine = wrongState(state.machine)));
    const { machine } = current?.driver ?? {};
    machine?.restore(wrongState(machine.state));
  }

  /** Whether those whose state is right can't outvote the others, with one more of these. */
  #isHopeless(configuration: Configuration, more = ""): boolean {
    const isRight = ({ id }: Member): boolean => id !== more && !this.corruptions.has(id);
    return halvesOf(configuration).some(
      (voters) => voters.filter(isRight).length < majority(voters.length),
    );
  }

  /** A driver found its memory in doubt without having been given a reason to. */
  aborted(life: SimulatedLife, error: unknown): void {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#violation ??= new Violation("no assertion fails", `${life.id} aborts: ${what}`);
  }

  /** How long clients should wait so as to want nothing in a lull. */
  pauseOf(ms: number): number {
    return Math.max(ms, this.lullUntilMs - this.agenda.nowMs);
  }

  /** Messages that left these replicas. */
  messagesOf(hosts: readonly Host[]): number {
    return hosts.reduce((sum, { id }) => sum + (this.#messages.get(id) ?? 0), 0);
  }

  /** A message leaves a replica. */
  sent(message: Message): void {
    this.#messages.set(message.from, (this.#messages.get(message.from) ?? 0) + 1);
    this.judge(() => this.invariants.sent(message));
    this.watcher.sent(message);
  }

  /** A core has done a step. */
  stepped(step: Step): void {
    this.trace.step(this.agenda.nowMs, step);
    this.judge(() => {
      this.invariants.stepped(step);
      this.proposals.stepped(step);
      this.ledger.read(this.invariants.commits.committed);
      const { output, before, replica } = step;
      if (output.persist !== null || replica.raft.log.commitIndex > before.commitIndex) {
        for (const { current } of this.hosts.values()) {
          if (current !== null) this.invariants.commits.isUpToDate(current);
        }
      }
      const { id, isReplaced, raft } = replica;
      const isRight = isReplaced || !raft.audit.hasDiverged || this.corruptions.has(id);
      check(isRight, "no false alarm", () => `${id} takes its state for wrong, and it is right`);
      if (step.input.type === "applied") {
        const { driver, storage } = step.replica as SimulatedLife;
        this.ledger.applied(id, before.appliedIndex, driver.machine.state, storage);
      }
    });
    const { output, before, replica } = step;
    if (output.persist !== null && !replica.isReplaced) {
      this.#writes.set(replica.id, (this.#writes.get(replica.id) ?? 0) + 1);
    }
    const { configuration } = replica.raft.log;
    const isChanged = configuration !== before.configuration;
    if (isChanged && this.#isHopeless(configuration)) this.#violation ??= new Hopeless();
    this.watcher.stepped(step);
  }

  #exchange<Answer>(
    from: string,
    to: string,
    cargo: Cargo,
    take: (life: SimulatedLife, back: (answer: Answer) => void, beganMs: number) => void,
    { answered, failed }: Hearing<Answer>,
  ): void {
    const fail = (): void => void this.agenda.after(1, failed);
    if (this.#chance(this.weather.refusedCalls)) return fail();
    this.links.carry(from, to, cargo, () => {
      this.host(to).event(
        (life, done, beganMs) => {
          const back = (answer: Answer): void => {
            done();
            this.links.carry(to, from, "answer", () => answered(answer));
          };
          take(life, back, beganMs);
        },
        // A caller may find out that whom it called is gone, or may not.
        () => this.#chance(500) && fail(),
      );
    });
  }

  /** What a check finds must not be caught by whoever was just at work. */
  judge(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#violation ??= error as Error;
    }
  }

  #chance(thousandths: number): boolean {
    return this.#calls.between(0, 999) < thousandths;
  }
}

/**
 * A wrong state has spread before it was found, or voters have left so that no majority is right. Not a
 * violation, since a group can't be asked to see that; and nothing can be said of it any more.
 */
export class Hopeless extends Error {}
