import type { RaftConfig } from "../../src/raft/config.ts";
import {
  describeId,
  describeInput,
  describeOutput,
  describeRaft,
} from "../../src/raft/describe.ts";
import type { Message } from "../../src/raft/messages.ts";
import { Random } from "../../src/raft/random.ts";
import { type NodeId, asIndex } from "../../src/raft/types.ts";
import { Cluster } from "./cluster.ts";
import { check } from "../invariants/check.ts";
import { Invariants } from "../invariants/invariants.ts";
import { foundedBy } from "./members.ts";
import { Requests, dataOf } from "./requests.ts";
import type { StepRecord, TestReplica } from "./test-replica.ts";

const maxInFlight = 60;
const maxKept = 12;
const traceLength = 60;
/** After so many actions the weather changes. */
const phase = 150;

/**
 * Does random things to a cluster, always the same for one seed: messages come late, twice, out of
 * order or never, disks and machines lag, replicas crash and return, time passes and alarms are
 * late. Then everything heals, and the cluster must too.
 */
export class RandomWalk {
  readonly #random: Random;
  readonly #cluster: Cluster;
  readonly #invariants: Invariants;
  readonly #requests: Requests;
  /** Copies of messages that come again when everybody has forgotten them. */
  readonly #kept: Message[] = [];
  readonly #trace: StepRecord[] = [];
  #actions: readonly (readonly [number, () => unknown])[] = [];
  #lossPercent = 0;
  #boots = 0;
  #hasCorrupted = false;

  constructor(seed: number, size: number) {
    this.#random = new Random(seed);
    const ids = Array.from({ length: size }, (_, i) => `n${i + 1}`);
    this.#cluster = new Cluster(ids, this.#settings(), (step) => this.#observe(step));
    this.#invariants = new Invariants(foundedBy(ids), this.#cluster.replicas);
    this.#requests = new Requests(this.#invariants);
    const { network } = this.#cluster;
    const send = network.send.bind(network);
    network.send = (message) => {
      this.#invariants.sent(message);
      send(message);
    };
    // States are compared after every entry, or not at all.
    const digestEvery = this.#among(1, Number.POSITIVE_INFINITY);
    for (const replica of this.#replicas) {
      replica.isQuiet = true;
      replica.digestEvery = digestEvery;
      replica.fastDisk = this.#chance(20);
      replica.fastMachine = this.#chance(20);
    }
  }

  get committed(): number {
    return this.#invariants.commits.committed.length;
  }

  /** The newest steps as text, to understand a failure with. */
  get trace(): string[] {
    return this.#trace.flatMap(({ replica, input, output }) => [
      `${input.nowMs} ${replica.id} ${describeInput(input)}`,
      ...describeOutput(output).map((line) => `  ${line}`),
    ]);
  }

  run(actions: number): void {
    this.#anyone().campaign();
    for (let i = 0; i < actions; i++) {
      if (i % phase === 0) this.#changeWeather();
      this.#act();
      this.#requests.checkCommitted();
    }
    this.#invariants.commits.quorumHoldsCommitted();
  }

  /**
   * Everything works again: soon there must be one leader, equal logs, and an end to every request.
   */
  heal(): void {
    const cluster = this.#cluster;
    cluster.network.partition([]);
    cluster.network.mute(null);
    for (const replica of this.#replicas) {
      replica.fastDisk = true;
      replica.fastMachine = true;
    }
    cluster.stabilize();
    const { electionMaxMs } = this.#replicas[0]!.config;
    for (let i = 0; i < 20 && !this.#isCalm(); i++) cluster.advance(electionMaxMs, true);
    check(this.#isCalm(), "liveness", () => this.#state());
    const { term } = cluster.leaders[0]!.raft;
    // Its own state may be what turns out to be wrong.
    const mayFall = this.#isAnyWrong;
    this.#propose(cluster.leaders[0]!);
    cluster.advance(10 * electionMaxMs, true);
    const isSteady = mayFall || cluster.leaders[0]?.raft.term === term;
    check(this.#isCalm() && isSteady && !this.#isAnyWrong, "calm", () => this.#state());
    this.#requests.checkCommitted();
    this.#invariants.commits.quorumHoldsCommitted();
  }

  get #replicas(): TestReplica[] {
    return [...this.#cluster.replicas.values()];
  }

  #settings(): Partial<RaftConfig> {
    return {
      seed: this.#random.between(0, 1_000_000),
      heartbeatMs: 10,
      electionMinMs: 40,
      electionMaxMs: this.#among(60, 100),
      patienceMs: this.#among(100, 300),
      restMs: this.#among(0, 5, 20, 100),
      maxMessageBytes: this.#among(1, 10, 30, 1000),
      maxInflightMessages: this.#among(1, 2, 3),
      maxInflightBytes: this.#among(1, 20, 1000),
      maxUncommittedBytes: this.#among(10, 100, 1000),
      maxApplyBytes: this.#among(1, 20, 1000),
      logCacheBytes: this.#among(0, 20, 1000),
    };
  }

  /** Draws anew how often what happens, since no one mix finds everything. */
  #changeWeather(): void {
    this.#lossPercent = this.#among(0, 2, 10);
    this.#actions = this.#weights(this.#replicas.length);
  }

  #weights(size: number): [number, () => unknown][] {
    return [
      [12 * size, () => this.#deliver()],
      [this.#among(1, 4, 10), () => this.#passTime(this.#random.between(1, 8))],
      [this.#among(0, 1), () => this.#passTime(this.#replicas[0]!.config.electionMaxMs)],
      [this.#among(0, 1, 3), () => this.#cluster.stabilize(this.#some())],
      [8, () => this.#mayAsk() && this.#propose(this.#someone())],
      [7, () => this.#mayAsk() && this.#read(this.#someone())],
      [this.#among(3, 6, 12) * size, () => this.#workDisk(this.#anyone())],
      [2 * size, () => this.#workMachine(this.#anyone())],
      [this.#among(0, 1, 3), () => this.#crash(this.#anyone())],
      [this.#among(0, 1, 2), () => this.#partition()],
      [this.#among(0, 1, 5), () => this.#compact(this.#anyone())],
      [this.#among(0, 0, 2), () => this.#corrupt(this.#anyone())],
      [1, () => void this.#anyone().unreachable(this.#anyone().id)],
      [1, () => void this.#anyone().poke()],
      [this.#among(0, 1), () => void this.#someone().transfer(this.#anyone().id)],
      [this.#among(0, 1), () => void this.#anyone().campaign()],
      [1, () => void this.#anyone().time()],
    ];
  }

  #act(): void {
    while (this.#cluster.network.inFlight.length > maxInFlight) this.#takeAny();
    const total = this.#actions.reduce((sum, [weight]) => sum + weight, 0);
    let dice = this.#random.between(1, total);
    for (const [weight, action] of this.#actions) {
      dice -= weight;
      if (dice <= 0) {
        action();
        return;
      }
    }
  }

  #deliver(): void {
    const again = this.#kept.length > 0 && this.#chance(4);
    const message = again
      ? this.#kept[this.#random.between(0, this.#kept.length - 1)]
      : this.#takeAny();
    if (message === undefined || this.#chance(this.#lossPercent)) return;
    if (this.#chance(8)) this.#keep(message);
    this.#cluster.hand(message);
    if (this.#chance(4)) this.#cluster.hand(message);
  }

  /** Mostly in order, as a real network is, so that something gets done. */
  #takeAny(): Message | undefined {
    const { network } = this.#cluster;
    const { length } = network.inFlight;
    if (length === 0) return undefined;
    const place = this.#chance(60) ? 0 : this.#random.between(0, length - 1);
    const chosen = network.inFlight[place];
    return network.take((message) => message === chosen)[0];
  }

  #keep(message: Message): void {
    if (this.#kept.length < maxKept) this.#kept.push(message);
    else this.#kept[this.#random.between(0, maxKept - 1)] = message;
  }

  #passTime(ms: number): void {
    const cluster = this.#cluster;
    cluster.nowMs += ms;
    for (const replica of cluster.up) {
      const isDue = (replica.raft.wakeAtMs ?? Infinity) <= cluster.nowMs;
      if (isDue && this.#chance(70)) replica.time();
    }
  }

  #propose(replica: TestReplica): void {
    const proposals = Array.from({ length: this.#random.between(1, 3) }, () => {
      const id = this.#requests.make("proposal", replica);
      return { id, data: dataOf(id, this.#random.between(0, 12)) };
    });
    replica.step({ type: "propose", proposals });
  }

  #read(replica: TestReplica): void {
    replica.read(this.#requests.make("read", replica));
  }

  /** What is durable and what the core knows to be durable move apart. */
  #workDisk(replica: TestReplica): void {
    if (this.#chance(70)) {
      replica.storage.syncWrites(this.#random.between(0, replica.storage.pendingWrites));
      replica.openGate();
    }
    const isNews = replica.reportedBatch < replica.storage.durableBatch;
    if (isNews && this.#chance(50)) replica.reportDurable();
  }

  #workMachine(replica: TestReplica): void {
    if (replica.isApplying) replica.finishApplying(replica.nextToApply(this.#random.between(0, 2)));
  }

  #crash(replica: TestReplica): void {
    replica.storage.syncWrites(this.#random.between(0, replica.storage.pendingWrites));
    replica.crash();
    this.#invariants.commits.quorumHoldsCommitted();
    this.#requests.crashed(replica);
    // One that stays down is the same to the others as one that is cut off, so it boots at once.
    this.#boots++;
    replica.boot(replica.config.seed + 1000 * this.#boots);
  }

  #partition(): void {
    const side = this.#some();
    const rest = this.#replicas.map(({ id }) => id).filter((id) => !side.includes(id));
    const groups = this.#chance(50) ? [] : [side, rest];
    this.#cluster.network.partition(groups);
    this.#cluster.network.mute(this.#chance(20) ? this.#anyone().id : null);
  }

  /** Mostly what is applied but for a few entries, sometimes whether it is needed or not. */
  #compact(replica: TestReplica): void {
    const index = asIndex(Math.max(0, replica.raft.appliedIndex - this.#random.between(0, 10)));
    replica.compact(index, this.#chance(30) ? index : asIndex(0));
  }

  /** Once, since a second fault would come before all know that the first one is mended. */
  #corrupt(replica: TestReplica): void {
    const mayBeWrong = Number.isFinite(replica.digestEvery) && this.#replicas.length > 2;
    if (!mayBeWrong || this.#hasCorrupted) return;
    this.#hasCorrupted = true;
    replica.stateHash = "bad";
  }

  get #isAnyWrong(): boolean {
    return this.#replicas.some(
      ({ stateHash, raft }) => stateHash !== "good" || raft.audit.hasDiverged,
    );
  }

  #some(): NodeId[] {
    return this.#replicas.map(({ id }) => id).filter(() => this.#chance(60));
  }

  #anyone(): TestReplica {
    return this.#replicas[this.#random.between(0, this.#replicas.length - 1)]!;
  }

  /** A leader if there is one, mostly. */
  #someone(): TestReplica {
    const { leaders } = this.#cluster;
    if (leaders.length === 0 || this.#chance(10)) return this.#anyone();
    return leaders[this.#random.between(0, leaders.length - 1)]!;
  }

  /** Without a leader every request fails at once, which one need not see often. */
  #mayAsk(): boolean {
    return this.#cluster.leaders.length > 0 || this.#chance(10);
  }

  #among(...values: readonly number[]): number {
    return values[this.#random.between(0, values.length - 1)]!;
  }

  #chance(percent: number): boolean {
    return this.#random.between(0, 99) < percent;
  }

  #observe(step: StepRecord): void {
    this.#trace.push(step);
    if (this.#trace.length > traceLength) this.#trace.shift();
    this.#invariants.stepped(step);
    this.#requests.stepped(step);
  }

  #isCalm(): boolean {
    const [first, ...rest] = this.#replicas.map(fingerprint);
    const alike = rest.every((print) => print === first);
    return this.#cluster.leaders.length === 1 && alike && this.#requests.open.length === 0;
  }

  #state(): string {
    const open = this.#requests.open.map((id) => `#${id}`).join(" ");
    const states = this.#replicas.map(({ raft }) => describeRaft(raft)).join("\n");
    return `open ${open || "none"}\n${states}`;
  }
}

/** What all replicas have in common when everything is done. */
const fingerprint = ({ raft: { term, leader, log, appliedIndex } }: TestReplica): string =>
  `t${term} ${leader} ${describeId(log.last)} commit ${log.commitIndex} applied ${appliedIndex}`;
