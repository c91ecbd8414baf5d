import type {
  ClientBatch,
  ClientBatchResult,
  ClientResult,
  ReadIndexRequest,
  StatusResult,
} from "../../src/protocol/client.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import { newestPeerVersion } from "../../src/protocol/peer.ts";
import { defaultSizes } from "../../src/raft/config.ts";
import type { Message } from "../../src/raft/messages.ts";
import type { Raft } from "../../src/raft/raft.ts";
import { maxRounds } from "../../src/raft/read-index.ts";
import { asIndex } from "../../src/raft/types.ts";
import { answerBatch } from "../../src/replica/client-api.ts";
import { MonotonicClock } from "../../src/replica/clock.ts";
import { Driver } from "../../src/replica/driver.ts";
import { answerOfLeft } from "../../src/replica/left.ts";
import { isBareSignOfLife } from "../../src/replica/peers.ts";
import type { Clock, ConfirmedIndex } from "../../src/replica/ports.ts";
import { describeServer, describeStatus } from "../../src/replica/status.ts";
import { AlarmWake } from "../../src/replica/wake.ts";
import { check } from "../invariants/check.ts";
import { type Durable, type Life, beforeStep } from "../invariants/life.ts";
import type { MemoryStorage } from "../support/memory-storage.ts";
import type { Host } from "./host.ts";

/** Calls under way to one peer, as src/replica/replica.ts bounds them. */
const maxCalls = defaultSizes.maxInflightMessages + maxRounds + 2;

/**
 * One life of a replica: from an event that found none to a crash, and beyond it as a zombie. It is
 * what src/replica/replica.ts is in production: it turns events into calls of the driver.
 */
export class SimulatedLife implements Life {
  readonly storage: MemoryStorage;
  /** How many lives the replica has had, this one included. */
  readonly number: number;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly #host: Host;
  readonly #wake: AlarmWake;
  readonly #underWay = new Map<string, number>();
  /** To be told when this life ends: callers whose call it has not answered. */
  readonly #callers = new Set<() => void>();
  #isAlive = true;
  /** When the alarm that it has set is due, in its driver's time; null when it has rung. */
  #armedMs: number | null = null;

  constructor(host: Host, number: number) {
    const { world, id, disk } = host;
    this.#host = host;
    this.number = number;
    this.storage = disk.open();
    const clock = new MonotonicClock(() => host.wallMs);
    this.clock = clock;
    const alarm = {
      set: (wallMs: number) => {
        this.#armedMs = wallMs + (clock.nowMs() - host.wallMs);
        return this.#setAlarm(wallMs);
      },
      delete: () => {
        this.#armedMs = null;
        if (!this.isReplaced) host.deleteAlarm();
        return Promise.resolve();
      },
    };
    this.#wake = new AlarmWake(alarm, clock);
    this.driver = new Driver(
      {
        id,
        seed: host.random.between(1, 1_000_000),
        ...world.timing.core,
        ...world.sizes,
      },
      {
        log: world.logLimits,
        requestWindow: world.requestWindow,
        digestEvery: world.digestEvery,
      },
      {
        storage: this.storage,
        peers: {
          send: (to, messages) => this.#send(to, messages),
          keepsWaiting: (node) => world.builds.versionBetween(id, node) < newestPeerVersion,
          readIndex: (leader, request) => this.#readIndex(leader, request),
        },
        wake: { arm: (atMs) => this.#arm(atMs, clock.nowMs()) },
        clock,
        diverged: (at) =>
          world.trace.note(() => `${id} ${at === null ? "is repaired" : "has diverged"}`),
        abort: (error) => {
          host.ended(this, error);
          this.end();
        },
        left: () => host.left(this),
      },
    );
    this.#watch();
  }

  get id(): string {
    return this.#host.id;
  }

  get raft(): Raft {
    return this.driver.raft;
  }

  get durable(): Durable {
    return this.#host.disk.durable;
  }

  get isReplaced(): boolean {
    return this.storage.isGone;
  }

  /** Whether its code still runs. */
  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Whether the replica has left the group. Then its object only says so. */
  get hasLeft(): boolean {
    return this.storage.left !== null;
  }

  /** Whether it waits for nothing: no disk, no answer, no client. */
  get isIdle(): boolean {
    const calls = [...this.#underWay.values()].reduce((sum, count) => sum + count, 0);
    return this.storage.pendingTurns === 0 && calls === 0 && this.#callers.size === 0;
  }

  /** The replica's alarm rings. */
  ring(): void {
    this.#armedMs = null;
    if (this.hasLeft) return;
    this.#wake.rang(this.driver.wakeAtMs, this.#host.world.timing.core.heartbeatMs);
    this.driver.checkTime();
  }

  /** Answers a peer's call. `back` is called when the gate lets the answer go. */
  receive(
    from: string,
    messages: readonly Message[],
    back: (answer: readonly Message[]) => void,
  ): void {
    const { left } = this.storage;
    const answer =
      left === null ? this.driver.receiveCall(from, messages) : answerOfLeft(left, messages);
    this.#afterGate(answer, () => back(answer));
  }

  /**
   * Answers a batch of an edge, as src/replica/replica.ts does.
   *
   * @param beganMs when the event began that brought it.
   */
  answer(
    { version, requests }: ClientBatch,
    back: (answer: ClientBatchResult) => void,
    beganMs = this.clock.nowMs(),
  ): void {
    const notLeader: ClientResult = { type: "notLeader", leader: null };
    const answered = this.hasLeft
      ? Promise.resolve(requests.map(() => notLeader))
      : answerBatch(this.driver, requests, beganMs);
    void answered.then((results) => {
      const answer: ClientBatchResult = {
        version,
        results,
        servedBy: describeServer(this.id, this.driver),
        sequence: this.driver.machine.state.sequence,
      };
      this.#afterGate([], () => back(answer));
    });
  }

  poke(back: (status: StatusResult) => void): void {
    if (this.hasLeft) return this.status(back);
    const { role } = this.raft;
    this.driver.poke();
    if (role === "follower" && this.raft.role !== role) {
      this.#host.world.seen.saw("election begun by a poke");
    }
    this.status(back);
  }

  status(back: (status: StatusResult) => void): void {
    const { id } = this.#host;
    if (this.storage.left !== null) {
      const { members } = this.storage.left;
      return this.#afterGate([], () => back({ type: "left", id, members }));
    }
    this.#wake.arm(this.driver.wakeAtMs);
    const status = describeStatus(id, this.driver);
    this.#afterGate([], () => back(status));
  }

  /** Somebody waits for this life to do something. Returns how to stop waiting. */
  waitFor(lost: () => void): () => void {
    this.#callers.add(lost);
    return () => this.#callers.delete(lost);
  }

  /** Its code runs no further, and whoever waits for it may find out. */
  end(): void {
    this.#isAlive = false;
    this.storage.crash();
    const callers = [...this.#callers];
    this.#callers.clear();
    for (const lost of callers) lost();
  }

  /** Sends what leaves now: it waits for what was written before, and for nothing after. */
  #send(to: string, messages: readonly Message[]): void {
    const { world, id } = this.#host;
    const underWay = this.#underWay.get(to) ?? 0;
    const unreachable = (): void => {
      this.#host.whenRunning(() => this.#isAlive && this.driver.peerUnreachable(to, messages));
    };
    if (underWay >= maxCalls) {
      if (messages.every(isBareSignOfLife)) return;
      world.agenda.after(0, unreachable);
      return;
    }
    this.#underWay.set(to, underWay + 1);
    let isOver = false;
    const end = (then: () => void): void => {
      if (isOver || !this.#isAlive) return;
      isOver = true;
      timeout.isCalledOff = true;
      this.#underWay.set(to, this.#underWay.get(to)! - 1);
      then();
    };
    const timeout = world.agenda.after(world.timing.callMs, () => end(unreachable));
    if (this.isReplaced) world.seen.saw("zombie still calls");
    this.#afterGate(messages, () => {
      world.call(id, to, messages, {
        answered: (answer) =>
          this.#host.whenRunning(() => end(() => this.driver.receiveAnswer(answer))),
        failed: () => end(unreachable),
      });
    });
  }

  /** Asks a leader, as src/replica/peers.ts does. */
  #readIndex(leader: string, request: ReadIndexRequest): Promise<ConfirmedIndex | null> {
    const { world, id } = this.#host;
    return new Promise((resolve) => {
      world.agenda.after(world.timing.callMs, () => resolve(null));
      this.#afterGate([], () => {
        world.ask(id, leader, {
          take: (life, back, beganMs) =>
            life.answer({ version: 2, requests: [request] }, back, beganMs),
          answered: (bytes) => this.#host.whenRunning(() => resolve(confirmedIn(bytes))),
          failed: () => resolve(null),
        });
      });
    });
  }

  /** Whatever is due, there is an alarm for it by then; and none where nothing is, for all who sleep. */
  #arm(atMs: number | null, nowMs: number): void {
    this.#wake.arm(atMs);
    if (atMs === null) {
      const isSet = this.#host.hasAlarm && this.raft.isAsleep && !this.isReplaced;
      this.#host.world.judge(() => check(!isSet, "alarm", () => `${this.id} sleeps with one set`));
      return;
    }
    const isInTime = this.#armedMs !== null && this.#armedMs <= Math.max(atMs, nowMs + 1);
    this.#host.world.judge(() => {
      check(isInTime, "alarm", () => `${this.id} has one at ${this.#armedMs}, wants ${atMs}`);
    });
  }

  /** To set the alarm is to write, which a zombie cannot. */
  #setAlarm(wallMs: number): Promise<void> {
    return this.isReplaced ? Promise.resolve() : this.#host.setAlarm(wallMs);
  }

  /** What leaves a replica waits at the output gate for all that was written before. */
  #afterGate(messages: readonly Message[], leave: () => void): void {
    void this.storage.gate().then(() => {
      if (!this.#isAlive) return;
      for (const message of messages) this.#host.world.sent(message);
      leave();
    });
  }

  /** The core tells nobody about its steps, so it is watched. */
  #watch(): void {
    const { raft } = this;
    const step = raft.step.bind(raft);
    raft.step = (input) => {
      const before = beforeStep(raft);
      const output = step(input);
      this.#host.world.stepped({ replica: this, input, output, before });
      // By then the driver has put it in place.
      const { install = null, repair = null } = output.persist ?? {};
      if (install !== null || repair !== null)
        queueMicrotask(() => this.#host.world.installed(this));
      return output;
    };
  }
}

function confirmedIn(bytes: Uint8Array): ConfirmedIndex | null {
  const { results, servedBy } = fromBytes<ClientBatchResult>(bytes);
  const [result] = results;
  if (result?.type !== "index") return null;
  return { index: asIndex(result.index), epoch: servedBy.epoch ?? 1 };
}
