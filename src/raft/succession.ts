import type { Context } from "./context.ts";
import { isAmong, regionOf } from "./membership.ts";
import type { Progress } from "./progress.ts";
import type { NodeId } from "./types.ts";

interface Successor {
  readonly node: NodeId;
  /** When to give up. */
  readonly deadlineMs: number;
  /** Whether it has been told to stand. */
  isTold: boolean;
}

/**
 * A leader's way out of office: lets another voter catch up, and tells it to stand (thesis, 3.10). It
 * looks by itself, now and then, whether another should rather lead.
 */
export class Succession {
  readonly #context: Context;
  readonly #followers: ReadonlyMap<NodeId, Progress>;
  #successor: Successor | null = null;
  /** When to look again whether another should rather lead, and whether that was done since it was put off. */
  #lookMs: number;
  /** When it may step aside again. */
  #asideMs: number;
  #hasLooked = false;

  constructor(context: Context, followers: ReadonlyMap<NodeId, Progress>) {
    this.#context = context;
    this.#followers = followers;
    this.#lookMs = context.nowMs + context.config.patienceMs;
    this.#asideMs = context.nowMs;
  }

  /** To whom the leadership is being handed; null when to nobody. */
  get successor(): NodeId | null {
    return this.#successor?.node ?? null;
  }

  /**
   * Hands over, if that can work: to whoever should rather lead of those who can, unless it is said.
   * Given up if it takes longer than an election, however often it is asked for again meanwhile, or
   * nothing could be proposed for as long as somebody asks.
   */
  begin(to: NodeId | null = this.#best): void {
    if (to === null || to === this.successor || !this.#mayLead(to)) return;
    const { nowMs, config } = this.#context;
    this.#successor = { node: to, deadlineMs: nowMs + config.electionMinMs, isTold: false };
    this.maybeTell();
  }

  /**
   * Lets somebody else lead, whoever that is. Not again and again where that comes to nothing, since each
   * time proposals are refused for a while.
   */
  stepAside(): void {
    const { nowMs, config } = this.#context;
    if (this.#successor !== null || nowMs < this.#asideMs) return;
    this.#asideMs = nowMs + config.patienceMs;
    this.begin();
  }

  time(): void {
    const { nowMs } = this.#context;
    if (this.#successor !== null && nowMs >= this.#successor.deadlineMs) this.#successor = null;
    if (this.#successor === null && nowMs >= this.#lookMs) this.#look();
  }

  /** Something sent to `node` was lost, perhaps what it was told. It hears it again when it is heard. */
  lost(node: NodeId): void {
    if (this.#successor?.node === node) this.#successor.isTold = false;
  }

  /** Tells the successor to stand, as soon as it has the whole log, once. */
  maybeTell(): void {
    const successor = this.#successor;
    if (successor === null || successor.isTold) return;
    const { config, effects, log, term } = this.#context;
    const { node } = successor;
    if ((this.#followers.get(node)?.matchIndex ?? 0) < log.last.index) return;
    successor.isTold = true;
    const { last } = log;
    effects.sendNow({ type: "timeoutNowRequest", from: config.id, to: node, term, last });
  }

  /** Looks only after a while. */
  putOff(): void {
    this.#lookMs = this.#context.nowMs + this.#context.config.patienceMs;
    this.#hasLooked = false;
  }

  /** Whether nobody should rather lead, as far as can be done about it. */
  get isContent(): boolean {
    return this.#hasLooked || !this.#isBetterThere;
  }

  #look(): void {
    this.putOff();
    this.#hasLooked = true;
    if (this.#isBetterThere) this.begin();
  }

  /** Whether somebody is well who should rather lead. */
  get #isBetterThere(): boolean {
    const best = this.#best;
    return best !== null && this.#rankOf(best) < this.#rankOf(this.#context.config.id);
  }

  /** Whoever should rather lead, of those that have all that is committed. */
  get #best(): NodeId | null {
    const { commitIndex } = this.#context.log;
    const [best] = [...this.#followers]
      .filter(([node, { matchIndex }]) => this.#mayLead(node) && matchIndex >= commitIndex)
      .map(([node]) => node)
      .sort((a, b) => this.#rankOf(a) - this.#rankOf(b));
    return best ?? null;
  }

  /**
   * One of which it is not known what it has would not be there in time, one that leaves not for long, and
   * one whose state is wrong does not stand.
   */
  #mayLead(node: NodeId): boolean {
    const { voters } = this.#context.log.configuration;
    const follower = this.#followers.get(node);
    return isAmong(voters, node) && follower?.state === "replicate" && follower.diverged === null;
  }

  #rankOf(node: NodeId): number {
    const { config, log } = this.#context;
    return config.ranks.get(regionOf(log.configuration, node) ?? "") ?? Infinity;
  }
}
