import type { EdgeBindings } from "../../src/edge/env.ts";
import type { DeleteCommand, PutCommand } from "../../src/kv/command.ts";
import { windowSize } from "../../src/kv/request-window.ts";
import type { CommandResult } from "../../src/kv/result.ts";
import {
  type ChangeRequest,
  type ChangeResult,
  type ClientBatch,
  type ClientBatchResult,
  type ClientRequest,
  type ClientResult,
  type ClientVersion,
  type GetRequest,
  type MemberStatus,
  type RebuildRequest,
  type RebuildResult,
  type RetireRequest,
  type StatusResult,
  type TransferRequest,
  type TransferResult,
  clientVersions,
} from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";
import { UnknownVersion } from "../../src/protocol/version.ts";

interface Row {
  readonly value: Uint8Array;
  readonly contentType: string | null;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

/** Of all that can be asked of a replica, what the tests with one that is not real ask of it. */
type PlainRequest = GetRequest | PutCommand | DeleteCommand;

/** What replicas agree on: the keys, and what became of the last commands, each applied once. */
export class FakeTable {
  readonly rows = new Map<string, Row>();
  /** How often each command took effect, by request id: all that this file is about. */
  readonly effects = new Map<string, number>();
  revision = 0;
  sequence = 0;
  readonly #windowSize: number;
  readonly #outcomes = new Map<string, { sequence: number; result: CommandResult }>();

  constructor(window = windowSize) {
    this.#windowSize = window;
  }

  /** Takes no notice of conditions and the like: see real-store.ts for a store that does. */
  apply(request: PlainRequest): ClientResult {
    if (request.type === "get") return this.#read(request.key, request.metadataOnly);
    const known = this.#outcomes.get(request.requestId);
    if (known !== undefined) return known.result;
    if (this.sequence - request.floor > this.#windowSize) return { type: "expired" };
    const result = request.type === "put" ? this.#put(request) : this.#delete(request.key);
    this.effects.set(request.requestId, (this.effects.get(request.requestId) ?? 0) + 1);
    this.sequence += 1;
    this.#outcomes.set(request.requestId, { sequence: this.sequence, result });
    this.#forget();
    return result;
  }

  /** Others write so many commands, through other edges. */
  pass(commands: number): void {
    this.sequence += commands;
    this.#forget();
  }

  #read(key: string, metadataOnly: boolean): ClientResult {
    const row = this.rows.get(key);
    if (row === undefined) return { type: "absent", revision: this.revision };
    const size = row.value.byteLength;
    const value = metadataOnly ? null : row.value;
    return { type: "value", ...row, ...plain, size, value };
  }

  #put({ key, value, contentType }: PutCommand): CommandResult {
    const old = this.rows.get(key);
    const modRevision = ++this.revision;
    this.rows.set(key, {
      value,
      contentType,
      createRevision: old?.createRevision ?? modRevision,
      modRevision,
      version: (old?.version ?? 0) + 1,
    });
    return { type: "put", created: old === undefined, revision: modRevision };
  }

  #delete(key: string): CommandResult {
    const deleted = this.rows.delete(key);
    if (deleted) this.revision += 1;
    return { type: "deleted", deleted, revision: this.revision };
  }

  #forget(): void {
    for (const [requestId, { sequence }] of this.#outcomes) {
      if (sequence <= this.sequence - this.#windowSize) this.#outcomes.delete(requestId);
    }
  }
}

/** What a value has beyond itself: nothing. */
const plain = { metadata: null, expiresMs: null, lease: null, large: null } as const;

/** What a replica does with a request, in the words of a story. */
export type Act =
  | "leads"
  | "follows"
  | `follows ${string}`
  | "is dead"
  | "hangs"
  | "drops"
  | "is unsure"
  | "expires"
  /** Another write of the same idempotency key is under way. */
  | "is at it"
  /** It leads others that run older code. */
  | "has to wait"
  /** It runs older code itself. */
  | "is old"
  | "applies, then breaks"
  | "applies, then hangs"
  | "applies, then is unsure"
  /** The request was on its way: it is carried out although nobody waits for it any more. */
  | `hangs, and applies after ${number} ms`
  | "refuses"
  | "babbles"
  | "says nothing";

/** A request as a replica got it. */
export interface Call {
  readonly replica: string;
  readonly request: PlainRequest;
}

/** A replica that is called, and how the edge asks for its object. */
interface Got {
  readonly name: string;
  readonly locationHint: string | undefined;
  readonly maxRetries: number | undefined;
}

/**
 * The replicas of one namespace as the edge sees them: each follows a script, and those that lead
 * share one table. It knows nothing of Raft.
 */
export class FakeGroup {
  readonly namespace: string;
  readonly table: FakeTable;
  readonly calls: Call[] = [];
  readonly pokes: string[] = [];
  readonly got: Got[] = [];
  /**
   * What replicas say of themselves. Those without an entry cannot be reached, except by a poke: what
   * they say to that shows from what they would do with a request.
   */
  readonly statuses = new Map<string, StatusResult | "hangs">();
  /** Answers a replica that is to go on alone; by default nobody can be reached. */
  rebuild: ((id: string, epoch: number) => RebuildResult) | null = null;
  /** Those that were told that the group was rebuilt without them. */
  readonly retired: string[] = [];
  /** How often the group was rebuilt. */
  epoch = 1;
  /** How long a request is on its way before a replica acts on it. */
  latencyMs = 0;
  /** Decides in place of the scripts. */
  choose: ((replica: string) => Act) | null = null;
  /** Answers a leader that is to hand over; by default nobody can be reached. */
  transfer: ((leader: string, to: string) => TransferResult) | null = null;
  /** Answers a leader that is to let others belong to the group; by default nobody can be reached. */
  change: ((leader: string, change: ChangeRequest["change"]) => ChangeResult) | null = null;
  readonly #scripts = new Map<string, Act[]>();

  constructor(namespace: string, table = new FakeTable()) {
    this.namespace = namespace;
    this.table = table;
  }

  /** What a replica does with one request after another; it goes on with the last for ever. */
  script(replica: string, ...acts: Act[]): this {
    this.#scripts.set(replica, acts);
    return this;
  }

  /** The replicas in the order in which they were asked. */
  get asked(): string {
    return this.calls.map(({ replica }) => replica).join(" ");
  }

  /** The environment of an edge whose settings name `replicas` of them. */
  env(replicas = 3, regions = "local"): EdgeBindings {
    const REPLICA = {
      idFromName: (name: string) => name,
      get: (name: string, options?: DurableObjectNamespaceGetDurableObjectOptions) => {
        const { locationHint, retry } = options ?? {};
        this.got.push({ name, locationHint, maxRetries: retry?.maxRetries });
        return { fetch: (url: string, init: RequestInit) => this.#fetch(name, url, init) };
      },
    };
    return {
      REPLICAS: String(replicas),
      REGIONS: regions,
      HEARTBEAT_MS: "50",
      ELECTION_MIN_MS: "150",
      ELECTION_MAX_MS: "300",
      REPLICA: REPLICA as object as DurableObjectNamespace,
    };
  }

  async #fetch(name: string, url: string, init: RequestInit): Promise<Response> {
    const [namespace, id = ""] = name.split("/");
    if (namespace !== this.namespace) throw new Error(`${name} is not of ${this.namespace}`);
    const signal = init.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    const path = `${init.method} ${new URL(url).pathname}`;
    switch (path) {
      case `POST ${replicaPath.client}`: {
        const { version, requests } = fromBytes<ClientBatch>(init.body as ArrayBuffer);
        if (!clientVersions.includes(version)) return new Response("version?", { status: 400 });
        return this.#client(id, version, requests.map(asPlain), signal);
      }
      case `POST ${replicaPath.poke}`:
        this.pokes.push(id);
        return this.statuses.has(id) ? this.#status(id, signal) : this.#poked(id, signal);
      case `GET ${replicaPath.status}`:
        return this.#status(id, signal);
      case `POST ${replicaPath.transfer}`: {
        const { to } = fromBytes<TransferRequest>(init.body as ArrayBuffer);
        if (this.transfer === null) throw new Error(`replica ${id} is dead`);
        return new Response(toBytes(this.transfer(id, to)));
      }
      case `POST ${replicaPath.members}`: {
        const { change } = fromBytes<ChangeRequest>(init.body as ArrayBuffer);
        if (this.change === null) throw new Error(`replica ${id} is dead`);
        return new Response(toBytes(this.change(id, change)));
      }
      case `POST ${replicaPath.rebuild}`: {
        const { epoch } = fromBytes<RebuildRequest>(init.body as ArrayBuffer);
        if (this.rebuild === null) throw new Error(`replica ${id} is dead`);
        return new Response(toBytes(this.rebuild(id, epoch)));
      }
      case `POST ${replicaPath.retire}`: {
        const { epoch } = fromBytes<RetireRequest>(init.body as ArrayBuffer);
        this.retired.push(`${id} for ${epoch}`);
        return this.#status(id, signal);
      }
      default:
        throw new Error(`a replica has no ${path}`);
    }
  }

  async #client(
    id: string,
    version: ClientVersion,
    requests: readonly PlainRequest[],
    signal: AbortSignal,
  ): Promise<Response> {
    for (const request of requests) this.calls.push({ replica: id, request });
    if (this.calls.length > maxCalls) return hang(signal);
    await passed(this.latencyMs, signal);
    const act = this.#next(id);
    const script = this.#scripts.get(id) ?? [];
    if (script.length > 1) script.shift();
    const apply = (): ClientResult[] => requests.map((request) => this.table.apply(request));
    const answer = (results: ClientResult[], role = "leader"): Response => {
      const batch: ClientBatchResult = {
        version,
        results,
        servedBy: { replica: id, region: "local", role, term: 1, epoch: this.epoch },
        sequence: this.table.sequence,
      };
      return new Response(toBytes(batch));
    };
    const all = (result: ClientResult): ClientResult[] => requests.map(() => result);
    const unlessRead = (result: ClientResult): ClientResult[] =>
      requests.map((request) => (request.type === "get" ? this.table.apply(request) : result));
    switch (act) {
      case "leads":
        return answer(apply());
      case "follows":
        return answer(all({ type: "notLeader", leader: null }), "follower");
      case "is dead":
        throw new Error(`replica ${id} is dead`);
      case "hangs":
        return hang(signal);
      case "drops":
        return answer(all({ type: "dropped" }));
      case "is unsure":
        return answer(all({ type: "unknown" }));
      case "expires":
        return answer(unlessRead({ type: "expired" }));
      case "is at it":
        return answer(unlessRead({ type: "inFlight" }));
      case "has to wait":
        return answer(unlessRead({ type: "tooOld" }));
      case "is old":
        return new UnknownVersion("client", version, []).toResponse();
      case "applies, then breaks":
        apply();
        throw new Error("Network connection lost.");
      case "applies, then hangs":
        apply();
        return hang(signal);
      case "applies, then is unsure":
        apply();
        return answer(all({ type: "unknown" }));
      case "refuses":
        // Its status counts, whatever the body looks like.
        return new Response(answer(all(believable)).body, { status: 400 });
      case "babbles":
        return new Response("<html>");
      case "says nothing":
        return answer([]);
      default: {
        const [, leader] = /^follows (.+)$/.exec(act) ?? [];
        if (leader !== undefined) return answer(all({ type: "notLeader", leader }), "follower");
        const [, ms] = /^hangs, and applies after (\d+) ms$/.exec(act) ?? [];
        if (ms === undefined) throw new TypeError(`nobody knows how a replica "${act}"`);
        setTimeout(apply, Number(ms));
        return hang(signal);
      }
    }
  }

  /** What a replica is about to do. */
  #next(id: string): Act {
    return this.choose?.(id) ?? this.#scripts.get(id)?.[0] ?? "is dead";
  }

  async #poked(id: string, signal: AbortSignal): Promise<Response> {
    await passed(this.latencyMs, signal);
    const act = this.#next(id);
    if (/^(?:is dead|refuses|babbles|says nothing|applies, then breaks)$/.test(act)) {
      throw new Error(`replica ${id} cannot be reached`);
    }
    if (/hangs/.test(act)) return hang(signal);
    const leads = /^(?:leads|drops|expires|is at it|has to wait)$/.test(act);
    const leader = leads ? id : (/^follows (.+)$/.exec(act)?.[1] ?? null);
    return new Response(toBytes(statusOf(id, leads ? "leader" : "follower", leader)));
  }

  async #status(id: string, signal: AbortSignal): Promise<Response> {
    await passed(this.latencyMs, signal);
    const status = this.statuses.get(id);
    if (status === undefined) throw new Error(`replica ${id} is dead`);
    return status === "hangs" ? hang(signal) : new Response(toBytes(status));
  }
}

/** What a replica of term 1 says of itself. */
export const statusOf = (
  id: string,
  role: string,
  leader: string | null,
): StatusResult & { type: "status" } => ({
  type: "status",
  id,
  region: "local",
  role,
  term: 1,
  leader,
  commitIndex: 1,
  lastApplied: 1,
  firstLogIndex: 1,
  lastLogIndex: 1,
  logBytes: 0,
  revision: 0,
  stateHash: "",
  diverged: false,
  members: votersNamed(["1", "2", "3"]),
  membersIndex: 0,
  nextId: "4",
  epoch: 1,
  lastLogTerm: 1,
});

/** Voters as replicas speak of them. */
export const votersNamed = (ids: readonly string[], region = "local"): MemberStatus[] =>
  ids.map((id) => ({ id, region, role: "voter", replaces: null }));

function asPlain(request: ClientRequest): PlainRequest {
  const { type } = request;
  if (type === "get" || type === "put" || type === "delete") return request;
  throw new TypeError(`a replica that is not real knows no ${type}`);
}

const believable: ClientResult = { type: "put", created: true, revision: 1 };

/** An edge that asks so often runs hot. Then nobody answers any more, so that time can pass. */
const maxCalls = 10_000;

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
}

async function passed(ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0) return;
  await Promise.race([new Promise((resolve) => setTimeout(resolve, ms)), hang(signal)]);
}
