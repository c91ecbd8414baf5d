import type { TickCommand } from "../kv/command.ts";
import type { StateMachine } from "../kv/state-machine.ts";
import type { Raft } from "../raft/raft.ts";
import type { GroupClock } from "./group-clock.ts";

export interface SweeperPorts {
  readonly machine: StateMachine;
  readonly clock: GroupClock;
  /** Whether this replica may tell the group what time it is. */
  readonly mayTick: () => boolean;
  /** Proposes an entry with nothing but a tick. Resolves to whether it was applied. */
  readonly tick: (tick: TickCommand) => Promise<boolean>;
  /** All that was due has gone. */
  readonly swept: () => void;
}

/** How long a leader that was woken for what is due, and let none of it go, is left to sleep, in ms. */
const againMs = 600_000;

/** Has what is due go, on the replica that leads: nobody else says what time it is. */
export class Sweeper {
  readonly #ports: SweeperPorts;
  #isSweeping = false;
  /** For what this replica has woken its leader last, and when it does so again if that stays due. */
  #woken: { readonly dueMs: number; readonly againAtMs: number } | null = null;

  constructor(ports: SweeperPorts) {
    this.#ports = ports;
  }

  /** How long until something is due, in ms; null when nothing is. Negative when it has been for a while. */
  get dueInMs(): number | null {
    const { machine, clock } = this.#ports;
    return machine.dueMs === null ? null : machine.dueMs - clock.nowMs();
  }

  /**
   * When something is due, in the replica's own time; null when nothing is, or others see to it: who sleeps
   * leaves the leader some time.
   */
  dueAtMs({ role, isAsleep, config }: Raft, nowMs: number): number | null {
    const { dueInMs } = this;
    if (dueInMs === null || this.#isSweeping) return null;
    if (role === "leader") return this.#ports.mayTick() ? nowMs + dueInMs : null;
    // Its leader is awake a while for that, but tells no time as long as a member runs older code.
    if (isAsleep && this.#woken?.dueMs === this.#ports.machine.dueMs) return this.#woken.againAtMs;
    return isAsleep ? nowMs + dueInMs + 2 * config.electionMaxMs : null;
  }

  /** This replica is about to wake its leader for what is due. */
  wakesLeader(nowMs: number): void {
    const { dueMs } = this.#ports.machine;
    if (dueMs !== null) this.#woken = { dueMs, againAtMs: nowMs + againMs };
  }

  /** The time now, for commands that need it. */
  tickNow(keys: readonly string[] = []): TickCommand {
    const nowMs = this.#ports.clock.nowMs();
    return keys.length === 0 ? { type: "tick", nowMs } : { type: "tick", nowMs, keys };
  }

  /** Something may be due: has it go, and all that is due after it. */
  async sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    let goesOn = true;
    let ticks = 0;
    while (goesOn && this.#isDue() && this.#ports.mayTick()) {
      goesOn = await this.#ports.tick(this.tickNow());
      ticks++;
    }
    this.#isSweeping = false;
    if (goesOn && ticks > 0) this.#ports.swept();
  }

  /**
   * Has these keys go if they are due, though others may have been for longer. Resolves to false when they
   * should have, and it could not be said.
   */
  async sweepKeys(keys: readonly string[]): Promise<boolean> {
    if (!this.#isDue() || !this.#ports.mayTick()) return true;
    return this.#ports.tick(this.tickNow(keys));
  }

  /** Has all go that is due by now, however much it is. Resolves to false when it could not be said. */
  async sweepAll(): Promise<boolean> {
    const { machine, clock, mayTick, tick } = this.#ports;
    const nowMs = clock.nowMs();
    let goesOn = true;
    while (goesOn && machine.dueMs !== null && machine.dueMs <= nowMs && mayTick()) {
      goesOn = await tick(this.tickNow());
    }
    return goesOn;
  }

  #isDue(): boolean {
    const { dueInMs } = this;
    return dueInMs !== null && dueInMs <= 0;
  }
}
