import {
  type ClientBatch,
  type ClientBatchResult,
  type ClientRequest,
  type ClientResult,
  type Member,
  type ServedBy,
  clientPath,
  clientProtocolVersion,
  pokePath,
} from "../protocol/client.ts";
import type { Settings } from "../protocol/settings.ts";
import { anyRegion } from "../protocol/settings.ts";
import type { EdgeBindings } from "./env.ts";
import { LeaderCache } from "./leader-cache.ts";
import { callReplica } from "./replica-stub.ts";
import { Search } from "./search.ts";

/** A result that says what happened, from a replica that knows. */
export type DefiniteResult = Exclude<
  ClientResult,
  { type: "notLeader" } | { type: "dropped" } | { type: "unknown" } | { type: "expired" }
>;

export type Forwarded =
  | { readonly type: "answered"; readonly result: DefiniteResult; readonly servedBy: ServedBy }
  /** The one replica that was to be asked does not lead. */
  | { readonly type: "redirect"; readonly leader: string | null }
  /** Nothing happened: no leader was found in time, or it had too much under way. */
  | { readonly type: "refused"; readonly reason: "no_leader" | "overloaded" }
  /** A write may or may not take effect. */
  | { readonly type: "unknown" };

/** A request to be made for a floor; its id stays the same however often it is made. */
export type MakeRequest = (floor: number) => ClientRequest;

/**
 * The wait between two rounds of asking everybody, in ms: up to one `step` more each time, so that a
 * long search costs few calls, and drawn anew, so that edges do not march in step.
 */
const pauseMs = { min: 10, step: 50, max: 500 };

const pokeTimeoutMs = 500;

/** Shared by the requests of an isolate. */
const cache = new LeaderCache();

/**
 * Finds the leader of a namespace and puts one request to it, once in effect however often it has
 * to ask.
 */
export class Forwarder {
  readonly #env: EdgeBindings;
  readonly #settings: Settings;
  readonly #namespace: string;
  readonly #deadlineMs: number;
  readonly #attemptMs: number;
  #pauses = 0;
  #hasPoked = false;

  /** @param timeoutMs how long all attempts together may take. */
  constructor(env: EdgeBindings, settings: Settings, namespace: string, timeoutMs: number) {
    this.#env = env;
    this.#settings = settings;
    this.#namespace = namespace;
    this.#deadlineMs = Date.now() + timeoutMs;
    // A replica that says nothing for so long is taken for dead; a second one must get its chance.
    this.#attemptMs = Math.min(Math.max(2 * settings.electionMaxMs, 500), Math.ceil(timeoutMs / 2));
  }

  /** Asks whoever leads, searching for it as long as time allows. */
  async toLeader(make: MakeRequest): Promise<Forwarded> {
    const known = cache.get(this.#namespace);
    const search = new Search(this.#settings.members, known.leader);
    // Seen before the first attempt, and so the floor of all of them, whatever is seen meanwhile.
    let floor = known.sequence;
    let isAmbiguous = false;
    let reason: "no_leader" | "overloaded" = "no_leader";
    let slowestMs = 0;
    // While surely nothing has happened, no write is begun that the deadline would likely cut off:
    // it would turn "not applied" into "unknown".
    while (this.#remainingMs() > (isAmbiguous || !isWrite(make) ? 0 : slowestMs)) {
      const id = search.candidate;
      const startMs = Date.now();
      const { result, servedBy, sequence } = await this.#attempt(id, make(floor));
      slowestMs = Math.max(slowestMs, Date.now() - startMs);
      if (isDefinite(result)) {
        cache.note(this.#namespace, id, sequence);
        return { type: "answered", result, servedBy };
      }
      switch (result.type) {
        case "lost":
          // Whether it was carried out before the answer was lost, only its id on record can tell.
          isAmbiguous = true;
          cache.note(this.#namespace, null);
          this.#poke(search.others());
          search.next(null);
          break;
        case "unknown":
          isAmbiguous = true;
          search.next(null);
          break;
        case "notLeader":
          search.next(result.leader);
          break;
        case "dropped":
          reason = "overloaded";
          await this.#pause();
          break;
        case "expired":
          // As the only attempt it has surely done nothing, and may be made again from a newer
          // floor.
          cache.note(this.#namespace, id, sequence);
          if (isAmbiguous) return { type: "unknown" };
          floor = sequence;
          break;
      }
      if (search.isExhausted) {
        await this.#pause();
        search.restart();
      }
    }
    return isAmbiguous && isWrite(make) ? { type: "unknown" } : { type: "refused", reason };
  }

  /** Asks one replica, and nobody else. */
  async toReplica(id: string, make: MakeRequest): Promise<Forwarded> {
    const request = make(cache.get(this.#namespace).sequence);
    const { result, servedBy, sequence } = await this.#attempt(id, request, this.#remainingMs());
    cache.note(this.#namespace, cache.get(this.#namespace).leader, sequence);
    if (isDefinite(result)) return { type: "answered", result, servedBy };
    switch (result.type) {
      case "lost":
      case "unknown":
        return isWrite(make) ? { type: "unknown" } : { type: "refused", reason: "no_leader" };
      case "notLeader":
        return { type: "redirect", leader: result.leader };
      case "dropped":
        return { type: "refused", reason: "overloaded" };
      case "expired":
        // It has surely done nothing; the floor of the next attempt is the one just learnt.
        return this.#remainingMs() > 0
          ? this.toReplica(id, make)
          : { type: "refused", reason: "overloaded" };
    }
  }

  /** One call, whose answer may be lost for whatever reason. */
  async #attempt(
    id: string,
    request: ClientRequest,
    timeoutMs = this.#attemptMs,
  ): Promise<Attempt> {
    const batch: ClientBatch = { version: clientProtocolVersion, requests: [request] };
    try {
      const { results, servedBy, sequence } = await callReplica<ClientBatchResult>(
        this.#env,
        this.#namespace,
        this.#member(id),
        {
          path: clientPath,
          method: "POST",
          body: batch,
          timeoutMs: Math.max(1, Math.min(timeoutMs, this.#remainingMs())),
        },
      );
      return { result: results[0] ?? lost, servedBy, sequence };
    } catch {
      return { result: lost, servedBy: nobody, sequence: 0 };
    }
  }

  /**
   * Makes replicas check their deadlines now: the alarm that should tell them may be late. Once a
   * request, since being asked makes them check as well.
   */
  #poke(ids: readonly string[]): void {
    if (this.#hasPoked) return;
    this.#hasPoked = true;
    for (const id of ids) {
      callReplica(this.#env, this.#namespace, this.#member(id), {
        path: pokePath,
        method: "POST",
        timeoutMs: pokeTimeoutMs,
      }).catch(() => {
        // It is asked as well; that it cannot be reached shows there.
      });
    }
  }

  /**
   * A member by id. One that the settings do not name exists already, so its region does not
   * matter.
   */
  #member(id: string): Member {
    return this.#settings.members.find((member) => member.id === id) ?? { id, region: anyRegion };
  }

  #remainingMs(): number {
    return this.#deadlineMs - Date.now();
  }

  async #pause(): Promise<void> {
    this.#pauses++;
    const max = Math.min(pauseMs.step * this.#pauses, pauseMs.max);
    const ms = pauseMs.min + Math.random() * (max - pauseMs.min);
    await new Promise((resolve) => {
      setTimeout(resolve, Math.max(0, Math.min(ms, this.#remainingMs())));
    });
  }
}

interface Attempt {
  readonly result: ClientResult | typeof lost;
  readonly servedBy: ServedBy;
  readonly sequence: number;
}

const lost = { type: "lost" } as const;
const nobody: ServedBy = { replica: "", region: anyRegion, role: "none", term: 0 };

const indefinite: ReadonlySet<string> = new Set<Exclude<Attempt["result"], DefiniteResult>["type"]>(
  ["lost", "notLeader", "dropped", "unknown", "expired"],
);

const isDefinite = (result: Attempt["result"]): result is DefiniteResult =>
  !indefinite.has(result.type);

const isWrite = (make: MakeRequest): boolean => make(0).type !== "get";
