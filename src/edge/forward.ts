import type { ClientRequest, ClientResult, ServedBy } from "../protocol/client.ts";
import { LeaderCache } from "./leader-cache.ts";
import { LeaderSearch } from "./leader-search.ts";
import { Lookout, longestPauseMs } from "./lookout.ts";
import { backoffMs, pause } from "./pause.ts";
import type { ReplicaGroup } from "./replica-group.ts";

/** A request as a route makes it: what makes a write take effect once is added on its way. */
export type Draft = DraftOf<ClientRequest>;
type DraftOf<T> = T extends { readonly floor: number } ? Omit<T, "requestId" | "floor"> : T;

/** A result that says what happened, from a replica that knows. */
export type DefiniteResult = Exclude<
  ClientResult,
  { type: "notLeader" } | { type: "dropped" } | { type: "unknown" } | { type: "expired" }
>;

export type Forwarded =
  | { readonly type: "answered"; readonly result: DefiniteResult; readonly servedBy: ServedBy }
  /** The one replica that was to be asked does not lead; this one does, as far as it knows. */
  | { readonly type: "redirected"; readonly leader: string; readonly servedBy: ServedBy }
  /** Nothing happened, for sure: see `Refusal`. */
  | { readonly type: "refused"; readonly reason: Refusal }
  /** The write may or may not have taken effect, and may still. */
  | { readonly type: "unknown" };

/** No replica could be reached; some could, but none led; or the leader had too much under way. */
export type Refusal = "unavailable" | "no_leader" | "overloaded";

/** What came of sending a request once. "lost" is every way of not getting an answer. */
interface Attempt {
  readonly result: ClientResult | typeof lost;
  readonly servedBy: ServedBy;
  readonly sequence: number;
}

const lost = { type: "lost" } as const;
const nobody: ServedBy = { replica: "", region: "", role: "none", term: 0, epoch: 0 };

/** Later than this before the deadline no attempt is begun. */
const leastAttemptMs = 10;

/** Shared by the requests of an isolate: hints, which do no harm when they are wrong. */
const cache = new LeaderCache();

/**
 * One client request on its way to the leader of its namespace.
 *
 * However often it is sent it carries one id, by which replicas tell repetitions. An attempt whose
 * answer is lost makes a write ambiguous: it may have taken effect, or may do so later. From then on
 * only a definite result ends it, since another replica's refusal says nothing of that attempt.
 */
export class Forwarding {
  readonly #group: ReplicaGroup;
  readonly #draft: Draft;
  readonly #requestId = crypto.randomUUID();
  readonly #search: LeaderSearch;
  readonly #lookout: Lookout;
  readonly #deadlineMs: number;
  readonly #deadline: AbortSignal;
  readonly #attemptMs: number;
  /** Must have been seen before the first attempt that could have taken effect. */
  #floor: number;
  #isAmbiguous = false;
  /** The longest that an answer took so far. */
  #slowestMs = 0;

  /** @param timeoutMs how long all attempts together may take. */
  constructor(group: ReplicaGroup, draft: Draft, timeoutMs: number) {
    this.#group = group;
    this.#draft = draft;
    this.#search = new LeaderSearch(group.founder);
    this.#lookout = new Lookout(group, this.#search, cache);
    this.#deadlineMs = Date.now() + timeoutMs;
    this.#deadline = AbortSignal.timeout(timeoutMs);
    // A replica that says nothing for so long is taken for dead; a second one must get its chance.
    const patienceMs = Math.max(2 * group.settings.electionMaxMs, 500);
    this.#attemptMs = Math.min(patienceMs, Math.ceil(timeoutMs / 2));
    this.#floor = cache.get(group.namespace)?.sequence ?? 0;
  }

  /** Asks whoever leads, searching for it as long as time allows. */
  async toLeader(): Promise<Forwarded> {
    const { namespace } = this.#group;
    let drops = 0;
    let isBusy = false;
    let id = await this.#first();
    while (id !== null && this.#hasTime()) {
      const { result, servedBy } = await this.#attempt(id, this.#attemptMs);
      if (isDefinite(result)) {
        cache.noteLeader(namespace, id);
        return { type: "answered", result, servedBy };
      }
      if (result.type === "expired") return this.#giveUp("overloaded");
      isBusy = result.type === "dropped";
      if (isBusy) {
        await pause(backoffMs(drops++, longestPauseMs), this.#deadline);
      } else {
        cache.noteLost(namespace, id);
        id = this.#hint(id, result, servedBy) ?? (await this.#lookout.look(this.#deadline));
      }
    }
    if (isBusy) return this.#giveUp("overloaded");
    return this.#giveUp(this.#search.hasHeard ? "no_leader" : "unavailable");
  }

  /** Asks one replica, and nobody else. */
  async toReplica(id: string): Promise<Forwarded> {
    const { result, servedBy } = await this.#attempt(id, this.#remainingMs());
    if (isDefinite(result)) return { type: "answered", result, servedBy };
    switch (result.type) {
      case "notLeader":
        return result.leader === null
          ? this.#giveUp("no_leader")
          : { type: "redirected", leader: result.leader, servedBy };
      case "unknown":
        return this.#giveUp("no_leader");
      case "lost":
        return this.#giveUp("unavailable");
      case "dropped":
      case "expired":
        return this.#giveUp("overloaded");
    }
  }

  /** Whom to ask first; null when time is up before that shows. */
  async #first(): Promise<string | null> {
    // A guess may well be dead, and a write sent there be in doubt for nothing.
    return cache.get(this.#group.namespace)?.leader ?? this.#lookout.look(this.#deadline);
  }

  /**
   * Sends the request once, or a second time when the first proved nothing but that the floor was
   * too old.
   */
  async #attempt(id: string, timeoutMs: number): Promise<Attempt> {
    const attempt = await this.#send(id, timeoutMs);
    const { type } = attempt.result;
    if (type === "expired" && !this.#isAmbiguous) {
      // It was not applied, and no earlier attempt can have been. So a floor of now is as good.
      this.#floor = attempt.sequence;
      return this.#send(id, timeoutMs);
    }
    return attempt;
  }

  async #send(id: string, timeoutMs: number): Promise<Attempt> {
    const { namespace } = this.#group;
    const signal = AbortSignal.any([this.#deadline, AbortSignal.timeout(timeoutMs)]);
    const startMs = Date.now();
    let attempt: Attempt;
    try {
      const { results, servedBy, sequence } = await this.#group.ask(id, [this.#request()], signal);
      cache.noteSequence(namespace, sequence, servedBy.epoch ?? 1);
      this.#slowestMs = Math.max(this.#slowestMs, Date.now() - startMs);
      attempt = { result: results[0]!, servedBy, sequence };
    } catch {
      // Unreachable, too slow, refused, or unreadable. No error proves that a write was not begun.
      attempt = { result: lost, servedBy: nobody, sequence: 0 };
    }
    const { type } = attempt.result;
    if (type === "lost" || type === "unknown") this.#isAmbiguous ||= this.#draft.type !== "get";
    return attempt;
  }

  #request(): ClientRequest {
    if (this.#draft.type === "get") return this.#draft;
    return { ...this.#draft, requestId: this.#requestId, floor: this.#floor };
  }

  /** Whom to ask after `id`, if the attempt there tells. */
  #hint(id: string, result: Attempt["result"], { term }: ServedBy): string | null {
    if (result.type === "notLeader") return this.#search.isNotLeader(id, term, result.leader);
    this.#search.isInDoubt(id);
    return null;
  }

  #giveUp(reason: Refusal): Forwarded {
    return this.#isAmbiguous ? { type: "unknown" } : { type: "refused", reason };
  }

  /**
   * Whether another attempt can be made. One that the deadline cuts off makes a write ambiguous, so a
   * write of which nothing is in doubt yet goes out only if there is time for an answer.
   */
  #hasTime(): boolean {
    const isAtStake = this.#draft.type !== "get" && !this.#isAmbiguous;
    return this.#remainingMs() > Math.max(leastAttemptMs, isAtStake ? this.#slowestMs : 0);
  }

  #remainingMs(): number {
    return this.#deadlineMs - Date.now();
  }
}

function isDefinite(result: Attempt["result"]): result is DefiniteResult {
  switch (result.type) {
    case "value":
    case "absent":
    case "put":
    case "deleted":
      return true;
    case "notLeader":
    case "dropped":
    case "unknown":
    case "expired":
    case "lost":
      return false;
  }
}
