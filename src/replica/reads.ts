import type { StateMachine } from "../kv/state-machine.ts";
import type {
  ClientResult,
  Level,
  Leveled,
  PageResult,
  PartResult,
  PieceRequest,
  ReadRequest,
  Reading,
  Shown,
} from "../protocol/client.ts";
import type { Raft } from "../raft/raft.ts";
import { type LogIndex, asIndex } from "../raft/types.ts";
import { AppliedWaits } from "./applied-waits.ts";
import { type Ending, failureResult } from "./endings.ts";
import { FollowerReads, type Sweep } from "./follower-reads.ts";
import { Freshness } from "./freshness.ts";
import type { GroupClock } from "./group-clock.ts";
import { type LookUp, keysOf, lookUp } from "./look-up.ts";
import { OpenViews } from "./open-views.ts";
import type { Clock, Peers, Storage } from "./ports.ts";
import type { Sweeper } from "./sweeper.ts";

/** A read that says how old may be what it shows. */
export type LeveledRequest = Extract<ReadRequest, Leveled> & { readonly level: Level };

type SessionLevel = Level & { readonly type: "session" };

export interface ReadsParts {
  readonly raft: Raft;
  readonly machine: StateMachine;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly groupClock: GroupClock;
  readonly sweeper: Sweeper;
  readonly peers: Peers;
  /** Asks the core, which has a majority confirm that this replica leads. */
  readonly readIndex: () => Promise<Ending>;
}

/** Shows this replica's state to whoever wants nothing newer than it is known to be. */
export class Reads {
  readonly #parts: ReadsParts;
  readonly #views: OpenViews;
  readonly #freshness = new Freshness();
  readonly #waits = new AppliedWaits();
  readonly #followers: FollowerReads;
  #isOver = false;

  constructor(parts: ReadsParts) {
    const { raft, clock, peers, machine, storage } = parts;
    this.#parts = parts;
    this.#views = new OpenViews(clock, () => storage.openView(machine.state));
    this.#followers = new FollowerReads({
      raft,
      clock,
      peers,
      waits: this.#waits,
      freshness: this.#freshness,
      holds: (index) => this.#holds(index),
    });
  }

  /** Reads that wait for something to be applied. */
  get waiting(): number {
    return this.#waits.size;
  }

  /**
   * Reads as a leader, all at one moment between this call and its result.
   *
   * @param beganMs when the event began that brought them, if that is known: an instance that has been
   * replaced since then is still right about that moment, but about no later one.
   */
  async linearizable(
    requests: readonly ReadRequest[],
    beganMs: number | null,
  ): Promise<ClientResult[]> {
    const ended = await this.#parts.readIndex();
    if (ended.type !== "safe") return requests.map(() => failureResult(ended));
    // Between its being safe and this turn another state may have come in its place.
    if (!this.#holds(ended.index)) return requests.map(() => this.#notHere());
    if (beganMs !== null) this.#freshness.note(beganMs);
    return Promise.all(requests.map((request) => this.#lookUp(request, ended.index)));
  }

  /** Whether a read can be answered at once, and so nobody else is to be woken for it. */
  isAtHand({ level }: LeveledRequest, beganMs: number): boolean {
    return this.#suffices(level, beganMs);
  }

  /** Reads at the level that the request names, on whatever replica. */
  async leveled(request: LeveledRequest, beganMs: number | null): Promise<ClientResult> {
    const { raft, clock } = this.#parts;
    const { level } = request;
    const cameMs = beganMs ?? clock.nowMs();
    if (this.#suffices(level, cameMs)) return this.#show(request, cameMs);
    if (level.type === "session" && this.#mayCome(level)) {
      await this.#waits.until(() => this.#suffices(level, cameMs), level.maxWaitMs);
      if (this.#suffices(level, cameMs)) return this.#show(request, cameMs);
    }
    if (this.#isUnfit) return this.#notHere();
    if (raft.role === "leader") return this.#asLeader(request, beganMs);
    return this.#asFollower(request);
  }

  /** The next page of a view that was opened here, or a part of a large value. */
  piece(request: PieceRequest): PageResult | PartResult {
    if (request.type === "page") return this.#views.page(request);
    const data = this.#parts.storage.uploads.part(request.upload, request.part);
    return data === null ? { type: "noPart" } : { type: "part", data };
  }

  /** Something has been applied, or has come in the place of what was. */
  applied(): void {
    this.#waits.check();
  }

  time(): void {
    this.#views.closeIdle();
  }

  /** The state is about to be replaced, or is known to be wrong. */
  forget(): void {
    this.#views.closeAll();
    this.#freshness.forget();
  }

  /** This replica is one no more. */
  end(): void {
    this.#isOver = true;
    this.#waits.end();
  }

  /** Whether the state may be shown to nobody, however new it is. */
  get #isUnfit(): boolean {
    return this.#isOver || this.#parts.raft.audit.hasDiverged;
  }

  #holds(index: LogIndex): boolean {
    return !this.#isUnfit && this.#parts.raft.appliedIndex >= index;
  }

  /** Whether the state as it is will do for a read that came then. */
  #suffices(level: Level, cameMs: number): boolean {
    if (!this.#holds(firstIndex)) return false;
    switch (level.type) {
      case "any":
        return true;
      case "session":
        return this.#hasReached(level);
      case "bounded": {
        const stalenessMs = this.#freshness.stalenessAt(cameMs);
        return stalenessMs !== null && stalenessMs <= level.maxStalenessMs;
      }
      case "linearizable":
        // It wants to be confirmed after it came, and has only just come.
        return false;
    }
  }

  #hasReached({ epoch, revision }: SessionLevel): boolean {
    const { raft, machine } = this.#parts;
    return epoch === raft.log.configuration.epoch && revision <= machine.state.revision;
  }

  /**
   * Whether what a session has seen can come by itself. A leader has all there is, or finds out by asking; and
   * what was seen before a group was rebuilt may be lost.
   */
  #mayCome({ epoch }: SessionLevel): boolean {
    const { role, log } = this.#parts.raft;
    return !this.#isUnfit && role !== "leader" && epoch >= log.configuration.epoch;
  }

  async #asLeader(request: LeveledRequest, beganMs: number | null): Promise<ClientResult> {
    const [result] = await this.linearizable([request], beganMs);
    return isReading(result!)
      ? { ...result, shown: { level: "linearizable", stalenessMs: 0 } }
      : result!;
  }

  async #asFollower(request: LeveledRequest): Promise<ClientResult> {
    const { level } = request;
    // One that has nothing yet gets it in its own time.
    if (level.type === "any") return this.#notHere();
    if (level.type === "session" && !this.#mayCome(level)) return this.#notHere();
    const index = await this.#followers.confirm(sweepFor(request));
    if (index === null || !this.#holds(index)) return this.#notHere();
    if (level.type === "session" && !this.#hasReached(level)) return this.#notHere();
    return this.#shown(request, { level: level.type, stalenessMs: 0 });
  }

  #show(request: LeveledRequest, cameMs: number): ClientResult {
    const stalenessMs = this.#freshness.stalenessAt(cameMs);
    return this.#shown(request, { level: request.level.type, stalenessMs });
  }

  #shown(request: LeveledRequest, shown: Shown): ClientResult {
    const result = this.#read(request);
    // What is yet to come here may be there elsewhere.
    if (result.type === "future" && this.#parts.raft.role !== "leader") return this.#notHere();
    return isReading(result) ? { ...result, shown } : result;
  }

  #notHere(): ClientResult {
    const { leader, config } = this.#parts.raft;
    return { type: "notLeader", leader: leader === config.id ? null : leader };
  }

  /** Looks a read up that is safe. What is found to be due must be gone before anybody is told that it is. */
  async #lookUp(request: ReadRequest, index: LogIndex): Promise<ClientResult> {
    const { sweeper, raft } = this.#parts;
    if (request.type === "page" || request.type === "part") return this.piece(request);
    const { dueInMs } = sweeper;
    if (dueInMs !== null && dueInMs <= 0) {
      const { keys, isWide } = sweepOf(request);
      const due = keys.filter((key) => this.#isDue(key));
      const isSwept = await (isWide
        ? sweeper.sweepAll()
        : due.length === 0 || sweeper.sweepKeys(due));
      if (!this.#holds(index)) return this.#notHere();
      // There was no room for a tick, or it is another one's by now to say what time it is.
      if (!isSwept) return raft.role === "leader" ? { type: "dropped" } : this.#notHere();
    }
    return request.type === "readIndex"
      ? { type: "index", index: this.#parts.raft.appliedIndex }
      : this.#read(request);
  }

  #isDue(key: string): boolean {
    const { machine, storage, groupClock } = this.#parts;
    const row = storage.table.get(key);
    return row !== null && machine.isDue(row, groupClock.nowMs());
  }

  /** What the state has to say, as it is. */
  #read(request: LookUp | Extract<ReadRequest, { type: "openView" }>): ClientResult {
    const { storage, machine } = this.#parts;
    const { revision } = machine.state;
    if (request.type !== "openView") return lookUp(request, storage, machine.state);
    const view = this.#views.open();
    return view === null ? { type: "dropped" } : { type: "viewOpened", view, revision };
  }
}

/** Who has not even applied this has nothing to show. */
const firstIndex = asIndex(1);

/** What is to go before a read is answered, should it be due. */
function sweepOf(request: Exclude<ReadRequest, PieceRequest>): Sweep {
  if (request.type === "readIndex") return request;
  const keys = keysOf(request);
  return { keys, isWide: keys.length === 0 };
}

/** The same, for one that a leader is asked for: others than linearizable show what has not gone yet. */
const sweepFor = (request: LeveledRequest): Sweep =>
  request.level.type === "linearizable" ? sweepOf(request) : { keys: [], isWide: false };

function isReading(result: ClientResult): result is Reading {
  return result.type !== "notLeader" && result.type !== "dropped" && result.type !== "unknown";
}
