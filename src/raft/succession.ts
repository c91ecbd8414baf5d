import type { Context } from "./context.ts";
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
  /** When to look again whether another should rather lead. */
  #lookMs: number;

  constructor(context: Context, followers: ReadonlyMap<NodeId, Progress>) {
    this.#context = context;
    this.#followers = followers;
    this.#lookMs = context.nowMs + context.config.patienceMs;
  }

  /** To whom the leadership is being handed; null when to nobody. */
  get successor(): NodeId | null {
    return this.#successor?.node ?? null;
  }

  /** Hands over, if that can work. Given up if it takes longer than an election. */
  begin(to: NodeId): void {
    // One of which it is not known what it has would not be there in time.
    if (this.#followers.get(to)?.state !== "replicate") return;
    const { nowMs, config } = this.#context;
    this.#successor = { node: to, deadlineMs: nowMs + config.electionMinMs, isTold: false };
    this.maybeTell();
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
    if (this.#followers.get(node)!.matchIndex < log.last.index) return;
    successor.isTold = true;
    effects.sendNow({ type: "timeoutNowRequest", from: config.id, to: node, term });
  }

  /** Lets somebody else lead who should rather, and is well. */
  #look(): void {
    const { config, nowMs, log } = this.#context;
    this.#lookMs = nowMs + config.patienceMs;
    const rankOf = (node: NodeId): number => config.ranks.get(node) ?? Infinity;
    const [best] = [...this.#followers]
      .filter(([, { state, matchIndex }]) => state === "replicate" && matchIndex >= log.commitIndex)
      .map(([node]) => node)
      .sort((a, b) => rankOf(a) - rankOf(b));
    if (best !== undefined && rankOf(best) < rankOf(config.id)) this.begin(best);
  }
}
