import type { Random } from "../../src/raft/random.ts";
import { EventSource } from "../support/event-source.ts";
import { namespace } from "./cluster.ts";
import type { Watched } from "./watch-check.ts";

/** Replicas say something every ten seconds. */
const patienceMs = 12_000;

/**
 * Watches all that changes, from the first revision on, now at one node and then at another: whenever a
 * connection ends, is silent, or it feels like it. Now and then it is slow.
 */
export class TortureWatcher {
  readonly #name: string;
  readonly #random: Random;
  readonly #source: EventSource;
  readonly #restless: NodeJS.Timeout;

  /** @param urls of all processes: each of them serves the HTTP API. */
  constructor(name: string, urls: readonly string[], random: Random) {
    this.#name = name;
    this.#random = random;
    const nextUrl = (): string => {
      const url = urls[random.between(0, urls.length - 1)]!;
      return `${url}/v1/ns/${namespace}/watch?from=0`;
    };
    this.#source = new EventSource(nextUrl, {
      patienceMs,
      dawdle: () => this.#dawdle(),
      // Who was away for some time has more to be told than is told at once.
      restMs: () => random.between(0, random.between(0, 2) === 0 ? 6000 : 100),
    });
    this.#restless = setInterval(() => {
      if (this.#random.between(0, 7) === 0) this.#source.drop();
    }, 1000);
    this.#source.start();
  }

  /** The last revision up to which all has been told. */
  get revision(): number {
    return this.#source.revision;
  }

  /** How often it was answered. */
  get visits(): number {
    return this.#source.visits.filter(({ status }) => status === 200).length;
  }

  get isCompacted(): boolean {
    return this.#source.isCompacted;
  }

  /** What it has been told, after the end of it. */
  async end(): Promise<Watched> {
    clearInterval(this.#restless);
    await this.#source.stop();
    const { events, revision } = this.#source;
    return { name: this.#name, events, revision };
  }

  async #dawdle(): Promise<void> {
    if (this.#random.between(0, 99) > 0) return;
    await new Promise((resolve) => setTimeout(resolve, this.#random.between(100, 1500)));
  }
}
