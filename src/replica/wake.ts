import type { MonotonicClock } from "./clock.ts";
import type { Wake } from "./ports.ts";

/**
 * An alarm this long overdue is taken for lost. Production alarms are usually milliseconds late
 * (platform documentation, 2026).
 */
const lostAfterMs = 2000;

/** What the object's storage can do about its alarm. */
export interface AlarmService {
  readonly set: (wallMs: number) => Promise<void>;
  readonly delete: () => Promise<void>;
}

/**
 * The object's one alarm, used sparingly: each setting is a billed row, and moving it earlier makes
 * the commit of the same turn wait for the alarm service. So it is only ever moved earlier, never
 * later: when it rings too soon, it is set anew then. When nothing is due any more it is taken back, so
 * that it does not start an object that sleeps.
 */
export class AlarmWake implements Wake {
  readonly #service: AlarmService;
  readonly #clock: MonotonicClock;
  /** When the alarm will ring, in the driver's time; null when none is known to be set. */
  #armedMs: number | null = null;
  /** Whether one may be set: an instance that is new does not know what the one before it has left. */
  #maybeSet = true;

  constructor(service: AlarmService, clock: MonotonicClock) {
    this.#service = service;
    this.#clock = clock;
  }

  arm(atMs: number | null): void {
    if (atMs === null) return this.#takeBack();
    const nowMs = this.#clock.nowMs();
    const isLost = this.#armedMs !== null && this.#armedMs + lostAfterMs < nowMs;
    if (this.#armedMs !== null && this.#armedMs <= atMs && !isLost) return;
    // An alarm for the present has been seen to come late or not at all (cloudflare/workerd#6866).
    this.#set(Math.max(atMs, nowMs + 1));
  }

  /**
   * The alarm is ringing, so none is set any more. Sets the next one before anything else is done,
   * since if this event dies and no request comes, nothing would ever wake the replica again.
   *
   * @param atMs the driver's deadline as it stands; `fallbackMs` from now when it has passed, null
   * when nothing is due.
   */
  rang(atMs: number | null, fallbackMs: number): void {
    this.#armedMs = null;
    this.#maybeSet = false;
    if (atMs === null) return;
    const nowMs = this.#clock.nowMs();
    this.#set(atMs > nowMs ? atMs : nowMs + fallbackMs);
  }

  #set(atMs: number): void {
    this.#armedMs = atMs;
    this.#maybeSet = true;
    // A failure to set it breaks the output gate and resets the object, so there is nobody to tell.
    this.#service.set(this.#clock.toWallMs(atMs)).catch(() => {});
  }

  #takeBack(): void {
    if (!this.#maybeSet) return;
    this.#armedMs = null;
    this.#maybeSet = false;
    this.#service.delete().catch(() => {});
  }
}
