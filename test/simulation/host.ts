import type { Random } from "../../src/raft/random.ts";
import { MemoryDisk } from "../support/memory-storage.ts";
import { SimulatedLife } from "./life.ts";
import type { World } from "./world.ts";

/** Where the lives of one replica follow each other: its disk, its alarm and its clock. */
export class Host {
  readonly id: string;
  readonly world: World;
  readonly disk: MemoryDisk;
  readonly random: Random;
  /** How far its clock is from the true time. */
  skewMs = 0;
  #stoppedClockMs: number | null = null;
  #life: SimulatedLife | null = null;
  #lives = 0;
  #alarm: { readonly dueMs: number } | null = null;
  /** Whether the last alarm was lost, and none has been set since. */
  #isAlarmLost = false;
  /** What waits for a machine that stands still; null when it does not. */
  #paused: (() => void)[] | null = null;
  /** Why lives whose storage was made to fail must end themselves. */
  readonly #broken = new WeakMap<SimulatedLife, Error>();

  constructor(world: World, id: string, random: Random) {
    this.world = world;
    this.id = id;
    this.random = random;
    const disk = new MemoryDisk({
      chunkBytes: world.chunkBytes,
      later: (work) => {
        const { diskMs, slowDisk } = world.weather;
        const factor = slowDisk > 0 && id === "2" ? 10 : 1;
        world.agenda.after(random.between(0, factor * diskMs), () => this.whenRunning(work));
      },
    });
    this.disk = disk.found(world.founders);
  }

  /** The life that a new event reaches: the current one, or a new one that starts with the event. */
  get life(): SimulatedLife {
    return this.#life ?? this.#boot();
  }

  /** The current life, if there is one. */
  get current(): SimulatedLife | null {
    return this.#life;
  }

  /** Whether the replica knows that it has left the group. */
  get hasLeft(): boolean {
    return this.#life?.hasLeft ?? this.disk.left !== null;
  }

  get wallMs(): number {
    return this.#stoppedClockMs ?? this.world.agenda.nowMs + this.skewMs;
  }

  /**
   * An event begins, and goes on when its body has been read: perhaps in what is a zombie by then.
   *
   * @param work is to call `done` when the event has been answered. It is told when that began, by the clock
   * of its life.
   * @param lost is called when its life ends before that.
   */
  event(
    work: (life: SimulatedLife, done: () => void, beganMs: number) => void,
    lost: () => void,
  ): void {
    this.whenRunning(() => {
      const { life } = this;
      const beganMs = life.clock.nowMs();
      const done = life.waitFor(lost);
      const goOn = this.world.invariants.reads.began();
      const { bodyMs } = this.world.weather;
      const begin = (): void => {
        if (!life.isAlive) return;
        if (life.isReplaced) this.world.seen.saw("zombie takes the end of an event");
        goOn(() => work(life, done, beganMs));
      };
      if (bodyMs === 0) begin();
      else this.world.agenda.after(this.random.between(0, bodyMs), () => this.whenRunning(begin));
    });
  }

  /** Does something as soon as the machine does not stand still. */
  whenRunning(work: () => void): void {
    if (this.#paused === null) work();
    else this.#paused.push(work);
  }

  /**
   * Ends the current life. Of the turns that it had finished, the oldest `survivors` become durable.
   * A zombie's code runs on for a while: it gets answers and promises, but no new events.
   */
  crash({ survivors, zombieMs }: { survivors: number; zombieMs: number }): void {
    const life = this.#life;
    if (life === null) return;
    this.world.watcher.lost(this.id, life);
    this.#life = null;
    if (life.storage.pendingTurns > survivors) this.world.seen.saw("crash loses a write");
    life.storage.crash(survivors);
    if (zombieMs === 0) {
      this.resume();
      return life.end();
    }
    if (life.raft.role === "leader") this.world.seen.saw("zombie keeps an old leadership");
    this.world.agenda.after(zombieMs, () => life.end());
  }

  /** Lets go of memory that nothing waits for. Returns whether there was any. */
  evict(): boolean {
    if (this.#life?.isIdle !== true) return false;
    this.world.watcher.lost(this.id, this.#life);
    this.#life.end();
    this.#life = null;
    return true;
  }

  /** A life has ended itself. The next event starts another. */
  ended(life: SimulatedLife, error: unknown): void {
    if (this.#life === life) this.#life = null;
    if (this.#broken.get(life) !== error) this.world.aborted(life, error);
  }

  /** A life has found that the replica has left the group. Its object goes on to say so. */
  left(life: SimulatedLife): void {
    // One that cannot write it down has not left.
    life.storage.saveLeft(life.raft.left);
    life.driver.stop();
    this.#alarm = null;
    this.world.left(life);
  }

  /** Makes the current life's storage fail from its next wait on, or from its next write. */
  breakStorage(at: "wait" | "write"): void {
    if (this.#life === null || this.#broken.has(this.#life)) return;
    const error = new Error("the disk is gone");
    this.#broken.set(this.#life, error);
    this.#life.storage.fail(error, at);
  }

  /** Whether an alarm is set, and how often one has been. */
  get hasAlarm(): boolean {
    return this.#alarm !== null;
  }

  alarmsSet = 0;

  /** Stands still for a while, and then finds all that came meanwhile. */
  pause(ms: number): void {
    if (this.#paused !== null) return;
    this.world.watcher.lost(this.id, this.#life);
    const paused: (() => void)[] = [];
    this.#paused = paused;
    this.world.agenda.after(ms, () => this.#paused === paused && this.resume());
  }

  resume(): void {
    const waiting = this.#paused ?? [];
    this.#paused = null;
    for (const work of waiting) this.world.agenda.after(0, () => this.whenRunning(work));
  }

  /** Goes on, by a clock that goes. */
  recover(): void {
    this.resume();
    this.#stoppedClockMs = null;
  }

  /** An alarm that was to come late comes when it is due, and one that was lost comes now. */
  mendAlarm(): void {
    if (this.#alarm !== null) {
      const { dueMs } = this.#alarm;
      this.#ringIn(dueMs - this.world.agenda.nowMs, dueMs);
    } else if (this.#isAlarmLost) {
      this.#isAlarmLost = false;
      this.life.ring();
    }
  }

  /** The clock shows the same for a while. */
  stopClock(ms: number): void {
    this.#stoppedClockMs ??= this.wallMs;
    this.world.agenda.after(ms, () => (this.#stoppedClockMs = null));
  }

  /** The one alarm. It is kept by others, and so survives crashes. */
  setAlarm(wallMs: number): Promise<void> {
    this.alarmsSet++;
    const { agenda, weather } = this.world;
    const inMs = wallMs - (agenda.nowMs + this.skewMs);
    const early = this.#chance(weather.earlyAlarms) ? this.random.between(0, 100) : 0;
    // Alarms are late by much but rarely.
    const usual = Math.min(weather.lateAlarmMs, 20);
    const late = this.random.between(0, this.#chance(50) ? weather.lateAlarmMs : usual);
    if (late > 1000) this.world.seen.saw("alarm very late");
    this.#ringIn(inMs - early + late, agenda.nowMs + inMs);
    return Promise.resolve();
  }

  deleteAlarm(): void {
    this.#alarm = null;
    this.#isAlarmLost = false;
  }

  #ringIn(ms: number, dueMs: number): void {
    const alarm = { dueMs };
    this.#alarm = alarm;
    this.#isAlarmLost = false;
    this.world.agenda.after(Math.max(1, ms), () => {
      if (this.#alarm === alarm) this.#ring();
    });
  }

  #ring(): void {
    this.#alarm = null;
    const { lostAlarms, doubledAlarms } = this.world.weather;
    if (this.#chance(lostAlarms)) {
      this.world.seen.saw("alarm lost");
      this.#isAlarmLost = true;
      return;
    }
    this.whenRunning(() => this.life.ring());
    if (!this.#chance(doubledAlarms)) return;
    this.world.seen.saw("alarm twice");
    this.whenRunning(() => this.life.ring());
  }

  #boot(): SimulatedLife {
    this.#lives++;
    const life = this.world.booted(new SimulatedLife(this, this.#lives));
    this.#life = life;
    if (!life.hasLeft) life.driver.boot();
    return life;
  }

  #chance(thousandths: number): boolean {
    return this.random.between(0, 999) < thousandths;
  }
}
