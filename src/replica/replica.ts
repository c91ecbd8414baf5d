import { DurableObject } from "cloudflare:workers";
import {
  type ChangeRequest,
  type ChangeResult,
  type ClientBatch,
  type ClientBatchResult,
  type ClientRequest,
  type ClientResult,
  type Member,
  type RebuildRequest,
  type RebuildResult,
  type StatusResult,
  type TransferRequest,
  type TransferResult,
} from "../protocol/client.ts";
import { nextRestore } from "../kv/epochs.ts";
import { windowSize } from "../kv/request-window.ts";
import { MalformedBody, fromBytes, toBytes } from "../protocol/codec.ts";
import { maxWatchers } from "../protocol/limits.ts";
import type { Outdated, PeerRequest } from "../protocol/peer.ts";
import { reachReplica } from "../protocol/reach.ts";
import { type ReplicaCall, replicaPath, watchHeader } from "../protocol/replica-call.ts";
import {
  type Settings,
  type SettingsVars,
  anyRegion,
  parseSettings,
} from "../protocol/settings.ts";
import { UnknownVersion } from "../protocol/version.ts";
import type { WatchRequest } from "../protocol/watch.ts";
import { defaultSizes } from "../raft/config.ts";
import { type Left, isMember, membersOf, regionOf } from "../raft/membership.ts";
import { maxRounds } from "../raft/read-index.ts";
import type { LogIndex } from "../raft/types.ts";
import {
  asChangeRequest,
  asClientBatch,
  asPeerRequest,
  asRebuildRequest,
  asRetireRequest,
  asTransferRequest,
  asWatchRequest,
} from "./check-body.ts";
import type { ChangeFeed } from "./change-feed.ts";
import { answerBatch, isLeveled } from "./client-api.ts";
import { MonotonicClock } from "./clock.ts";
import { logLimits } from "./compaction.ts";
import { digestEvery } from "./driver-ports.ts";
import { Driver } from "./driver.ts";
import {
  type Group,
  founderId,
  loadGroup,
  loadLeft,
  parseObjectName,
  saveGroup,
  saveLeft,
} from "./group.ts";
import { answerOfLeft } from "./left.ts";
import { sayIn } from "./peer-version.ts";
import { FetchPeers } from "./peers.ts";
import { DurableStorage } from "./storage.ts";
import { describeServer, describeStatus } from "./status.ts";
import { AlarmWake } from "./wake.ts";
import { WatchSockets } from "./watch-sockets.ts";
import { Watchers } from "./watchers.ts";
import { answerWatch } from "./watching.ts";

export interface ReplicaEnv extends SettingsVars {
  readonly REPLICA: DurableObjectNamespace;
}

/** The peer version that first knew changes of members. */
const membersVersion = 2;

/** The part of a replica that exists once its object belongs to a group. */
interface Membership {
  readonly group: Group;
  readonly driver: Driver;
  readonly peers: FetchPeers;
  readonly wake: AlarmWake;
}

/**
 * One replica of one namespace: a Durable Object that turns events into calls of its driver, and
 * nothing else.
 */
export class Replica extends DurableObject<ReplicaEnv> {
  readonly #settings: Settings;
  readonly #clock = new MonotonicClock(() => Date.now());
  readonly #storage: DurableStorage;
  readonly #sockets: WatchSockets;
  readonly #watchers = new Watchers();
  /** Whether this instance has had an event. */
  #isBooted = false;
  #membership: Membership | null;
  /** What is kept of a group that this replica has left; null when it has left none. */
  #left: Left | null;

  /** Runs within the first event after every wake-up, and so does little: it reads a few rows. */
  constructor(ctx: DurableObjectState, env: ReplicaEnv) {
    super(ctx, env);
    this.#settings = parseSettings(env);
    this.#storage = new DurableStorage(ctx.storage);
    this.#sockets = new WatchSockets(ctx);
    const group = loadGroup(ctx.storage.sql);
    this.#left = loadLeft(ctx.storage.sql);
    this.#membership = group === null || this.#left !== null ? null : this.#start(group);
  }

  override async fetch(request: Request): Promise<Response> {
    const beganMs = this.#clock.nowMs();
    const { pathname } = new URL(request.url);
    if (pathname !== replicaPath.client) this.#boot();
    const body = await request.arrayBuffer();
    try {
      switch (`${request.method} ${pathname}`) {
        case `POST ${replicaPath.client}`:
          return await this.#client(asClientBatch(fromBytes(body)), beganMs);
        case `POST ${replicaPath.peer}`:
          return this.#peer(asPeerRequest(fromBytes(body)));
        case `POST ${replicaPath.poke}`:
          this.#membership?.driver.poke();
          return this.#status();
        case `POST ${replicaPath.transfer}`:
          return this.#transfer(asTransferRequest(fromBytes(body)));
        case `POST ${replicaPath.members}`:
          return await this.#change(asChangeRequest(fromBytes(body)));
        case `POST ${replicaPath.rebuild}`:
          return this.#rebuild(asRebuildRequest(fromBytes(body)));
        case `POST ${replicaPath.retire}`:
          this.#retire(asRetireRequest(fromBytes(body)));
          return this.#status();
        case `POST ${replicaPath.watch}`:
          return await this.#watch(asWatchRequest(fromBytes(body)));
        case `GET ${replicaPath.watch}`:
          return this.#accept(request);
        case `GET ${replicaPath.status}`:
          return this.#status();
        default:
          return refuse(404, `no ${request.method} ${pathname} here`);
      }
    } catch (error) {
      if (error instanceof MalformedBody) return refuse(400, error.message);
      if (error instanceof UnknownVersion) return error.toResponse();
      throw error;
    }
  }

  /**
   * Never throws: the platform would try again only seconds later, and the election timer would be
   * gone till then.
   */
  override alarm(): void | Promise<void> {
    if (this.#membership === null) return;
    const { driver, wake } = this.#membership;
    wake.rang(driver.wakeAtMs, this.#settings.heartbeatMs);
    this.#boot();
    driver.checkTime();
  }

  /** Carries a call to another replica. The local cluster puts its faults here. */
  protected callPeer(to: string, call: ReplicaCall): Promise<Response> {
    const { group, driver } = this.#membership!;
    const region = regionOf(driver.raft.log.configuration, to) ?? anyRegion;
    const peer = { namespace: group.namespace, id: to, region };
    return reachReplica(this.env.REPLICA, this.#settings, peer, call);
  }

  /** With the first event, since a constructor has nobody to speak for it yet. */
  #boot(): void {
    if (this.#isBooted) return;
    this.#isBooted = true;
    this.#membership?.driver.boot();
  }

  async #client({ version, requests }: ClientBatch, beganMs: number): Promise<Response> {
    const { id } = parseObjectName(this.ctx.id.name);
    if (this.#membership === null) this.#boot();
    const isFresh = this.#membership === null && this.#left === null;
    if (isFresh && id === founderId) this.#found();
    const notYet: ClientResult = { type: "notLeader", leader: isFresh ? founderId : null };
    // It may leave its group while it answers, but what it answers is of that.
    const membership = this.#membership;
    const results =
      membership === null
        ? requests.map(() => notYet)
        : await this.#answer(membership, requests, beganMs);
    const answer: ClientBatchResult = {
      version,
      results,
      servedBy: describeServer(id, membership?.driver ?? null),
      sequence: membership?.driver.machine.state.sequence ?? 0,
      revision: membership?.driver.machine.state.revision ?? 0,
    };
    return new Response(toBytes(answer));
  }

  /** Who asks for nothing but what there is wakes no group that sleeps, and starts none of its timers. */
  async #answer(
    { driver, wake }: Membership,
    requests: readonly ClientRequest[],
    beganMs: number,
  ): Promise<ClientResult[]> {
    const isAtHand = (each: ClientRequest): boolean =>
      isLeveled(each) && driver.reads.isAtHand(each, beganMs);
    const isQuiet = !this.#isBooted && requests.every(isAtHand);
    // Where an alarm is set, the group is awake.
    if (!isQuiet || (await this.ctx.storage.getAlarm()) !== null) this.#boot();
    const results = await answerBatch(driver, requests, beganMs);
    if (this.#isBooted) wake.arm(driver.wakeAtMs);
    return results;
  }

  #peer(request: PeerRequest): Response {
    const { version, namespace, from, to, members, epoch = 1 } = request;
    const own = parseObjectName(this.ctx.id.name);
    if (namespace !== own.namespace || to !== own.id) {
      return refuse(409, `this is ${own.namespace}/${own.id}, not ${namespace}/${to}`);
    }
    if (this.#left !== null) {
      const answer = answerOfLeft(this.#left, request.messages);
      const messages = answer.flatMap((message) => sayIn(version, message, members) ?? []);
      return new Response(toBytes({ version, messages }));
    }
    this.#membership ??= this.#join({ namespace, id: to, members });
    if (!isSameGroup(this.#membership.group.members, members)) {
      return refuse(409, `${namespace} was founded with other members`);
    }
    const { driver, peers } = this.#membership;
    const { configuration } = driver.raft.log;
    if (epoch < configuration.epoch) {
      const outdated: Outdated = { epoch: configuration.epoch, members: membersOf(configuration) };
      return new Response(toBytes(outdated), { status: 410 });
    }
    if (epoch > configuration.epoch && isMember(configuration, to)) {
      return refuse(409, `${to} is of epoch ${configuration.epoch}, not ${epoch}`);
    }
    const answer = driver.receiveCall(from, peers.readCall(request));
    return new Response(toBytes(peers.answerTo(request, answer)));
  }

  /** A client on a socket says how far it is. */
  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    this.#boot();
    const feed = this.#feed();
    if (feed === null) this.#sockets.endAll("this replica has nothing to tell");
    else this.#sockets.heard(socket, message, feed);
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    this.#sockets.closed(socket, code);
  }

  #accept({ headers }: Request): Response {
    const request = asWatchRequest(fromBytes(bytesOf(headers.get(watchHeader) ?? "")));
    const feed = this.#feedForOneMore(request);
    return feed instanceof Response ? feed : this.#sockets.accept(feed, request);
  }

  /** What changes, on a replica that knows. */
  #feed(): ChangeFeed | null {
    const { driver, wake } = this.#membership ?? {};
    if (driver === undefined || driver.raft.audit.hasDiverged) return null;
    wake!.arm(driver.wakeAtMs);
    return driver.feed;
  }

  #watch(request: WatchRequest): Promise<Response> | Response {
    const feed = this.#feedForOneMore(request);
    return feed instanceof Response ? feed : answerWatch(feed, this.#watchers, request);
  }

  /** What changes, if there is room for one more that watches; or a refusal. */
  #feedForOneMore({ after }: WatchRequest): ChangeFeed | Response {
    const feed = this.#feed();
    if (feed === null) return refuse(503, "this replica has nothing to tell");
    // Others may be behind by any number; who leads knows that nobody was ever told of such a revision.
    const isLeader = this.#membership?.driver.raft.role === "leader";
    if (isLeader && after !== null && after >= nextRestore(feed.revision)) {
      return refuse(416, String(feed.revision));
    }
    const isFull = (): boolean => this.#watchers.size + this.#sockets.size >= maxWatchers;
    if (isFull()) this.#watchers.dropStalled(Date.now());
    return isFull() ? refuse(503, "too many watch already") : feed;
  }

  async #change({ change }: ChangeRequest): Promise<Response> {
    const { driver, peers } = this.#membership ?? {};
    const older = driver?.raft.role === "leader" ? peers!.olderThan(membersVersion) : [];
    const result: ChangeResult =
      older.length > 0
        ? { type: "tooOld", ids: older }
        : ((await driver?.change(change)) ?? { type: "notLeader", leader: null });
    return new Response(toBytes(result));
  }

  #rebuild({ epoch }: RebuildRequest): Response {
    const { driver } = this.#membership ?? { driver: null };
    const epochOf = (): number => driver?.raft.log.configuration.epoch ?? 0;
    const isDone = epochOf() > epoch || (epochOf() === epoch && driver!.rebuild());
    const result: RebuildResult = isDone
      ? { type: "rebuilt", epoch: epochOf() }
      : { type: "refused" };
    if (isDone) console.warn(`replica ${this.ctx.id.name ?? ""} was rebuilt, epoch ${epochOf()}`);
    return new Response(toBytes(result));
  }

  /** The group was rebuilt without this replica, if it is of an older epoch. */
  #retire({ epoch, members }: Outdated): void {
    if (this.#membership === null) return;
    const { configuration } = this.#membership.driver.raft.log;
    if (epoch > configuration.epoch) this.#leave({ members, nextId: configuration.nextId });
  }

  #transfer({ to }: TransferRequest): Response {
    const notLeader: TransferResult = { type: "notLeader", leader: null };
    return new Response(toBytes(this.#membership?.driver.transfer(to) ?? notLeader));
  }

  #status(): Response {
    // Also an event that changes nothing else must find an alarm, or set the one that was lost.
    this.#membership?.wake.arm(this.#membership.driver.wakeAtMs);
    return new Response(toBytes(this.#describe()));
  }

  #describe(): StatusResult {
    const { id } = parseObjectName(this.ctx.id.name);
    if (this.#membership !== null) return describeStatus(id, this.#membership.driver);
    if (this.#left !== null) return { type: "left", id, members: this.#left.members };
    return { type: "uninitialised" };
  }

  #found(): void {
    const { namespace, id } = parseObjectName(this.ctx.id.name);
    this.#membership = this.#join({ namespace, id, members: this.#settings.members });
    this.#membership.driver.campaign();
  }

  #join(group: Group): Membership {
    saveGroup(this.ctx.storage.sql, group);
    return this.#start(group);
  }

  #start(group: Group): Membership {
    const { heartbeatMs, electionMinMs, electionMaxMs, sleepAfterMs, logBytes, leaderRegions } =
      this.#settings;
    const { storage } = this.ctx;
    const clock = this.#clock;
    const alarm = {
      set: (wallMs: number) => storage.setAlarm(wallMs),
      delete: () => storage.deleteAlarm(),
    };
    const wake = new AlarmWake(alarm, clock);
    const peers = new FetchPeers({
      from: () => {
        const { epoch } = driver.raft.log.configuration;
        return { namespace: group.namespace, from: group.id, members: group.members, epoch };
      },
      onOutdated: (outdated) => this.#retire(outdated),
      call: (to, call) => this.callPeer(to, call),
      timeoutMs: electionMaxMs,
      // The window of entries, the rounds of reads, a heartbeat and a vote.
      maxCalls: defaultSizes.maxInflightMessages + maxRounds + 2,
      onAnswer: (messages) => driver.receiveAnswer(messages),
      onUnreachable: (node, lost) => driver.peerUnreachable(node, lost),
      nowMs: () => clock.nowMs(),
      warn: (line) => console.warn(`replica ${group.namespace}/${group.id}: ${line}`),
    });
    const driver: Driver = new Driver(
      {
        id: group.id,
        seed: crypto.getRandomValues(new Uint32Array(1))[0]!,
        heartbeatMs,
        electionMinMs,
        electionMaxMs,
        patienceMs: 10 * electionMaxMs,
        restMs: sleepAfterMs,
        ranks: new Map(leaderRegions.map((region, rank) => [region, rank])),
        ...defaultSizes,
      },
      { log: logLimits(logBytes), requestWindow: windowSize, digestEvery },
      {
        storage: this.#storage,
        peers,
        wake,
        clock,
        abort: (error, state) => this.#abort(error, state),
        changed: () => this.#sockets.tell(driver.feed),
        alone: () => this.#sockets.endAll("this replica knows of no leader"),
        left: () => this.#leave(driver.raft.left),
        diverged: (at, state) => this.#sayDiverged(at, state),
      },
    );
    return { group, driver, peers, wake };
  }

  #sayDiverged(at: LogIndex | null, state: string): void {
    // What was told of it may be wrong as well.
    this.#sockets.endAll("the state of this replica is in doubt");
    const name = this.ctx.id.name ?? "";
    if (at === null) {
      console.warn(`replica ${name} is repaired: a snapshot has taken the place of its state`);
    } else {
      console.error(
        `replica ${name} HAS DIVERGED: its state at ${at} is not that of a majority, so it serves nothing until a snapshot repairs it; state ${state}`,
      );
    }
  }

  /** Ends as a replica for good. The object stays, and knows whom to ask instead. */
  #leave(left: Left): void {
    // First what may fail: one that cannot write it down has not left.
    saveLeft(this.ctx.storage.sql, left);
    this.#storage.clear();
    this.#membership?.driver.stop();
    this.#sockets.endAll("this replica has left its group");
    this.#left = left;
    this.#membership = null;
    this.ctx.storage.deleteAlarm().catch(() => {});
    console.log(`replica ${this.ctx.id.name ?? ""} has left its group`);
  }

  /**
   * Drops this instance: the next event starts one whose memory is what storage holds. Writes of
   * this turn are lost with it.
   */
  #abort(error: unknown, state: string): void {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    console.error(`replica ${this.ctx.id.name ?? ""} aborts in state ${state}: ${what}`);
    this.ctx.abort("the replica found its memory in doubt and starts again from storage");
  }
}

const isSameGroup = (a: readonly Member[], b: readonly Member[]): boolean =>
  a.map(({ id }) => id).join() === b.map(({ id }) => id).join();

function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    throw new MalformedBody(`${watchHeader} must be base64`);
  }
}

const refuse = (status: number, why: string): Response => new Response(why, { status });
