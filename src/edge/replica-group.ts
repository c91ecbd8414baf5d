import {
  type ChangeRequest,
  type ChangeResult,
  type ClientBatch,
  type ClientBatchResult,
  type ClientRequest,
  type ClientResult,
  type ClientVersion,
  type Member,
  type RebuildRequest,
  type RebuildResult,
  type RetireRequest,
  type StatusResult,
  type TransferRequest,
  type TransferResult,
  clientProtocolVersion,
} from "../protocol/client.ts";
import { isPlain } from "../kv/command.ts";
import { fromBytes, toBytes } from "../protocol/codec.ts";
import { reachReplica } from "../protocol/reach.ts";
import {
  type ReplicaCall,
  type ReplicaPath,
  replicaPath,
  watchHeader,
} from "../protocol/replica-call.ts";
import { type Settings, anyRegion } from "../protocol/settings.ts";
import { checkVersion, versionsKnown } from "../protocol/version.ts";
import type { WatchRequest } from "../protocol/watch.ts";
import { type EdgeBindings, settingsOf } from "./env.ts";
import { type StatusOfAnyCode, resultInFull, statusInFull } from "./old-answers.ts";

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
    const version: ClientVersion = requests.every(isOfVersion1) ? 1 : 2;
    const batch: ClientBatch = { version, requests };
    let answer: ClientBatchResult;
    try {
      answer = await this.#post<ClientBatchResult>(id, replicaPath.client, batch, signal);
    } catch (error) {
      if (error instanceof RefusedCall && error.isOfVersion) return tooOld(id, requests, version);
      throw error;
    }
    checkVersion("client", answer.version, [version]);
    if (answer.results.length !== requests.length) {
      throw new Error(`replica ${id} answered something else than was asked`);
    }
    return version === 1 ? { ...answer, results: answer.results.map(resultInFull) } : answer;
  }

  /** Asks a replica what it says of itself. */
  status(id: string, signal: AbortSignal): Promise<StatusResult> {
    return this.#call<StatusOfAnyCode>(id, {
      path: replicaPath.status,
      method: "GET",
      signal,
    }).then(statusInFull);
  }

  /** Like `status`, and makes the replica check its deadlines: its alarm may be late. */
  poke(id: string, signal: AbortSignal): Promise<StatusResult> {
    return this.#call<StatusOfAnyCode>(id, {
      path: replicaPath.poke,
      method: "POST",
      signal,
    }).then(statusInFull);
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

  /**
   * Has a replica tell what changes. Its answer is passed on as it comes, so its body is the caller's.
   *
   * @param patienceMs how long it may take to begin, beyond what it was asked to wait.
   */
  async watch(id: string, request: WatchRequest, patienceMs: number): Promise<Response> {
    const begun = new AbortController();
    const timer = setTimeout(() => begun.abort(), (request.waitMs ?? 0) + patienceMs);
    try {
      return await this.#reach(id, {
        path: replicaPath.watch,
        method: "POST",
        body: toBytes(request),
        signal: begun.signal,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** The same on a WebSocket, which the answer has if it is 101. */
  watchOnSocket(id: string, request: WatchRequest, signal: AbortSignal): Promise<Response> {
    const watched = btoa(String.fromCharCode(...toBytes(request)));
    const headers = { Upgrade: "websocket", [watchHeader]: watched };
    return this.#reach(id, { path: replicaPath.watch, method: "GET", headers, signal });
  }

  #post<T>(id: string, path: ReplicaPath, body: object, signal: AbortSignal): Promise<T> {
    return this.#call(id, { path, method: "POST", body: toBytes(body), signal });
  }

  #reach(id: string, call: ReplicaCall): Promise<Response> {
    // It counts only when the object is created, which for one that came later the leader does, mostly.
    const region = this.#regions.get(id) ?? anyRegion;
    const replica = { namespace: this.namespace, id, region };
    return reachReplica(this.#objects, this.settings, replica, call);
  }

  async #call<T>(id: string, call: ReplicaCall): Promise<T> {
    const response = await this.#reach(id, call);
    // Read even when refused: an unread body holds its connection.
    const bytes = await response.arrayBuffer();
    if (!response.ok) {
      const text = new TextDecoder().decode(bytes);
      const why = `replica ${id} answered ${response.status}: ${text}`;
      const isOfVersion = versionsKnown("client", response.status, text) !== null;
      // The client only hears that something is too old, so the log tells what.
      if (isOfVersion) console.error(why);
      throw new RefusedCall(response.status, why, isOfVersion);
    }
    return fromBytes<T>(bytes);
  }
}

class RefusedCall extends Error {
  override readonly name = "RefusedCall";
  readonly status: number;
  /** Whether it was refused for its version, before anything else of it was looked at. */
  readonly isOfVersion: boolean;

  constructor(status: number, why: string, isOfVersion: boolean) {
    super(why);
    this.status = status;
    this.isOfVersion = isOfVersion;
  }
}

const isOfVersion1 = (request: ClientRequest): boolean =>
  (request.type === "get" && request.level === undefined && request.at === undefined) ||
  ("requestId" in request && isPlain(request));

/** What a replica of older code says, in words of today: it did nothing. */
function tooOld(
  replica: string,
  requests: readonly ClientRequest[],
  version: ClientVersion,
): ClientBatchResult {
  const servedBy = { replica, region: anyRegion, role: "none", term: 0, epoch: 0 };
  const results = requests.map((): ClientResult => ({ type: "tooOld" }));
  return { version, results, servedBy, sequence: 0 };
}

/** Code of before members could change knows no such path, nor does its gateway. */
function isTooOld(error: unknown): boolean {
  return error instanceof RefusedCall && error.status === 404;
}
