import {
  type ChangeRequest,
  type ChangeResult,
  type ClientBatch,
  type ClientBatchResult,
  type ClientRequest,
  type Member,
  type RebuildRequest,
  type RebuildResult,
  type RetireRequest,
  type StatusResult,
  type TransferRequest,
  type TransferResult,
  clientProtocolVersion,
} from "../protocol/client.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";
import { reachReplica } from "../protocol/reach.ts";
import { type ReplicaCall, type ReplicaPath, replicaPath } from "../protocol/replica-call.ts";
import { type Settings, anyRegion } from "../protocol/settings.ts";
import { checkVersion, versionsKnown } from "../protocol/version.ts";
import { type EdgeBindings, settingsOf } from "./env.ts";
import { type StatusOfAnyCode, inFull } from "./old-status.ts";

/**
 * The replicas of one namespace, as an edge reaches them. Every call throws whatever befell it, and
 * the reason of its signal when that ends it.
 */
export class ReplicaGroup {
  readonly namespace: string;
  readonly settings: Settings;
  readonly #objects: DurableObjectNamespace;
  /** Where replicas are to be, by their ids. */
  readonly #regions = new Map<string, string>();

  constructor(env: EdgeBindings, namespace: string) {
    this.namespace = namespace;
    this.settings = settingsOf(env);
    this.#objects = env.REPLICA;
    this.meet(this.settings.members);
  }

  /** Somebody tells of members that the settings perhaps do not name. */
  meet(members: readonly Member[]): void {
    for (const { id, region } of members) this.#regions.set(id, region);
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
    const answer = await this.#post<ClientBatchResult>(id, replicaPath.client, batch, signal);
    checkVersion("client", answer.version, [clientProtocolVersion]);
    if (answer.results.length !== requests.length) {
      throw new Error(`replica ${id} answered something else than was asked`);
    }
    return answer;
  }

  /** Asks a replica what it says of itself. */
  status(id: string, signal: AbortSignal): Promise<StatusResult> {
    return this.#call<StatusOfAnyCode>(id, {
      path: replicaPath.status,
      method: "GET",
      signal,
    }).then(inFull);
  }

  /** Like `status`, and makes the replica check its deadlines: its alarm may be late. */
  poke(id: string, signal: AbortSignal): Promise<StatusResult> {
    return this.#call<StatusOfAnyCode>(id, {
      path: replicaPath.poke,
      method: "POST",
      signal,
    }).then(inFull);
  }

  /** Asks a leader to hand over to another replica. */
  transfer(id: string, to: string, signal: AbortSignal): Promise<TransferResult> {
    const body: TransferRequest = { version: clientProtocolVersion, to };
    return this.#post(id, replicaPath.transfer, body, signal);
  }

  /** Asks a leader to let others belong to the group. */
  change(id: string, change: ChangeRequest["change"], signal: AbortSignal): Promise<ChangeResult> {
    const body: ChangeRequest = { version: clientProtocolVersion, change };
    return this.#post<ChangeResult>(id, replicaPath.members, body, signal).catch(
      (error: unknown) => {
        if (isTooOld(error)) return { type: "tooOld", ids: [id] };
        throw error;
      },
    );
  }

  /** Has a replica go on alone, though the quorum is lost. */
  rebuild(id: string, epoch: number, signal: AbortSignal): Promise<RebuildResult> {
    const body: RebuildRequest = { version: clientProtocolVersion, epoch };
    return this.#post(id, replicaPath.rebuild, body, signal);
  }

  /** Tells a replica that the group was rebuilt without it. */
  retire(
    id: string,
    epoch: number,
    members: readonly Member[],
    signal: AbortSignal,
  ): Promise<StatusResult> {
    const body: RetireRequest = { version: clientProtocolVersion, epoch, members };
    return this.#post(id, replicaPath.retire, body, signal);
  }

  #post<T>(id: string, path: ReplicaPath, body: object, signal: AbortSignal): Promise<T> {
    return this.#call(id, { path, method: "POST", body: toBytes(body), signal });
  }

  async #call<T>(id: string, call: ReplicaCall): Promise<T> {
    // It counts only when the object is created, which for one that came later the leader does, mostly.
    const region = this.#regions.get(id) ?? anyRegion;
    const replica = { namespace: this.namespace, id, region };
    const response = await reachReplica(this.#objects, this.settings, replica, call);
    // Read even when refused: an unread body holds its connection.
    const bytes = await response.arrayBuffer();
    if (!response.ok) {
      const text = new TextDecoder().decode(bytes);
      const why = `replica ${id} answered ${response.status}: ${text}`;
      // To the client it is like a replica that is away, so only the log tells why.
      if (versionsKnown("client", response.status, text) !== null) console.error(why);
      throw new RefusedCall(response.status, why);
    }
    return fromBytes<T>(bytes);
  }
}

class RefusedCall extends Error {
  override readonly name = "RefusedCall";
  readonly status: number;

  constructor(status: number, why: string) {
    super(why);
    this.status = status;
  }
}

/** Code of before members could change knows no such path, nor does its gateway. */
function isTooOld(error: unknown): boolean {
  return error instanceof RefusedCall && error.status === 404;
}
