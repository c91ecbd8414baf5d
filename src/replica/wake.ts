import type { MonotonicClock } from "./clock.ts";
import type { Wake } from "./ports.ts";

/**
 * An alarm this long overdue is taken for lost. Production alarms are usually milliseconds late
 * (platform documentation, 2026).
 */
const lostAfterMs = 2000;

/**
 * The object's one alarm, used sparingly: each setting is a billed row, and moving it earlier makes
 * the commit of the same turn wait for the alarm service. So it is only ever moved earlier, never
 * later: when it rings too soon, it is set anew then.
 */
export class AlarmWake implements Wake {
  readonly #setAlarm: (wallMs: number) => Promise<void>;
  readonly #clock: MonotonicClock;
  /** When the alarm will ring, in the driver's time; null when none is known to be set. */
  #armedMs: number | null = null;

  constructor(setAlarm: (wallMs: number) => Promise<void>, clock: MonotonicClock) {
    this.#setAlarm = setAlarm;
    this.#clock = clock;
  }

  arm(atMs: number | null): void {
    if (atMs === null) return;
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
    if (atMs === null) return;
    const nowMs = this.#clock.nowMs();
    this.#set(atMs > nowMs ? atMs : nowMs + fallbackMs);
  }

  #set(atMs: number): void {
    this.#armedMs = atMs;
    // A failure to set it breaks the output gate and resets the object, so there is nobody to tell.
    this.#setAlarm(this.#clock.toWallMs(atMs)).catch(() => {});
  }
}
