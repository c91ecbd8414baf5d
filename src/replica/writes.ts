import { type ClientCommand, type Command, isPlain, isTimed } from "../kv/command.ts";
import { revisionOfEpoch } from "../kv/epochs.ts";
import type { RequestWindow } from "../kv/request-window.ts";
import type { StateMachine } from "../kv/state-machine.ts";
import type { ClientResult } from "../protocol/client.ts";
import type { Raft } from "../raft/raft.ts";
import { type Ending, failureResult } from "./endings.ts";
import { InFlight } from "./in-flight.ts";
import type { Sweeper } from "./sweeper.ts";

export interface WritesParts {
  readonly raft: Raft;
  readonly machine: StateMachine;
  readonly window: RequestWindow;
  readonly sweeper: Sweeper;
  /** Whether the group has members whose code knows nothing but plain commands. */
  readonly isMixed: () => boolean;
  /** Has the core put commands into one log entry. */
  readonly propose: (commands: readonly Command[]) => Promise<Ending>;
}

/** What becomes of what clients want to have written. */
export class Writes {
  readonly #parts: WritesParts;
  readonly #inFlight = new InFlight();

  constructor(parts: WritesParts) {
    this.#parts = parts;
  }

  /**
   * Writes commands, all in one log entry. Resolves when their fate is known here: with their
   * results, in their order, once they are applied, or with why not. An attempt that can no longer
   * be told from a repetition is not proposed at all, nor is one that other replicas would not understand.
   */
  async write(commands: readonly ClientCommand[]): Promise<ClientResult[]> {
    const objection = commands.map((command) => this.#objectionTo(command)).find(Boolean);
    if (objection !== undefined && objection !== null) {
      if (commands.length === 1) return [objection];
      // Rare, and cheap to get right: each is answered alone, so that one that cannot be fails alone.
      return (await Promise.all(commands.map((command) => this.write([command])))).flat();
    }
    this.#inFlight.begin(commands);
    const ended = await this.#parts.propose([...this.#preface(commands), ...commands]);
    this.#inFlight.end(commands);
    return ended.type === "applied" ? [...ended.results] : commands.map(() => failureResult(ended));
  }

  /** Why a command must not be proposed; null when it may. */
  #objectionTo(command: ClientCommand): ClientResult | null {
    const { raft, isMixed } = this.#parts;
    if (raft.role !== "leader") return null;
    if (this.#isExpired(command)) return { type: "expired" };
    if ((!isPlain(command) || this.#mustAdvance) && isMixed()) return { type: "tooOld" };
    return this.#inFlight.isBusy(command) ? { type: "inFlight" } : null;
  }

  /** Whether the group was rebuilt, and revisions that were given to what is lost would be given again. */
  get #mustAdvance(): boolean {
    const { raft, machine } = this.#parts;
    return machine.state.revision < revisionOfEpoch(raft.log.configuration.epoch);
  }

  /** What has to be said in an entry before these commands. */
  #preface(commands: readonly ClientCommand[]): Command[] {
    const { raft, machine, sweeper, isMixed } = this.#parts;
    if (raft.role !== "leader" || isMixed()) return [];
    const preface: Command[] = [];
    if (this.#mustAdvance) {
      const revision = revisionOfEpoch(raft.log.configuration.epoch);
      preface.push({ type: "advance", revision });
    }
    const { dueInMs } = sweeper;
    const isDue = dueInMs !== null && dueInMs <= 0;
    if (isDue || machine.wantsTime || commands.some(isTimed)) preface.push(sweeper.tickNow());
    return preface;
  }

  #isExpired({ requestId, floor }: ClientCommand): boolean {
    const { window, machine } = this.#parts;
    return window.isExpired(floor, machine.state.sequence) && window.find(requestId) === null;
  }
}
