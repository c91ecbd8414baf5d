import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClusterStatus } from "../../src/cluster/start.ts";
import { freePorts } from "../torture/free-ports.ts";
import { bundleWorker } from "../torture/worker-bundle.ts";
import { Workerd } from "../torture/workerd.ts";
import { eventually } from "./eventually.ts";

const namespace = "default";
const ids = ["1", "2", "3"] as const;

/** The code of a replica's Worker as it was recorded when it spoke an older peer version. */
export type OldBuild = "version-1" | "version-2";

/** The code of a replica's Worker: as it is, or as it was. */
export type Build = "new" | OldBuild;

/**
 * Three replicas in Workers of their own, each in its own process, so that each can run another build
 * and get another one on the same disk.
 */
export class RollingCluster {
  readonly #folder: string;
  readonly #ports: readonly number[];
  readonly #scripts: Readonly<Record<Build, string>>;
  readonly #processes = new Map<string, Workerd>();
  readonly #vars: Readonly<Record<string, string>>;

  private constructor(folder: string, ports: readonly number[], fresh: string, logBytes: string) {
    this.#folder = folder;
    this.#ports = ports;
    this.#scripts = {
      new: fresh,
      "version-1": recorded("version-1"),
      "version-2": recorded("version-2"),
    };
    const urls = Object.fromEntries(ids.map((id) => [id, this.url(id)]));
    this.#vars = {
      REPLICAS: String(ids.length),
      REGIONS: "local",
      HEARTBEAT_MS: "50",
      ELECTION_MIN_MS: "250",
      ELECTION_MAX_MS: "500",
      LOG_BYTES: logBytes,
      REPLICA_URLS: JSON.stringify(urls),
      REPLICA_SECRET: "only-for-this-rollout",
    };
  }

  /** Starts the replicas with these builds, in the order of their ids. */
  static async start(builds: readonly Build[], logBytes: string): Promise<RollingCluster> {
    const folder = mkdtempSync(join(tmpdir(), "quorumkv-rolling-"));
    const ports = await freePorts(ids.length);
    const cluster = new RollingCluster(folder, ports, await bundleWorker(null), logBytes);
    await Promise.all(ids.map((id, i) => cluster.restart(id, builds[i]!)));
    return cluster;
  }

  /** The Worker that holds a replica, with an edge of the same build. */
  url(id: string): string {
    return `http://127.0.0.1:${this.#ports[Number(id) - 1]}`;
  }

  /** Ends a replica's process, as `kill -9` does. */
  async kill(id: string): Promise<void> {
    await this.#processes.get(id)?.kill();
  }

  /** Gives a replica this build, on the disk that it has. */
  async restart(id: string, build: Build): Promise<void> {
    await this.kill(id);
    const process = new Workerd({
      folder: join(this.#folder, id),
      port: this.#ports[Number(id) - 1]!,
      script: this.#scripts[build],
      vars: this.#vars,
    });
    this.#processes.set(id, process);
    await process.start();
  }

  /**
   * A group that was founded by replicas of an old build, of which the first two have been upgraded, as it
   * is halfway through a deploy.
   */
  static async halfway(old: OldBuild, logBytes: string): Promise<RollingCluster> {
    const cluster = await RollingCluster.start([old, old, old], logBytes);
    const put = await fetch(`${cluster.url("1")}/v1/ns/${namespace}/keys/first`, {
      method: "PUT",
      body: "of old",
    });
    await put.arrayBuffer();
    await cluster.settled("1");
    for (const id of ["1", "2"]) await cluster.restart(id, "new");
    return cluster;
  }

  /** What the replicas say of themselves, asked by way of one Worker. */
  async status(via: string): Promise<ClusterStatus> {
    const response = await fetch(`${this.url(via)}/v1/ns/${namespace}/cluster`);
    if (!response.ok) throw new Error(`status: ${response.status} ${await response.text()}`);
    return (await response.json()) as ClusterStatus;
  }

  async replica(id: string, via: string): Promise<ClusterStatus["replicas"][number]> {
    return (await this.status(via)).replicas.find((replica) => replica.id === id)!;
  }

  /** Makes a replica lead, by way of one Worker. */
  async handOver(to: string, via: string): Promise<void> {
    await eventually(`replica ${to} leads`, async () => {
      const response = await fetch(`${this.url(via)}/v1/ns/${namespace}/cluster/leader`, {
        method: "POST",
        body: JSON.stringify({ replica: to }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${response.status} ${text}`);
      return true;
    });
  }

  /** Waits until all have applied the same, to the same end. */
  settled(via: string): Promise<ClusterStatus> {
    return eventually(
      "all replicas are equal",
      async () => {
        const status = await this.status(via);
        const shown = status.replicas.map(({ leader, lastApplied, lastLogIndex, stateHash }) =>
          JSON.stringify([leader, lastApplied, lastLogIndex, stateHash]),
        );
        const isOne = status.leader !== null && new Set(shown).size === 1;
        if (!isOne) throw new Error(`not settled: ${shown.join(" ")}`);
        return status;
      },
      { withinMs: 15_000 },
    );
  }

  /** What a replica's process has written to its console last. */
  log(id: string): string {
    return this.#processes.get(id)?.log ?? "";
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((each) => each.kill()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const recorded = (build: OldBuild): string =>
  readFileSync(join(import.meta.dirname, `../fixtures/worker-${build}.js`), "utf8");
