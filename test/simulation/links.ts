import type { Random } from "../../src/raft/random.ts";
import type { Agenda } from "./agenda.ts";
import type { Sightings } from "./sometimes.ts";
import type { Weather } from "./weather.ts";

/**
 * What a link carries: a call, or what comes back for one. A call between replicas may arrive twice;
 * that of an edge does not, since no way repeats it: stubs and HTTP deliver a call at most once, and
 * the edge counts on that when it says that nothing has happened.
 */
export type Cargo = "peer request" | "edge request" | "answer";

/** The ways between all parties, each direction apart. */
export class Links {
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #seen: Sightings;
  readonly #cut = new Set<string>();
  /** Links that lose calls between replicas, and let answers pass. */
  readonly #muffled = new Set<string>();
  /** What waits on links that hold everything back. */
  readonly #clogged = new Map<string, (() => void)[]>();
  readonly #slow = new Map<string, boolean>();
  weather: Weather;

  constructor(agenda: Agenda, random: Random, seen: Sightings, weather: Weather) {
    this.#agenda = agenda;
    this.#random = random;
    this.#seen = seen;
    this.weather = weather;
  }

  /** Takes something from one party to another, perhaps late, twice or never. */
  carry(from: string, to: string, cargo: Cargo, deliver: () => void): void {
    const { lostRequests, lostAnswers, doubledRequests, replayMs } = this.weather;
    const isLost = this.#chance(cargo === "answer" ? lostAnswers : lostRequests);
    const delayMs = this.#delayMs(from, to);
    if (isLost || this.#cut.has(name(from, to))) return;
    if (cargo === "peer request" && this.#muffled.has(name(from, to))) return;
    const waiting = this.#clogged.get(name(from, to));
    if (waiting === undefined) this.#agenda.after(delayMs, deliver);
    else waiting.push(deliver);
    if (cargo !== "peer request" || !this.#chance(doubledRequests)) return;
    const againMs = delayMs + this.#random.between(0, replayMs);
    if (againMs > 1000) this.#seen.saw("message replayed late");
    // Old heartbeats that come again and again keep a dead leader in office: that must end, some time.
    this.#agenda.after(againMs, () => this.weather.doubledRequests > 0 && deliver());
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(name(from, to));
  }

  cut(from: string, to: string): void {
    this.#cut.add(name(from, to));
  }

  /** From now on no call gets from one to the other, but answers to the calls of the other do. */
  muffle(from: string, to: string): void {
    this.#muffled.add(name(from, to));
  }

  clog(from: string, to: string): void {
    if (!this.#clogged.has(name(from, to))) this.#clogged.set(name(from, to), []);
  }

  /** What was held back goes on, in its order. */
  unclog(from: string, to: string): void {
    const waiting = this.#clogged.get(name(from, to)) ?? [];
    this.#clogged.delete(name(from, to));
    for (const deliver of waiting) this.#agenda.after(this.#delayMs(from, to), deliver);
  }

  /** Joins everybody again. What is clogged stays so. */
  mend(): void {
    this.#cut.clear();
  }

  /** Everything works again, whatever was done to it. */
  heal(): void {
    this.mend();
    for (const link of this.#clogged.keys()) {
      const [from, to] = link.split(">");
      this.unclog(from!, to!);
    }
  }

  #delayMs(from: string, to: string): number {
    const { delayMs, slowLinks, lateMessages } = this.weather;
    const link = name(from, to);
    if (!this.#slow.has(link)) this.#slow.set(link, this.#chance(slowLinks));
    const factor = slowLinks > 0 && this.#slow.get(link)! ? 10 : 1;
    const lateMs = this.#chance(lateMessages) ? this.#random.between(0, 1500) : 0;
    return lateMs + this.#random.between(0, factor * delayMs);
  }

  #chance(thousandths: number): boolean {
    return this.#random.between(0, 999) < thousandths;
  }
}

const name = (from: string, to: string): string => `${from}>${to}`;
