import type { ClientBatch, ClientBatchResult, ReadIndexRequest } from "../protocol/client.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";
import {
  type Outdated,
  type PeerRequest,
  type PeerResponse,
  type PeerVersion,
  peerVersions,
} from "../protocol/peer.ts";
import { type ReplicaCall, replicaPath } from "../protocol/replica-call.ts";
import { checkVersion, versionsKnown } from "../protocol/version.ts";
import type { Message } from "../raft/messages.ts";
import { type NodeId, asIndex } from "../raft/types.ts";
import { Negotiation } from "./negotiation.ts";
import { readIn, sayIn } from "./peer-version.ts";
import type { ConfirmedIndex, Peers } from "./ports.ts";

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
  readonly nowMs: () => number;
  /** Takes a line for the operator. */
  readonly warn: (line: string) => void;
}

/** Whether a message only says that the leader is there, and asks whether the follower follows. */
export const isBareSignOfLife = (message: Message): boolean =>
  message.type === "appendEntriesRequest" && message.entries.length === 0;

/** Peers over fetch: a call carries messages there, and its answer messages back. */
export class FetchPeers implements Peers {
  readonly #options: FetchPeersOptions;
  readonly #underWay = new Map<NodeId, number>();
  readonly #negotiation: Negotiation;

  constructor(options: FetchPeersOptions) {
    this.#options = options;
    this.#negotiation = new Negotiation(options.nowMs);
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

  /** Peers that know no version from this one on, as they have shown lately. */
  olderThan(version: PeerVersion): NodeId[] {
    return this.#negotiation.olderThan(version);
  }

  keepsWaiting(node: NodeId): boolean {
    return this.#negotiation.keepsWaiting(node);
  }

  async readIndex(leader: NodeId, request: ReadIndexRequest): Promise<ConfirmedIndex | null> {
    const batch: ClientBatch = { version: 2, requests: [request] };
    const call = { path: replicaPath.client, method: "POST", body: toBytes(batch) } as const;
    try {
      return await this.#withinTime(async (signal) => {
        const response = await this.#options.call(leader, { ...call, signal });
        // Read even when refused: an unread body holds its connection.
        const bytes = await response.arrayBuffer();
        if (!response.ok) return null;
        const { version, results, servedBy } = fromBytes<ClientBatchResult>(bytes);
        checkVersion("client", version, [batch.version]);
        const [result] = results;
        if (result?.type !== "index") return null;
        return { index: asIndex(result.index), epoch: servedBy.epoch ?? 1 };
      });
    } catch {
      // Lost, however: who asked has others to turn to.
      return null;
    }
  }

  /** What a peer's call carries. It has shown which version it speaks. */
  readCall({ from, version, messages }: PeerRequest): Message[] {
    const { members } = this.#options.from();
    this.#negotiation.heard(from, version);
    return messages.map((message) => readIn(version, message, members));
  }

  /** The answer to a peer's call, in the version of that. What cannot be said there is lost. */
  answerTo({ from, version }: PeerRequest, messages: readonly Message[]): PeerResponse {
    const { members } = this.#options.from();
    const said = messages.map((message) => sayIn(version, message, members));
    const lost = messages.filter((_, i) => said[i] === null);
    if (lost.length > 0) {
      this.#complain(from, cannotSay(from, version));
      this.#options.onUnreachable(from, lost);
    }
    return { version, messages: said.filter((message) => message !== null) };
  }

  async #call(to: NodeId, messages: readonly Message[]): Promise<readonly Message[]> {
    return this.#withinTime(async (signal) => {
      const version = this.#negotiation.versionFor(to);
      const answer = await this.#ask(to, version, messages, signal);
      if (!("known" in answer)) return answer.messages;
      const older = this.#negotiation.refused(to, version, answer.known);
      const again = older === null ? answer : await this.#ask(to, older, messages, signal);
      if (!("known" in again)) return again.messages;
      const why = `replica ${to} knows peer versions ${again.known.join(", ")}, and this one ${peerVersions.join(", ")}`;
      this.#complain(to, why);
      throw new Error(why);
    });
  }

  async #withinTime<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), this.#options.timeoutMs);
    try {
      return await call(timeout.signal);
    } finally {
      // A timer that outlives its call, as that of AbortSignal.timeout does, keeps the object in memory, and billed.
      clearTimeout(timer);
    }
  }

  /** Calls a peer once, in one version. Returns its answer, or which versions it knows instead. */
  async #ask(
    to: NodeId,
    version: PeerVersion,
    messages: readonly Message[],
    signal: AbortSignal,
  ): Promise<{ readonly messages: readonly Message[] } | { readonly known: readonly number[] }> {
    const envelope = this.#options.from();
    const said = messages.map((message) => sayIn(version, message, envelope.members));
    // Version 1 knows nothing of groups that were rebuilt, and would take those of before for the same.
    const isSaid = version !== 1 || (envelope.epoch ?? 1) === 1;
    if (!isSaid || said.some((message) => message === null)) {
      const why = cannotSay(to, version);
      this.#complain(to, why);
      throw new Error(why);
    }
    const body = { version, ...envelope, to, messages: said };
    const response = await this.#options.call(to, {
      path: replicaPath.peer,
      method: "POST",
      body: toBytes(body),
      signal,
    });
    // Read even when refused: an unread body holds its connection.
    const bytes = await response.arrayBuffer();
    if (response.status === 410) this.#options.onOutdated(fromBytes<Outdated>(bytes));
    if (!response.ok) {
      const known = versionsKnown("peer", response.status, new TextDecoder().decode(bytes));
      if (known !== null) return { known };
      throw new Error(`replica ${to} answered ${response.status}`);
    }
    const answer = fromBytes<PeerResponse>(bytes);
    this.#checkVersion(to, answer.version);
    this.#negotiation.heard(to, answer.version);
    const read = (message: Message): Message => readIn(answer.version, message, envelope.members);
    return { messages: answer.messages.map(read) };
  }

  #checkVersion(to: NodeId, version: unknown): void {
    try {
      checkVersion("peer", version, peerVersions);
    } catch (error) {
      this.#complain(to, `replica ${to} answered in an ${(error as Error).message}`);
      throw error;
    }
  }

  /** Once, until the peer is upgraded: it would be said with each message. */
  #complain(to: NodeId, why: string): void {
    if (this.#negotiation.mayComplain(to)) this.#options.warn(why);
  }
}

const cannotSay = (to: NodeId, version: PeerVersion): string =>
  `replica ${to} runs older code: peer version ${version} has no words for what it is to be told, so ` +
  "it stays behind until its code is as new as this";
