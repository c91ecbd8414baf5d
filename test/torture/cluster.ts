import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type StatusResult, statusPath } from "../../src/protocol/client.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import { Random } from "../../src/raft/random.ts";
import type { Mutant } from "../mutants/mutant.ts";
import { call } from "./http.ts";
import { Links } from "./links.ts";
import { Workerd } from "./workerd.ts";
import { bundleWorker } from "./worker-bundle.ts";

export const namespace = "torture";
const secret = "only-for-this-torture";
/** Cut every few hundred puts, so that whoever was away needs a snapshot. */
const logBytes = "30000";
/** As for local clusters; longer, since processes that share two cores stand still now and then. */
const timers = { HEARTBEAT_MS: "100", ELECTION_MIN_MS: "400", ELECTION_MAX_MS: "800" };
const edgeCount = 2;

export type Status = StatusResult & { type: "status" };

/** Each replica in a workerd of its own, two edges in two more, and all ways between them. */
export class TortureCluster {
  readonly replicas: ReadonlyMap<string, Workerd>;
  readonly edges: ReadonlyMap<string, Workerd>;
  readonly links: Links;
  readonly #folder: string;

  private constructor(
    folder: string,
    links: Links,
    replicas: ReadonlyMap<string, Workerd>,
    edges: ReadonlyMap<string, Workerd>,
  ) {
    this.#folder = folder;
    this.links = links;
    this.replicas = replicas;
    this.edges = edges;
  }

  /** Starts everything on empty disks. Resolves when all processes answer. */
  static async start(size: number, seed: number, mutant: Mutant | null): Promise<TortureCluster> {
    const folder = mkdtempSync(join(tmpdir(), "quorumkv-torture-"));
    const script = await bundleWorker(mutant);
    const ids = Array.from({ length: size }, (_, i) => String(i + 1));
    const edgeNames = Array.from({ length: edgeCount }, (_, i) => `e${i + 1}`);
    const ports = await freePorts(size + edgeCount);
    const targets = new Map(ids.map((id, i) => [id, `http://127.0.0.1:${ports[i]}`]));
    const links = new Links(targets, new Random(seed));
    await links.open();
    const process = (name: string, port: number): Workerd =>
      new Workerd({
        folder: join(folder, name),
        port,
        script,
        vars: {
          ...timers,
          LOG_BYTES: logBytes,
          REPLICAS: String(size),
          REGIONS: "local",
          REPLICA_URLS: JSON.stringify(
            Object.fromEntries(ids.map((id) => [id, links.url(name, id)])),
          ),
          REPLICA_SECRET: secret,
        },
      });
    const replicas = new Map(ids.map((id, i) => [id, process(id, ports[i]!)]));
    const edges = new Map(edgeNames.map((name, i) => [name, process(name, ports[size + i]!)]));
    await Promise.all([...replicas.values(), ...edges.values()].map((each) => each.start()));
    return new TortureCluster(folder, links, replicas, edges);
  }

  get ids(): string[] {
    return [...this.replicas.keys()];
  }

  /** What a replica says of itself, past all links; null when it says nothing. */
  async status(id: string): Promise<Status | null> {
    const { url } = this.replicas.get(id)!;
    try {
      const { status, body } = await call({
        method: "GET",
        url: `${url}/_replica/${namespace}/${id}${statusPath}`,
        headers: { Authorization: `Bearer ${secret}` },
        timeoutMs: 300,
      });
      const result = status === 200 ? fromBytes<StatusResult>(body) : null;
      return result?.type === "status" ? result : null;
    } catch {
      return null;
    }
  }

  statuses(): Promise<(Status | null)[]> {
    return Promise.all(this.ids.map((id) => this.status(id)));
  }

  /** Who leads the newest term, if anybody says that it does. */
  async leader(): Promise<string | null> {
    const leading = (await this.statuses()).filter((status) => status?.role === "leader");
    return leading.sort((a, b) => b!.term - a!.term)[0]?.id ?? null;
  }

  /** Everything runs and reaches everything. */
  async heal(): Promise<void> {
    this.links.heal();
    for (const each of this.#processes) {
      each.resume();
      if (!each.isRunning) await each.start();
    }
  }

  async stop(): Promise<void> {
    this.links.close();
    await Promise.all(this.#processes.map((each) => each.kill()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The newest lines that each process has written to its console. */
  get logs(): string {
    return [...this.replicas, ...this.edges]
      .filter(([, { log }]) => log !== "")
      .map(([name, { log }]) => `--- ${name}\n${log}`)
      .join("\n");
  }

  get #processes(): Workerd[] {
    return [...this.replicas.values(), ...this.edges.values()];
  }
}

/** Ports that nothing listens on, all at once so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
