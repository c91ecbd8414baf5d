import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { DeleteCommand, PutCommand } from "../../src/kv/command.ts";
import {
  type ClientBatchResult,
  type ClientRequest,
  type ClientResult,
  type ReplicaStatus,
  type StatusResult,
  objectName,
} from "../../src/protocol/client.ts";
import { fromBytes, toBytes } from "../../src/protocol/codec.ts";
import { asIndex } from "../../src/raft/types.ts";
import type { Replica } from "../../src/replica/replica.ts";
import { DurableStorage } from "../../src/replica/storage.ts";
import { eventually } from "../support/eventually.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";

const crashReason = "the test crashes this object";
let groups = 0;
let requests = 0;

/**
 * A group of real replicas, alone in its namespace, and a client that finds its way to the leader
 * as an edge does.
 */
export class GroupUnderTest {
  readonly namespace = `group-${groups++}`;
  readonly ids = ["1", "2", "3"];
  #hint = "1";

  /** A new stub each time: an object that was reset breaks those that it had. */
  stub(id: string): DurableObjectStub<Replica> {
    const name = env.REPLICA.idFromName(objectName(this.namespace, id));
    return env.REPLICA.get(name, { retry: { maxRetries: 0 } });
  }

  fetch(
    id: string,
    method: string,
    path: string,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const init = body === undefined ? { method } : { method, body };
    return this.stub(id).fetch(`https://replica${path}`, init);
  }

  /** One call to one replica, with whatever comes of it. */
  async ask(id: string, batch: readonly ClientRequest[]): Promise<ClientBatchResult> {
    const response = await this.fetch(
      id,
      "POST",
      replicaPath.client,
      toBytes({ version: 1, requests: batch }),
    );
    return fromBytes<ClientBatchResult>(await response.arrayBuffer());
  }

  /**
   * Asks until each request has an answer that is final, by hint or one replica after the other,
   * always with the same ids.
   */
  async serve(...batch: ClientRequest[]): Promise<ClientResult[]> {
    const final = new Map<ClientRequest, ClientResult>();
    let next = this.ids.indexOf(this.#hint);
    await eventually(
      "an answer to every request",
      async () => {
        const open = batch.filter((request) => !final.has(request));
        const id = this.ids[next++ % this.ids.length]!;
        // Like the edge: whoever does not answer in time may as well be gone, and the others look
        // at their clocks.
        const { results } = await within(400, this.ask(id, open));
        open.forEach((request, i) => {
          const result = results[i]!;
          if (result.type === "notLeader") next = this.ids.indexOf(result.leader ?? "") + 1 || next;
          if (result.type === "notLeader" && result.leader !== null) next--;
          if (!["notLeader", "dropped", "unknown"].includes(result.type))
            final.set(request, result);
        });
        if (final.size === batch.length) this.#hint = id;
        return final.size === batch.length;
      },
      { everyMs: 5, withinMs: 10_000 },
    );
    return batch.map((request) => final.get(request)!);
  }

  async put(key: string, value: string): Promise<ClientResult> {
    return (await this.serve(putRequest(key, value)))[0]!;
  }

  async get(key: string): Promise<string | null> {
    const [result] = await this.serve({ type: "get", key, metadataOnly: false });
    if (result?.type === "absent") return null;
    if (result?.type !== "value") throw new Error(`get ${key} was answered ${result?.type}`);
    return new TextDecoder().decode(result.value!);
  }

  /** What a replica says of itself; null when it has never been part of the group. */
  async status(id: string, knock = false): Promise<ReplicaStatus | null> {
    const response = knock
      ? await this.fetch(id, "POST", replicaPath.poke)
      : await this.fetch(id, "GET", replicaPath.status);
    const status = fromBytes<StatusResult>(await response.arrayBuffer());
    return status.type === "status" ? status : null;
  }

  /**
   * Waits until the group has a leader that has committed something in its term, and all follow it.
   * Returns its status.
   */
  async settled(): Promise<ReplicaStatus> {
    await this.serve({ type: "get", key: "settled", metadataOnly: true });
    return eventually("one leader that all know, and one state", async () => {
      const all = await Promise.all(this.ids.map((id) => this.status(id)));
      const leader = all.find((status) => status?.role === "leader");
      const agree = all.every(
        (status) =>
          status !== null &&
          status.leader === leader?.id &&
          status.term === leader?.term &&
          status.lastApplied === leader.lastApplied &&
          status.lastLogIndex === leader.lastLogIndex,
      );
      return agree ? leader : null;
    });
  }

  /**
   * Kills a replica at once: memory and what was not durable is gone. Its next event starts it
   * again.
   */
  async crash(id: string): Promise<void> {
    const crash = this.inside(id, (_, state) => state.abort(crashReason));
    await crash.catch((error: unknown) => {
      if (!String(error).includes(crashReason)) throw error;
    });
  }

  inside<T>(
    id: string,
    work: (replica: Replica, state: DurableObjectState) => T | Promise<T>,
  ): Promise<T> {
    return runInDurableObject(this.stub(id), work);
  }

  alarm(id: string): Promise<number | null> {
    return this.inside(id, (_, state) => state.storage.getAlarm());
  }

  /** What is on a replica's disk. */
  onDisk<T>(id: string, read: (storage: DurableStorage) => T): Promise<T> {
    return this.inside(id, (_, state) => read(new DurableStorage(state.storage)));
  }

  /** The commands of all entries that a replica knows to be committed, in order: puts and deletes here. */
  async committed(id: string): Promise<(PutCommand | DeleteCommand)[]> {
    const { commitIndex } = (await this.status(id))!;
    return this.onDisk(id, ({ log }) =>
      log
        .slice(asIndex(1), asIndex(commitIndex), Number.MAX_SAFE_INTEGER)
        .flatMap(({ type, data }) => (type === "noop" ? [] : fromBytes<PutCommand[]>(data))),
    );
  }
}

export function putRequest(key: string, value: string, floor = 0): PutCommand {
  return {
    type: "put",
    requestId: `request-${requests++}`,
    floor,
    key,
    value: new TextEncoder().encode(value),
    contentType: null,
  };
}

/** Fails when a promise takes too long. What it was waiting for goes on. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: number | null = null;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
