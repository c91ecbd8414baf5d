import type { Random } from "../../src/raft/random.ts";
import type { Agenda, Planned } from "./agenda.ts";

/**
 * What the edge takes from whatever it runs on, made of a world's own time and chance. The edge uses
 * the globals that a Worker has, so they are replaced while a world runs; nothing else runs then.
 */
export class VirtualHost {
  readonly #agenda: Agenda;
  readonly #random: Random;
  #ids = 0;
  /** What the last call of `crypto.randomUUID` gave. */
  newestId = "";

  constructor(agenda: Agenda, random: Random) {
    this.#agenda = agenda;
    this.#random = random;
  }

  /** Replaces the globals. Returns how to put them back. */
  install(): () => void {
    const restores = [
      replace(Date, "now", () => this.#agenda.nowMs),
      replace(Math, "random", () => this.#random.between(0, 999_999) / 1_000_000),
      replace(globalThis, "setTimeout", ((work: () => void, ms = 0) =>
        this.#agenda.after(ms, work)) as never),
      replace(globalThis, "clearTimeout", ((planned?: Planned) => {
        if (planned !== undefined) planned.isCalledOff = true;
      }) as never),
      replace(AbortSignal, "timeout", (ms) => this.#timeout(ms)),
      replace(crypto, "randomUUID", () => {
        this.newestId = `r${++this.#ids}`;
        return this.newestId;
      }),
    ];
    return () => {
      for (const restore of restores) restore();
    };
  }

  #timeout(ms: number): AbortSignal {
    const controller = new AbortController();
    this.#agenda.after(ms, () => controller.abort(new DOMException("timed out", "TimeoutError")));
    return controller.signal;
  }
}

function replace<T extends object, Name extends keyof T>(
  owner: T,
  name: Name,
  value: T[Name],
): () => void {
  const original = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  return () => {
    if (original === undefined) Reflect.deleteProperty(owner, name);
    else Object.defineProperty(owner, name, original);
  };
}
