import {
  type ClientBatch,
  type ClientBatchResult,
  type ClientRequest,
  type Member,
  type StatusResult,
  clientPath,
  clientProtocolVersion,
  objectName,
  pokePath,
  statusPath,
} from "../protocol/client.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";
import { type Settings, anyRegion } from "../protocol/settings.ts";
import { type EdgeBindings, settingsOf } from "./env.ts";

/**
 * The replicas of one namespace, as an edge reaches them. Every call throws whatever befell it, and
 * the reason of its signal when that ends it.
 */
export class ReplicaGroup {
  readonly namespace: string;
  readonly settings: Settings;
  readonly #objects: DurableObjectNamespace;

  constructor(env: EdgeBindings, namespace: string) {
    this.namespace = namespace;
    this.settings = settingsOf(env);
    this.#objects = env.REPLICA;
  }

  /** The members that the settings name. A group that is older than they are may have others. */
  get members(): readonly Member[] {
    return this.settings.members;
  }

  /** The one whose first request brings the group into being. */
  get founder(): string {
    return this.members[0]!.id;
  }

  /** Puts requests to one replica. The results come in the order of the requests. */
  async ask(
    id: string,
    requests: readonly ClientRequest[],
    signal: AbortSignal,
  ): Promise<ClientBatchResult> {
    const batch: ClientBatch = { version: clientProtocolVersion, requests };
    const answer = await this.#call<ClientBatchResult>(id, clientPath, {
      method: "POST",
      body: toBytes(batch),
      signal,
    });
    if (answer.version !== clientProtocolVersion || answer.results.length !== requests.length) {
      throw new Error(`replica ${id} answered something else than was asked`);
    }
    return answer;
  }

  /** Asks a replica what it says of itself. */
  status(id: string, signal: AbortSignal): Promise<StatusResult> {
    return this.#call(id, statusPath, { method: "GET", signal });
  }

  /** Like `status`, and makes the replica check its deadlines: its alarm may be late. */
  poke(id: string, signal: AbortSignal): Promise<StatusResult> {
    return this.#call(id, pokePath, { method: "POST", signal });
  }

  async #call<T>(id: string, path: string, init: RequestInit): Promise<T> {
    const response = await this.#stub(id).fetch(`https://replica${path}`, init);
    // Read even when refused: an unread body holds its connection.
    const bytes = await response.arrayBuffer();
    if (!response.ok) throw new Error(`replica ${id} answered ${response.status}`);
    return fromBytes<T>(bytes);
  }

  /** A fresh one for each call, since some errors break a stub for good. */
  #stub(id: string): DurableObjectStub {
    // One that the settings do not name exists already, so where to create it does not matter.
    const region = this.members.find((member) => member.id === id)?.region ?? anyRegion;
    return this.#objects.get(this.#objects.idFromName(objectName(this.namespace, id)), {
      ...(region === anyRegion ? {} : { locationHint: region as DurableObjectLocationHint }),
      // The edge asks again by itself, and elsewhere.
      retry: { maxRetries: 0 },
    });
  }
}
