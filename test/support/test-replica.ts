import type { RaftConfig } from "../../src/raft/config.ts";
import { describeOutput } from "../../src/raft/describe.ts";
import type { Digest } from "../../src/raft/digests.ts";
import type { Input, Proposal, RequestId } from "../../src/raft/io.ts";
import type { Change } from "../../src/raft/membership.ts";
import type { Message } from "../../src/raft/messages.ts";
import { Raft } from "../../src/raft/raft.ts";
import { type Entry, type LogIndex, type NodeId, asIndex } from "../../src/raft/types.ts";
import { type Durable, type Life, type Step, beforeStep } from "../invariants/life.ts";
import type { MemoryStorage } from "./memory-log.ts";
import { message } from "./notation.ts";

/** An input without its time, which the replica adds. */
export type TimelessInput = Input extends infer I
  ? I extends Input
    ? Omit<I, "nowMs">
    : never
  : never;

/** One step of the core, as seen from outside. */
export interface StepRecord extends Step {
  readonly replica: TestReplica;
  /**
   * Whether the host gave the input by itself: what was written became durable, or what was handed
   * out is applied.
   */
  readonly automatic: boolean;
}

/** What a replica stands in: its clock, its network, and whoever watches. */
export interface Surroundings {
  nowMs(): number;
  send(message: Message): void;
  observe(step: StepRecord): void;
}

interface Held {
  readonly batch: number;
  readonly message: Message;
}

/**
 * Hosts one core as the driver does, on a disk that loses what is not durable: sends, writes, holds
 * `sendAfterPersist` back until everything written before is durable, and applies. A fast disk and
 * a fast machine do their part within the step; slow ones wait to be told.
 */
export class TestReplica implements Life {
  readonly config: RaftConfig;
  readonly storage: MemoryStorage;
  /** Here a replica has only one life at a time. */
  readonly isReplaced = false;
  fastDisk = true;
  fastMachine = true;
  /** After how many entries states are compared, and what that of this one is. There is no state. */
  digestEvery = Number.POSITIVE_INFINITY;
  stateHash = "good";
  /** What it was before each snapshot, which a crash may bring back. */
  #replaced: { readonly batch: number; readonly hash: string }[] = [];
  /** Saves the work of describing outputs to whoever does not read them. */
  isQuiet = false;
  /**
   * Everything this replica's state machine was ever given, the same entry again after a crash
   * included.
   */
  readonly applied: Entry[] = [];
  readonly #surroundings: Surroundings;
  #raft: Raft | null = null;
  #held: Held[] = [];
  #reportedBatch = 0;
  #applying: readonly Entry[] = [];
  /** What the call under way has put out so far, as text. */
  #lines: string[] = [];

  constructor(config: RaftConfig, storage: MemoryStorage, surroundings: Surroundings) {
    this.config = config;
    this.storage = storage;
    this.#surroundings = surroundings;
    this.boot();
  }

  get id(): NodeId {
    return this.config.id;
  }

  get isUp(): boolean {
    return this.#raft !== null;
  }

  get raft(): Raft {
    if (this.#raft === null) throw new Error(`${this.id} is down`);
    return this.#raft;
  }

  get durable(): Durable {
    return this.storage.durable;
  }

  /** Messages that wait for the disk. */
  get held(): readonly Message[] {
    return this.#held.map((held) => held.message);
  }

  /** Whether entries are with the state machine. */
  get isApplying(): boolean {
    return this.#applying.length > 0;
  }

  /** The entry that lies `ahead` places into what is with the state machine, or its last one. */
  nextToApply(ahead: number): LogIndex | undefined {
    return this.#applying[Math.min(ahead, this.#applying.length - 1)]?.index;
  }

  get reportedBatch(): number {
    return this.#reportedBatch;
  }

  boot(seed: number = this.config.seed): void {
    const config = { ...this.config, seed };
    this.#raft = new Raft(config, this.storage.persisted, this.#surroundings.nowMs());
  }

  /** Memory and undurable writes are gone, and the messages that waited for them. */
  crash(): void {
    const lost = this.#replaced.find(({ batch }) => batch > this.storage.durableBatch);
    this.stateHash = lost?.hash ?? this.stateHash;
    this.#replaced = [];
    this.storage.crash();
    this.#raft = null;
    this.#held = [];
    this.#reportedBatch = 0;
    this.#applying = [];
  }

  /**
   * Gives the core an input and carries its output out. Returns all that came out of it, one line
   * an effect.
   */
  step(input: TimelessInput): string[] {
    this.#lines = [];
    this.#step(input, false);
    return this.#lines;
  }

  receive(received: Message | string): string[] {
    const parsed = typeof received === "string" ? message(received) : received;
    return this.step({ type: "receive", message: parsed });
  }

  time(): string[] {
    return this.step({ type: "time" });
  }

  campaign(): string[] {
    return this.step({ type: "campaign" });
  }

  read(requestId: RequestId): string[] {
    return this.step({ type: "read", id: requestId });
  }

  /** Proposes one entry per id, of `size` bytes each. */
  propose(ids: readonly RequestId[], size?: number): string[] {
    return this.step({ type: "propose", proposals: ids.map((each) => proposal(each, size)) });
  }

  /** Offers to forget entries up to `index`, and those up to `forced` whatever followers need. */
  compact(index: LogIndex, forced: LogIndex = asIndex(0)): string[] {
    return this.step({ type: "compact", index, forced });
  }

  /** `add`, `add 2` for a new member in the place of 2, or `remove 2`. */
  change(requestId: RequestId, text: string): string[] {
    const [type, id] = text.split(" ");
    const change: Change =
      type === "remove" ? { type, id: id! } : { type: "add", region: "new", replaces: id ?? null };
    return this.step({ type: "change", id: requestId, change });
  }

  transfer(to: NodeId): string[] {
    return this.step({ type: "transfer", to });
  }

  poke(): string[] {
    return this.step({ type: "poke" });
  }

  unreachable(node: NodeId, lostChunk = false): string[] {
    return this.step({ type: "unreachable", node, lostChunk });
  }

  /**
   * Makes what was written up to `batch` durable, opens the gate for what waited for it, and tells
   * the core.
   */
  sync(batch: number = this.storage.writtenBatch): string[] {
    this.makeDurable(batch);
    return this.reportDurable();
  }

  /** The same without telling the core, which learns of it later. */
  makeDurable(batch: number = this.storage.writtenBatch): void {
    this.storage.sync(batch);
    this.openGate();
  }

  openGate(): void {
    const { durableBatch } = this.storage;
    const open = this.#held.filter((held) => held.batch <= durableBatch);
    this.#held = this.#held.filter((held) => held.batch > durableBatch);
    for (const held of open) this.#surroundings.send(held.message);
  }

  reportDurable(): string[] {
    this.#lines = [];
    this.#reportDurable(false);
    return this.#lines;
  }

  /** The state machine has applied what it holds, up to `index`. */
  finishApplying(index?: LogIndex): string[] {
    this.#lines = [];
    this.#finishApplying(false, index);
    return this.#lines;
  }

  #step(input: TimelessInput, automatic: boolean): void {
    const { raft } = this;
    const before = beforeStep(raft);
    const timed: Input = { ...input, nowMs: this.#surroundings.nowMs() };
    const output = raft.step(timed);
    if (!this.isQuiet) this.#lines.push(...describeOutput(output));
    this.#surroundings.observe({ replica: this, input: timed, output, before, automatic });
    for (const each of output.sendNow) this.#surroundings.send(each);
    if (output.persist !== null) this.storage.persist(output.persist);
    if ((output.persist?.install ?? output.persist?.repair ?? null) !== null) {
      // A snapshot is of a state that is right.
      this.#replaced.push({ batch: output.persist!.batch, hash: this.stateHash });
      this.stateHash = "good";
    }
    const batch = this.storage.writtenBatch;
    this.#held.push(...output.sendAfterPersist.map((each) => ({ batch, message: each })));
    if (output.apply.length > 0) this.#applying = output.apply;
    this.#carryOn();
  }

  #carryOn(): void {
    if (this.fastDisk) {
      this.makeDurable();
      if (this.#reportedBatch < this.storage.durableBatch) this.#reportDurable(true);
    } else {
      this.openGate();
    }
    if (this.fastMachine && this.isApplying) this.#finishApplying(true);
  }

  #digestsOf(entries: readonly Entry[]): Digest[] {
    return entries
      .filter(({ index }) => index % this.digestEvery === 0)
      .map(({ index }) => ({ index, formula: 1, hash: this.stateHash }));
  }

  #reportDurable(automatic: boolean): void {
    this.#reportedBatch = this.storage.durableBatch;
    this.#step({ type: "persisted", batch: this.#reportedBatch }, automatic);
  }

  #finishApplying(automatic: boolean, to?: LogIndex): void {
    const done = this.#applying.filter((entry) => to === undefined || entry.index <= to);
    const last = done.at(-1);
    if (last === undefined) throw new Error(`${this.id} has nothing to apply`);
    this.#applying = this.#applying.slice(done.length);
    this.applied.push(...done);
    this.storage.saveApplied(last.index);
    this.#step({ type: "applied", index: last.index, digests: this.#digestsOf(done) }, automatic);
  }
}

export function proposal(requestId: RequestId, size?: number): Proposal {
  const data =
    size === undefined ? new TextEncoder().encode(`#${requestId}`) : new Uint8Array(size);
  return { id: requestId, data };
}
