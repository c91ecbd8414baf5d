import { fromBytes, toBytes } from "../protocol/codec.ts";
import {
  type Outdated,
  type PeerRequest,
  type PeerResponse,
  peerPath,
  peerProtocolVersion,
} from "../protocol/peer.ts";
import type { ReplicaCall } from "../protocol/replica-call.ts";
import type { Message } from "../raft/messages.ts";
import type { NodeId } from "../raft/types.ts";
import type { Peers } from "./ports.ts";

export interface FetchPeersOptions {
  /** The envelope. */
  readonly from: () => Pick<PeerRequest, "namespace" | "from" | "members" | "epoch">;
  /** Carries one call to a peer. */
  readonly call: (to: NodeId, call: ReplicaCall) => Promise<Response>;
  /** After this long a call counts as lost. */
  readonly timeoutMs: number;
  /**
   * Calls under way to one peer; more are not sent. An object has few connections, and a hung peer
   * must not take them all.
   */
  readonly maxCalls: number;
  readonly onAnswer: (messages: readonly Message[]) => void;
  /** The group has been rebuilt without this replica. */
  readonly onOutdated: (outdated: Outdated) => void;
  /** These messages, or the answer to them, are lost. */
  readonly onUnreachable: (node: NodeId, lost: readonly Message[]) => void;
}

/** Whether a message only says that the leader is there, and asks whether the follower follows. */
export const isBareSignOfLife = (message: Message): boolean =>
  message.type === "appendEntriesRequest" && message.entries.length === 0;

/** Peers over fetch: a call carries messages there, and its answer messages back. */
export class FetchPeers implements Peers {
  readonly #options: FetchPeersOptions;
  readonly #underWay = new Map<NodeId, number>();

  constructor(options: FetchPeersOptions) {
    this.#options = options;
  }

  /**
   * Calls fetch before it returns, so that the messages leave ahead of whatever is written next.
   */
  send(to: NodeId, messages: readonly Message[]): void {
    void this.#exchange(to, messages);
  }

  async #exchange(to: NodeId, messages: readonly Message[]): Promise<void> {
    const underWay = this.#underWay.get(to) ?? 0;
    // Another will come that says as much, and nothing in it is waited for.
    if (underWay >= this.#options.maxCalls && messages.every(isBareSignOfLife)) return;
    const answer = await this.#counted(to, () => this.#call(to, messages));
    if (answer === null) this.#options.onUnreachable(to, messages);
    else if (answer.length > 0) this.#options.onAnswer(answer);
  }

  /**
   * Runs a call unless too many are under way. Null when the messages or their answer are lost, for
   * whatever reason.
   */
  async #counted(
    to: NodeId,
    call: () => Promise<readonly Message[]>,
  ): Promise<readonly Message[] | null> {
    const underWay = this.#underWay.get(to) ?? 0;
    if (underWay >= this.#options.maxCalls) return null;
    this.#underWay.set(to, underWay + 1);
    try {
      return await call();
    } catch {
      // Unreachable, overloaded, reset, timed out, refused, garbled: Raft treats them alike, as a
      // message that was lost.
      return null;
    } finally {
      this.#underWay.set(to, this.#underWay.get(to)! - 1);
    }
  }

  async #call(to: NodeId, messages: readonly Message[]): Promise<readonly Message[]> {
    const { from, call, timeoutMs } = this.#options;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    try {
      const body: PeerRequest = { version: peerProtocolVersion, ...from(), to, messages };
      const response = await call(to, {
        path: peerPath,
        method: "POST",
        body: toBytes(body),
        signal: timeout.signal,
      });
      // Read even when refused: an unread body holds its connection.
      const bytes = await response.arrayBuffer();
      if (response.status === 410) this.#options.onOutdated(fromBytes<Outdated>(bytes));
      if (!response.ok) throw new Error(`replica ${to} answered ${response.status}`);
      const { version, messages: answer } = fromBytes<PeerResponse>(bytes);
      if (version !== peerProtocolVersion) {
        throw new Error(`replica ${to} answered in version ${String(version)}`);
      }
      return answer;
    } finally {
      // A timer that outlives its call, as that of AbortSignal.timeout does, keeps the object in memory, and billed.
      clearTimeout(timer);
    }
  }
}
