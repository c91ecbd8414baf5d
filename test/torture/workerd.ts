import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { guardRuntime } from "../../src/cluster/runtime-process.ts";

/** The runtime that miniflare brings. */
const require = createRequire(createRequire(import.meta.url).resolve("miniflare"));
const { default: binary } = require("workerd") as { default: string };

/** How long a process may take to answer after its start. */
const startMs = 20_000;

export interface WorkerdOptions {
  /** Where it keeps its disk and its configuration. Survives it. */
  readonly folder: string;
  readonly port: number;
  /** The Worker as one ES module. */
  readonly script: string;
  readonly vars: Readonly<Record<string, string>>;
}

/** A Worker in a workerd process of its own, which can be killed, stopped and started again. */
export class Workerd {
  readonly url: string;
  readonly #config: string;
  #process: ChildProcess | null = null;
  readonly #killed = new WeakSet<ChildProcess>();
  #log = "";

  constructor(options: WorkerdOptions) {
    this.url = `http://127.0.0.1:${options.port}`;
    this.#config = join(options.folder, "config.capnp");
    mkdirSync(join(options.folder, "disk"), { recursive: true });
    writeFileSync(join(options.folder, "worker.js"), options.script);
    writeFileSync(this.#config, configOf(options));
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  /** The last of what it has written to its console. */
  get log(): string {
    return this.#log;
  }

  /**
   * Starts it on the disk that it had, unless it runs. Resolves when it answers, or is killed before
   * that.
   *
   * @throws Error when it ends or stays silent by itself, with what it wrote.
   */
  async start(): Promise<void> {
    const child = (this.#process ??= this.#spawn());
    const endMs = Date.now() + startMs;
    while (!(await isLive(this.url))) {
      if (this.#killed.has(child)) return;
      if (Date.now() > endMs || this.#process !== child) {
        throw new Error(`workerd on ${this.url} does not answer:\n${this.#log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** As `kill -9` does. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    this.#killed.add(child);
    // One that stands still is killed as well.
    child.kill("SIGKILL");
    await gone;
  }

  /** Stands still with all that it has in memory, until it is told to go on. */
  stop(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  #spawn(): ChildProcess {
    const child = spawn(binary, ["serve", "--experimental", this.#config], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text: Buffer) => (this.#log = (this.#log + text.toString()).slice(-8000)));
    }
    child.on("exit", () => {
      if (this.#process === child) this.#process = null;
    });
    guardRuntime(child.pid!);
    return child;
  }
}

async function isLive(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/livez`, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

function configOf({ folder, port, vars }: WorkerdOptions): string {
  const bindings = Object.entries(vars).map(
    ([name, value]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(value)})`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "disk", disk = (path = ${JSON.stringify(join(folder, "disk"))}, writable = true)),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-10-15",
  durableObjectNamespaces = [
    (className = "Replica", uniqueKey = "quorumkv-replica", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [
    (name = "REPLICA", durableObjectNamespace = "Replica"),
    ${bindings.join(",\n    ")},
  ],
);
`;
}
