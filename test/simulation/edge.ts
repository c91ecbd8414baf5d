import type { EdgeBindings } from "../../src/edge/env.ts";
import { type Draft, type Forwarded, Forwarding, isWrite } from "../../src/edge/forward.ts";
import { ReplicaGroup } from "../../src/edge/replica-group.ts";
import type { ClientBatch, Level } from "../../src/protocol/client.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import type { SimulatedLife } from "./life.ts";
import type { World } from "./world.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";

/** The edges that any world has had: what edges remember they remember by namespace. */
let edges = 0;

/**
 * The production edge, without its HTTP: one isolate, with what it remembers of leaders and command
 * numbers.
 */
export class SimulatedEdge {
  readonly name: string;
  readonly #world: World;
  /** Its memory: another name for the group is another memory. */
  #namespace = "";
  #isolate = 0;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    this.#forget();
  }

  /**
   * Takes a request of a client to the leader, or to one replica; a read that names a level to any.
   *
   * @returns the answer, the id that a write goes by, and the isolate that has it.
   */
  send(
    draft: Draft,
    timeoutMs: number,
    replica: string | null,
    level: Level | null,
  ): { answer: Promise<Forwarded>; requestId: string; isolate: number } {
    const attempts = { isolate: this.#isolate, count: 0 };
    const group = new ReplicaGroup(this.#env(attempts), this.#namespace);
    const forwarding = new Forwarding(group, draft, timeoutMs);
    const requestId = this.#world.virtual.newestId;
    const answer = forward(forwarding, replica, level);
    void answer.then(({ type }) => {
      const isRetried = type === "answered" && attempts.count > 1 && isWrite(draft);
      if (isRetried) this.#world.seen.saw("write answered by a second attempt");
    });
    return { answer, requestId, isolate: attempts.isolate };
  }

  /** Whether the isolate that took a request has died since. */
  isGone(isolate: number): boolean {
    return isolate !== this.#isolate;
  }

  /** The isolate ends with all that it does and knows. The next request starts another. */
  crash(): void {
    this.#isolate++;
    this.#forget();
  }

  #forget(): void {
    this.#namespace = `sim-${++edges}`;
  }

  #env(attempts: Attempts): EdgeBindings {
    const { founders: ids, timing } = this.#world;
    return {
      REPLICA: {
        idFromName: (name: string) => name,
        get: (name: string) => ({
          fetch: (url: string, init: RequestInit) =>
            this.#fetch(name.split("/")[1]!, new URL(url).pathname, init, attempts),
        }),
      } as unknown as DurableObjectNamespace,
      REPLICAS: String(ids.length % 2 === 0 ? ids.length + 1 : ids.length),
      REGIONS: "local",
      HEARTBEAT_MS: String(timing.core.heartbeatMs),
      ELECTION_MIN_MS: String(timing.core.electionMinMs),
      ELECTION_MAX_MS: String(timing.core.electionMaxMs),
    };
  }

  /** A call as a stub makes it: it fails when the replica does, or never ends. */
  #fetch(id: string, path: string, init: RequestInit, attempts: Attempts): Promise<Response> {
    return new Promise((resolve, reject) => {
      const { signal, body } = init;
      const fail = (): void => reject(signal?.reason ?? new Error("the call failed"));
      if (signal?.aborted) return fail();
      signal?.addEventListener("abort", fail);
      // What a dead isolate still seems to do does not happen.
      if (attempts.isolate !== this.#isolate) return;
      if (path === replicaPath.client) attempts.count++;
      this.#world.ask(this.name, id, {
        take: (life, back, beganMs) =>
          handle(life, path, body as Uint8Array | undefined, back, beganMs),
        answered: (bytes) => {
          signal?.removeEventListener("abort", fail);
          resolve(responseOf(bytes));
        },
        failed: () => fail(),
      });
    });
  }
}

function forward(
  forwarding: Forwarding,
  replica: string | null,
  level: Level | null,
): Promise<Forwarded> {
  if (replica !== null) return forwarding.toReplica(replica, level);
  return level === null ? forwarding.toLeader() : forwarding.toNearest(level, null);
}

/** What a forwarding has sent, and the isolate that it belongs to. */
interface Attempts {
  readonly isolate: number;
  count: number;
}

/** A replica handles what came for it, as src/replica/replica.ts sorts it. */
export function handle(
  life: SimulatedLife,
  path: string,
  body: Uint8Array | undefined,
  back: (answer: unknown) => void,
  beganMs: number,
): void {
  switch (path) {
    case replicaPath.client:
      return life.answer(fromBytes<ClientBatch>(body!), back, beganMs);
    case replicaPath.poke:
      return life.poke(back);
    case replicaPath.status:
      return life.status(back);
    default:
      throw new Error(`replicas have no ${path}`);
  }
}

/** All that the edge looks at of a response. */
const responseOf = (bytes: Uint8Array): Response =>
  ({ ok: true, status: 200, arrayBuffer: () => Promise.resolve(bytes) }) as unknown as Response;
