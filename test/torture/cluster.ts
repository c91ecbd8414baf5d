import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StatusResult } from "../../src/protocol/client.ts";
import { fromBytes } from "../../src/protocol/codec.ts";
import { Random } from "../../src/raft/random.ts";
import type { Mutant } from "../mutants/mutant.ts";
import { freePorts } from "./free-ports.ts";
import { call } from "./http.ts";
import { Links } from "./links.ts";
import { Workerd } from "./workerd.ts";
import { bundleWorker } from "./worker-bundle.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";

export const namespace = "torture";
const secret = "only-for-this-torture";
/** Cut every few hundred puts, so that whoever was away needs a snapshot. */
const logBytes = "30000";
/** As for local clusters; longer, since processes that share two cores stand still now and then. */
const timers = { HEARTBEAT_MS: "100", ELECTION_MIN_MS: "400", ELECTION_MAX_MS: "800" };
const edgeCount = 2;
/** More replicas than come to be in a run: each must have a home in the settings from the start. */
const mostReplicas = 300;

export type Status = StatusResult & { type: "status" };

/**
 * Each founding replica in a workerd of its own, two edges in two more, and all ways between them. Those
 * that come later go to the same processes in turn: 4 to the home of 1, if there are three.
 */
export class TortureCluster {
  /** The homes, by the founding replica of each. */
  readonly replicas: ReadonlyMap<string, Workerd>;
  readonly edges: ReadonlyMap<string, Workerd>;
  readonly links: Links;
  readonly #folder: string;
  /** All replicas that anybody has spoken of. */
  readonly #known = new Set<string>();

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
    for (const id of replicas.keys()) this.#known.add(id);
  }

  /** Starts everything on empty disks. Resolves when all processes answer. */
  static async start(size: number, seed: number, mutant: Mutant | null): Promise<TortureCluster> {
    const folder = mkdtempSync(join(tmpdir(), "quorumkv-torture-"));
    const script = await bundleWorker(mutant);
    const ids = Array.from({ length: size }, (_, i) => String(i + 1));
    const edgeNames = Array.from({ length: edgeCount }, (_, i) => `e${i + 1}`);
    const ports = await freePorts(size + edgeCount);
    const all = Array.from({ length: mostReplicas }, (_, i) => String(i + 1));
    const homeOf = (id: string): string => ids[(Number(id) - 1) % size]!;
    const urlOf = (id: string): string => `http://127.0.0.1:${ports[ids.indexOf(homeOf(id))]}`;
    const targets = new Map(all.map((id) => [id, urlOf(id)]));
    const links = new Links(targets, new Random(seed), homeOf);
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
            Object.fromEntries(all.map((id) => [id, links.url(name, id)])),
          ),
          REPLICA_SECRET: secret,
        },
      });
    const replicas = new Map(ids.map((id, i) => [id, process(id, ports[i]!)]));
    const edges = new Map(edgeNames.map((name, i) => [name, process(name, ports[size + i]!)]));
    await Promise.all([...replicas.values(), ...edges.values()].map((each) => each.start()));
    return new TortureCluster(folder, links, replicas, edges);
  }

  /** The homes. */
  get ids(): string[] {
    return [...this.replicas.keys()];
  }

  /** The home of a replica. */
  homeOf(id: string): string {
    return this.ids[(Number(id) - 1) % this.ids.length]!;
  }

  /** What a replica says of itself, past all links; null when it says nothing. */
  async status(id: string): Promise<StatusResult | null> {
    const { url } = this.replicas.get(this.homeOf(id))!;
    try {
      const { status, body } = await call({
        method: "GET",
        url: `${url}/_replica/${namespace}/${id}${replicaPath.status}`,
        headers: { Authorization: `Bearer ${secret}` },
        timeoutMs: 300,
      });
      return status === 200 ? fromBytes<StatusResult>(body) : null;
    } catch {
      return null;
    }
  }

  /** What those say of themselves that belong to the group by the newest that anybody knows. */
  async statuses(): Promise<(Status | null)[]> {
    for (;;) {
      const asked = [...this.#known];
      const results = await Promise.all(asked.map((id) => this.status(id)));
      for (const result of results) {
        if (result === null || result.type === "uninitialised") continue;
        for (const { id } of result.members) this.#known.add(id);
      }
      if (this.#known.size > asked.length) continue;
      const statuses = results.map((result) => (result?.type === "status" ? result : null));
      const newest = statuses.reduce((a, b) =>
        (b?.membersIndex ?? -1) > (a?.membersIndex ?? -1) ? b : a,
      );
      const members = newest?.members.map(({ id }) => id) ?? this.ids;
      return members.map((id) => statuses[asked.indexOf(id)] ?? null);
    }
  }

  /** Who leads the newest term, if anybody says that it does. */
  async leader(): Promise<Status | null> {
    const leading = (await this.statuses()).filter((status) => status?.role === "leader");
    return leading.sort((a, b) => b!.term - a!.term)[0] ?? null;
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
