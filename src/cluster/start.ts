import { Miniflare, type MiniflareOptions, convertV4MiniflareOptions } from "miniflare";
import type { SettingsVars } from "../protocol/settings.ts";
import { buildLocalWorker } from "./build.ts";
import type { Counts } from "./counts.ts";
import { killReason } from "./faults.ts";
import { findRuntime, guardRuntime } from "./runtime-process.ts";
import { openState } from "./state.ts";

export interface ClusterOptions {
  /** Replicas of each namespace: 1, 3 (the default), 5 or 7. */
  readonly replicas?: number;
  /** The port to listen on, on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  /** A folder to keep the state in. Without one the state is temporary, and gone after `stop`. */
  readonly state?: string;
  /** Forget what the folder holds of an earlier cluster. Nothing else in it is touched. */
  readonly fresh?: boolean;
  /** Overrides of the Worker's variables, such as shorter timers. */
  readonly vars?: Partial<SettingsVars>;
  /** Takes the Worker's console output, a line at a time. Without it the output is dropped. */
  readonly onLog?: (line: string) => void;
}

/** What `GET /v1/ns/{ns}/cluster` answers; see docs/http-api.md. */
export interface ClusterStatus {
  readonly namespace: string;
  readonly leader: string | null;
  readonly term: number;
  readonly replicas: readonly {
    readonly id: string;
    readonly region: string;
    readonly reachable: boolean;
    readonly role: string | null;
    readonly term: number | null;
    readonly leader: string | null;
    readonly commitIndex: number | null;
    readonly lastApplied: number | null;
    readonly firstLogIndex: number | null;
    readonly lastLogIndex: number | null;
    readonly logBytes: number | null;
    readonly revision: number | null;
    readonly stateHash: string | null;
    readonly diverged: boolean | null;
  }[];
}

/**
 * A running local cluster. Replicas are named "1", "2", "3" …; a fault holds for that replica of
 * every namespace.
 */
export interface Cluster {
  /** Where it answers, without a slash at the end. */
  readonly url: string;
  readonly replicas: number;
  /** Memory gone, unreachable until restarted, storage kept. */
  kill(id: string): Promise<void>;
  restart(id: string): Promise<void>;
  /** Stands still with everything in memory, as a stopped process does, until resumed. */
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Lets replicas talk only within their group. Clients still reach all of them. */
  partition(groups: readonly (readonly string[])[]): Promise<void>;
  heal(): Promise<void>;
  status(namespace?: string): Promise<ClusterStatus>;
  /** What all replicas together have done that costs something. Asking adds nothing to it. */
  counts(): Promise<Counts>;
  stop(): Promise<void>;
}

const localVars: Omit<SettingsVars, "REPLICAS"> = {
  REGIONS: "local",
  HEARTBEAT_MS: "50",
  ELECTION_MIN_MS: "150",
  ELECTION_MAX_MS: "300",
  // Any page that a browser shows could otherwise read and write what is here.
  CORS_ORIGINS: "localhost",
};

/**
 * Starts a cluster on real workerd in this process. Resolves when it answers.
 *
 * @throws Error when the options make no sense, the port is taken, or the state is that of a
 * cluster of another size.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const replicas = options.replicas ?? 3;
  const state = await openState(options.state, replicas, options.fresh ?? false);
  const vars = { ...localVars, REPLICAS: String(replicas), ...options.vars };
  const miniflare = new Miniflare(await miniflareOptions(options, vars, state.folder));
  try {
    const url = (await miniflare.ready).origin;
    const runtime = findRuntime();
    if (runtime !== null) guardRuntime(runtime);
    await state.use(runtime);
    return new MiniflareCluster(url, replicas, async () => {
      await miniflare.dispose();
      await state.close();
    });
  } catch (error) {
    await miniflare.dispose();
    await state.close();
    throw error;
  }
}

class MiniflareCluster implements Cluster {
  readonly url: string;
  readonly replicas: number;
  readonly stop: () => Promise<void>;

  constructor(url: string, replicas: number, stop: () => Promise<void>) {
    this.url = url;
    this.replicas = replicas;
    this.stop = stop;
  }

  kill(id: string): Promise<void> {
    return this.#control(`replicas/${id}/kill`);
  }

  restart(id: string): Promise<void> {
    return this.#control(`replicas/${id}/restart`);
  }

  pause(id: string): Promise<void> {
    return this.#control(`replicas/${id}/pause`);
  }

  resume(id: string): Promise<void> {
    return this.#control(`replicas/${id}/resume`);
  }

  partition(groups: readonly (readonly string[])[]): Promise<void> {
    return this.#control("partition", { groups });
  }

  heal(): Promise<void> {
    return this.#control("heal");
  }

  async status(namespace = "default"): Promise<ClusterStatus> {
    const response = await fetch(`${this.url}/v1/ns/${namespace}/cluster`);
    if (!response.ok) throw new Error(`status: ${response.status} ${await response.text()}`);
    return (await response.json()) as ClusterStatus;
  }

  async counts(): Promise<Counts> {
    const response = await fetch(`${this.url}/_local/counts`);
    if (!response.ok) throw new Error(`counts: ${response.status} ${await response.text()}`);
    return (await response.json()) as Counts;
  }

  async #control(path: string, body?: unknown): Promise<void> {
    const response = await fetch(`${this.url}/_local/${path}`, {
      method: "POST",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  }
}

async function miniflareOptions(
  { port = 0, onLog }: ClusterOptions,
  vars: SettingsVars,
  folder: string,
): Promise<MiniflareOptions> {
  return convertV4MiniflareOptions({
    name: "quorumkv",
    modules: [{ type: "ESModule", path: "worker.mjs", contents: await buildLocalWorker() }],
    compatibilityDate: "2026-10-15",
    bindings: { ...vars },
    durableObjects: { REPLICA: { className: "Replica", useSQLite: true } },
    resourcePersistencePath: folder,
    host: "127.0.0.1",
    port,
    handleStructuredLogs: ({ level, message }) => {
      if (!tellsOfKill(message)) onLog?.(`${level}: ${message}`);
    },
  });
}

/** Whether the runtime says no more than that a replica was killed, which is what was wanted. */
const tellsOfKill = (message: string): boolean => message.includes(`jsg.Error: ${killReason}`);
