import type { Message } from "../../src/raft/messages.ts";
import type { NodeId } from "../../src/raft/types.ts";

/**
 * The messages under way, in the order of sending. It loses nothing and delivers nothing by itself,
 * except across a cut.
 */
export class Network {
  #inFlight: Message[] = [];
  #groups: readonly (readonly NodeId[])[] = [];
  #muted: NodeId | null = null;

  get inFlight(): readonly Message[] {
    return this.#inFlight;
  }

  send(message: Message): void {
    if (!this.isCut(message.from, message.to)) this.#inFlight.push(message);
  }

  /** Takes out the messages that `wanted` picks. */
  take(wanted: (message: Message) => boolean): Message[] {
    const taken = this.#inFlight.filter(wanted);
    this.#inFlight = this.#inFlight.filter((message) => !taken.includes(message));
    return taken;
  }

  /**
   * From now on messages pass only inside a group, and a replica may be in several; what is under
   * way still arrives. No groups: everything passes.
   */
  partition(groups: readonly (readonly NodeId[])[]): void {
    this.#groups = groups;
  }

  /** From now on nothing that this one sends arrives anywhere, though it hears the others. */
  mute(node: NodeId | null): void {
    this.#muted = node;
  }

  isCut(from: NodeId, to: NodeId): boolean {
    if (from === this.#muted) return true;
    if (this.#groups.length === 0) return false;
    return !this.#groups.some((group) => group.includes(from) && group.includes(to));
  }
}
