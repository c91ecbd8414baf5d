import type { ReplicaCall } from "../protocol/replica-call.ts";
import { parseObjectName } from "../replica/group.ts";
import { Replica, type ReplicaEnv } from "../replica/replica.ts";
import { counts } from "./counts.ts";
import { faults, killReason } from "./faults.ts";
import { countStorage } from "./local-counter.ts";

/** What the control endpoints ask of a replica's object itself. */
export const abortPath = "/_local/abort";
export const resumePath = "/_local/resume";

/**
 * A replica that can be killed, paused and cut off. Its own code is the deployed one; only events
 * on their way in and out are touched.
 */
export class LocalReplica extends Replica {
  readonly #id: string;
  readonly #resume: (() => void)[] = [];

  constructor(ctx: DurableObjectState, env: ReplicaEnv) {
    counts.starts++;
    countStorage(ctx.storage);
    super(ctx, env);
    const { namespace, id } = parseObjectName(ctx.id.name);
    this.#id = id;
    faults.namespaces.add(namespace);
    faults.ids.add(id);
  }

  override async fetch(request: Request): Promise<Response> {
    switch (new URL(request.url).pathname) {
      case abortPath:
        this.ctx.abort(killReason);
        return new Response();
      case resumePath:
        // Resolved here, in the object's own context, where those that wait are.
        for (const resume of this.#resume.splice(0)) resume();
        return new Response();
    }
    counts.requests++;
    await this.#passable();
    return super.fetch(request);
  }

  override async alarm(): Promise<void> {
    // A dead replica has no alarms; the request that restarts it sets the next.
    if (faults.killed.has(this.#id)) return;
    counts.alarmsRung++;
    await this.#passable();
    await super.alarm();
  }

  protected override async callPeer(to: string, call: ReplicaCall): Promise<Response> {
    counts.peerRequests++;
    this.#mustReach(to);
    const response = await super.callPeer(to, call);
    await this.#passable();
    this.#mustReach(to);
    return response;
  }

  /**
   * Lets an event through to a running replica, holds it at a paused one, and throws at a dead one.
   */
  async #passable(): Promise<void> {
    while (faults.paused.has(this.#id)) {
      await new Promise<void>((resolve) => this.#resume.push(resolve));
    }
    if (faults.killed.has(this.#id)) throw new Error(`replica ${this.#id} is killed`);
  }

  #mustReach(to: string): void {
    if (faults.isCut(this.#id, to)) throw new Error(`replica ${to} is cut off from ${this.#id}`);
  }
}
