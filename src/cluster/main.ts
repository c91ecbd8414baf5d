import { parseArgs } from "node:util";
import { type Cluster, type ClusterStatus, startCluster } from "./start.ts";

const usage = `Usage: npm start -- [options]

  --replicas 1|3|5|7   replicas of each namespace (default 3)
  --port N             port on 127.0.0.1 (default 8787)
  --state DIR          where to keep the state (default .quorumkv)
  --fresh              begin with no state
  --help               this text
`;

interface Arguments {
  readonly replicas: number;
  readonly port: number;
  readonly state: string;
  readonly fresh: boolean;
}

/** Reads the command line. Exits on --help; throws an Error that says what is wrong. */
function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      replicas: { type: "string", default: "3" },
      port: { type: "string", default: "8787" },
      state: { type: "string", default: ".quorumkv" },
      fresh: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const { state, fresh } = values;
  if (!/^[1357]$/.test(values.replicas)) {
    throw new Error(`--replicas must be 1, 3, 5 or 7, not ${values.replicas}`);
  }
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65535) {
    throw new Error(`--port must be a number from 0 to 65535, not ${values.port}`);
  }
  return { replicas: Number(values.replicas), port, state, fresh };
}

/** Founds the namespace `default` by reading from it, so that there is something to look at. */
async function warmUp(cluster: Cluster): Promise<ClusterStatus> {
  const response = await fetch(`${cluster.url}/v1/ns/default/keys/hello`);
  await response.body?.cancel();
  return cluster.status();
}

function greeting(cluster: Cluster, status: ClusterStatus, state: string, seconds: string): string {
  const { url } = cluster;
  const replicas = status.replicas.map(
    ({ id, role }) => `  replica ${id}  ${role ?? "unreachable"}`,
  );
  const leader = status.leader ?? "1";
  return `quorumkv: ${cluster.replicas} replicas on ${url}, ready in ${seconds} s

${replicas.join("\n")}

State is kept in ${state}. Ctrl-C stops the cluster; --fresh starts an empty one.

Try this in another terminal:

  curl -X PUT ${url}/v1/ns/default/keys/hello --data-binary world
  curl -i ${url}/v1/ns/default/keys/hello
  curl ${url}/v1/ns/default/cluster

  curl -X POST ${url}/_local/replicas/${leader}/kill       # the leader dies
  curl -X PUT ${url}/v1/ns/default/keys/hello --data-binary again
  curl -X POST ${url}/_local/replicas/${leader}/restart

`;
}

/** Stops the cluster at the first Ctrl-C; a second one does not wait for it. */
function stopOnSignal(cluster: Cluster): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(130);
    stopping = true;
    cluster.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  for (const signal of ["SIGINT", "SIGTERM"]) {
    // Miniflare would end the process itself, before the state's folder is given up.
    process.removeAllListeners(signal);
    process.on(signal, stop);
  }
}

async function main(): Promise<void> {
  const startedMs = performance.now();
  const { replicas, port, state, fresh } = readArguments();
  const onLog = (line: string): void => void process.stderr.write(`${line}\n`);
  const cluster = await startCluster({ replicas, port, state, fresh, onLog });
  stopOnSignal(cluster);
  const status = await warmUp(cluster);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(greeting(cluster, status, state, seconds));
}

main().catch((error: unknown) => {
  process.stderr.write(
    `quorumkv: ${error instanceof Error ? error.message : String(error)}\n\n${usage}`,
  );
  process.exit(1);
});
