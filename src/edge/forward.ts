import type { ClientCommand } from "../kv/command.ts";
import type {
  ClientRequest,
  ClientResult,
  Level,
  ReadRequest,
  ServedBy,
} from "../protocol/client.ts";
import { LeaderCache } from "./leader-cache.ts";
import { LeaderSearch } from "./leader-search.ts";
import { Lookout, longestPauseMs } from "./lookout.ts";
import { type Region, nearestFirst } from "./nearest.ts";
import { backoffMs, pause } from "./pause.ts";
import type { ReplicaGroup } from "./replica-group.ts";

/** A request as a route makes it: what makes a write take effect once is added on its way. */
export type Draft = ReadRequest | WriteDraft;
export type WriteDraft = DraftOf<ClientCommand>;
type DraftOf<T> = T extends ClientCommand ? Omit<T, "requestId" | "floor"> : never;

/** A result that says what happened, from a replica that knows. */
export type DefiniteResult = Exclude<ClientResult, { type: Indefinite }>;
type Indefinite = "notLeader" | "dropped" | "unknown" | "expired" | "inFlight" | "tooOld";

export type Forwarded =
  | Answered
  /** The one replica that was to be asked does not lead; this one does, as far as it knows. */
  | { readonly type: "redirected"; readonly leader: string; readonly servedBy: ServedBy }
  /** Nothing happened, for sure: see `Refusal`. */
  | { readonly type: "refused"; readonly reason: Refusal }
  /** The write may or may not have taken effect, and may still. */
  | { readonly type: "unknown" };

export interface Answered {
  readonly type: "answered";
  readonly result: DefiniteResult;
  readonly servedBy: ServedBy;
  /** The newest revision that the replica had; null when it does not say. */
  readonly revision: number | null;
}

/**
 * No replica could be reached; some could, but none led; the leader had too much under way; or had this
 * under way already, by the client's name for it; or replicas run code that does not know it.
 */
export type Refusal = "unavailable" | "no_leader" | "overloaded" | "in_flight" | "too_old";

/** What came of sending a request once. "lost" is every way of not getting an answer. */
interface Attempt {
  readonly result: ClientResult | typeof lost;
  readonly servedBy: ServedBy;
  readonly sequence: number;
  readonly revision: number | null;
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
  /** How old may be what a read shows, where replicas that do not lead are asked too. */
  #level: Level | null = null;
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
    let waits = 0;
    let isBusy = false;
    let isTooOld = false;
    let id = await this.#first();
    while (id !== null && this.#hasTime()) {
      const attempt = await this.#attempt(id, this.#attemptMs);
      const { result, servedBy } = attempt;
      if (isDefinite(result)) {
        cache.noteLeader(namespace, id);
        return answered(attempt, result);
      }
      if (result.type === "expired") return this.#giveUp("overloaded");
      if (result.type === "inFlight") return this.#giveUp("in_flight");
      isTooOld = result.type === "tooOld";
      isBusy = result.type === "dropped";
      const isForLater = isTooOld && servedBy.role === "leader";
      // The one that leads knows of all others. It may learn more, but only what is in doubt has to wait for that.
      if (isForLater && !this.#isAmbiguous) return this.#giveUp("too_old");
      if (isBusy || isForLater) {
        await pause(backoffMs(waits++, longestPauseMs), this.#deadline);
      } else {
        cache.noteLost(namespace, id);
        id = this.#hint(id, result, servedBy) ?? (await this.#lookout.look(this.#deadline));
      }
    }
    if (isBusy) return this.#giveUp("overloaded");
    if (isTooOld) return this.#giveUp("too_old");
    return this.#giveUp(this.#search.hasHeard ? "no_leader" : "unavailable");
  }

  /**
   * Asks one replica after another, the nearest first, until the state of one is new enough; and at last
   * whoever leads, in the words of any code: its answer is good enough for whatever was wanted.
   */
  async toNearest(level: Level, from: Region | null): Promise<Forwarded> {
    const known = cache.get(this.#group.namespace);
    const { members = [], leader = null } = known ?? {};
    this.#group.meet(members);
    this.#level = level;
    const all = members.length > 0 ? members : this.#group.members;
    for (const id of nearestFirst(all, from, leader)) {
      if (!this.#hasTime()) break;
      // However many of them hang, those that come after get their chance.
      const patienceMs = Math.ceil(Math.min(this.#attemptMs, this.#remainingMs() / 2));
      const attempt = await this.#attempt(id, patienceMs);
      if (isDefinite(attempt.result)) return answered(attempt, attempt.result);
    }
    this.#level = null;
    return this.toLeader();
  }

  /** Asks one replica, and nobody else. */
  async toReplica(id: string, level: Level | null = null): Promise<Forwarded> {
    this.#level = level;
    const attempt = await this.#attempt(id, this.#remainingMs());
    const { result, servedBy } = attempt;
    if (isDefinite(result)) return answered(attempt, result);
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
      case "inFlight":
        return this.#giveUp("in_flight");
      case "tooOld":
        return this.#giveUp("too_old");
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
      const answer = await this.#group.ask(id, [this.#request()], signal);
      const { results, servedBy, sequence, revision = null } = answer;
      cache.noteSequence(namespace, sequence, servedBy.epoch ?? 1);
      this.#slowestMs = Math.max(this.#slowestMs, Date.now() - startMs);
      attempt = { result: results[0]!, servedBy, sequence, revision };
    } catch {
      // Unreachable, too slow, refused, or unreadable. No error proves that a write was not begun.
      attempt = { result: lost, servedBy: nobody, sequence: 0, revision: null };
    }
    const { type } = attempt.result;
    if (type === "lost" || type === "unknown") this.#isAmbiguous ||= isWrite(this.#draft);
    return attempt;
  }

  #request(): ClientRequest {
    if (!isWrite(this.#draft)) {
      const level = this.#level;
      return level === null ? this.#draft : ({ ...this.#draft, level } as ReadRequest);
    }
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
    const isAtStake = isWrite(this.#draft) && !this.#isAmbiguous;
    return this.#remainingMs() > Math.max(leastAttemptMs, isAtStake ? this.#slowestMs : 0);
  }

  #remainingMs(): number {
    return this.#deadlineMs - Date.now();
  }
}

const answered = ({ servedBy, revision }: Attempt, result: DefiniteResult): Answered => ({
  type: "answered",
  result,
  servedBy,
  revision,
});

/** Whether a request may change anything. */
export function isWrite(draft: Draft): draft is WriteDraft {
  switch (draft.type) {
    case "get":
    case "list":
    case "count":
    case "query":
    case "lease":
    case "openView":
    case "page":
    case "part":
    case "retention":
    case "readIndex":
      return false;
    default:
      return true;
  }
}

function isDefinite(result: Attempt["result"]): result is DefiniteResult {
  switch (result.type) {
    case "notLeader":
    case "dropped":
    case "unknown":
    case "expired":
    case "inFlight":
    case "tooOld":
    case "lost":
      return false;
    default:
      return true;
  }
}
