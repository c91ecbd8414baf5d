import type { Message } from "../../src/raft/messages.ts";
import type { Configuration } from "../../src/raft/membership.ts";
import { isQuorum } from "../../src/raft/quorum.ts";
import type { NodeId } from "../../src/raft/types.ts";
import type { Life, Step } from "./life.ts";

/** Knows who has followed which leader since when, which is what a linearizable read rests on. */
export class Following {
  /** Counts messages: a moment is the number of those sent before. */
  #now = 0;
  readonly #sentAt = new WeakMap<Message, number>();
  /** When the newest message was sent that each `node term` took from the leader of that term. */
  readonly #heard = new Map<string, number>();

  /** A moment, to ask later what happened after it. */
  get now(): number {
    return this.#now;
  }

  sent(message: Message): void {
    this.#now++;
    this.#sentAt.set(message, this.#now);
  }

  /** A message has gone its way as bytes, and has become another object. */
  arrives(copy: Message, sent: Message): void {
    this.#sentAt.set(copy, this.#sentAt.get(sent) ?? 0);
  }

  stepped({ replica: { id, raft }, input }: Step): void {
    if (input.type !== "receive" || input.message.type !== "appendEntriesRequest") return;
    if (input.message.term !== raft.term) return;
    const key = `${id} ${raft.term}`;
    const sentAt = this.#sentAt.get(input.message) ?? 0;
    this.#heard.set(key, Math.max(sentAt, this.#heard.get(key) ?? 0));
  }

  /** Whether a quorum, itself included, has followed this leader by a message it sent after `moment`. */
  isQuorumSince({ id, raft }: Life, configuration: Configuration, moment: number): boolean {
    const heard = (node: NodeId): number => this.#heard.get(`${node} ${raft.term}`) ?? 0;
    return isQuorum(configuration, (node) => node === id || heard(node) > moment);
  }
}
