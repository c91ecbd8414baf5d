/**
 * Shows that groups of which nobody wants anything do nothing, and that each of them answers afterwards:
 * `npm run bench:idle -- GROUPS MINUTES`, a thousand for ten minutes unless told otherwise. What they store goes
 * to a temporary folder; founding many groups is quick where that is in memory (`TMPDIR=/dev/shm`).
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Cluster, startCluster } from "../src/cluster/start.ts";
import type { Counts } from "../src/cluster/counts.ts";

const [groups = 1000, minutes = 10] = process.argv.slice(2).map(Number);
const concurrency = 8;
const probes = Math.min(groups, 20);

async function put(url: string, group: number): Promise<void> {
  // Whoever founds groups as fast as the machine can may find it busy.
  for (let attempt = 0; attempt < 5; attempt++) {
    const response = await fetch(`${url}/v1/ns/g${group}/keys/a`, {
      method: "PUT",
      body: String(group),
    });
    await response.arrayBuffer();
    if (response.ok) return;
  }
  throw new Error(`group ${group} cannot be founded`);
}

async function found({ url }: Cluster): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    for (let group = next++; group < groups; group = next++) await put(url, group);
  };
  await Promise.all(Array.from({ length: concurrency }, one));
}

/** Waits until nothing has been done for three seconds. */
async function asleep(cluster: Cluster): Promise<Counts> {
  for (;;) {
    const before = await cluster.counts();
    await sleep(3000);
    const after = await cluster.counts();
    if (JSON.stringify(before) === JSON.stringify(after)) return after;
  }
}

/** Reads once from some of the groups. Returns how long each took, in ms, in order. */
async function readSome({ url }: Cluster): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < probes; n++) {
    const group = Math.floor((n * groups) / probes);
    const startMs = performance.now();
    const response = await fetch(`${url}/v1/ns/g${group}/keys/a`);
    const body = await response.text();
    if (body !== String(group))
      throw new Error(`group ${group} answers ${response.status} ${body}`);
    times.push(performance.now() - startMs);
  }
  return times.sort((a, b) => a - b);
}

function line(name: string, { ...counts }: Counts): void {
  const cells = [name, ...Object.values(counts).map(String)];
  process.stdout.write(`${cells.map((cell) => cell.padStart(17)).join("")}\n`);
}

const difference = (a: Counts, b: Counts): Counts =>
  Object.fromEntries(
    Object.entries(b).map(([name, value]) => [name, Number(value) - a[name as keyof Counts]]),
  ) as unknown as Counts;

const cluster = await startCluster({
  vars: {
    HEARTBEAT_MS: "300",
    ELECTION_MIN_MS: "2000",
    ELECTION_MAX_MS: "4000",
    SLEEP_AFTER_MS: "1000",
  },
});
try {
  await found(cluster);
  const before = await asleep(cluster);
  const names = ["", ...Object.keys(before)];
  process.stdout.write(`${groups} groups of three replicas, in one process\n`);
  process.stdout.write(`${names.map((name) => name.padStart(17)).join("")}\n`);
  line("till asleep", before);
  await sleep(minutes * 60_000);
  const after = await cluster.counts();
  line(`${minutes} minutes`, difference(before, after));
  const times = await readSome(cluster);
  line(`${probes} first reads`, difference(after, await asleep(cluster)));
  const at = (part: number): string => times[Math.floor(part * (times.length - 1))]!.toFixed(0);
  process.stdout.write(`first reads: median ${at(0.5)} ms, slowest ${at(1)} ms\n`);
  const isIdle = JSON.stringify(before) === JSON.stringify(after);
  process.stdout.write(
    isIdle ? "nothing was done in between\n" : "SOMETHING WAS DONE IN BETWEEN\n",
  );
  if (!isIdle) process.exitCode = 1;
} finally {
  await cluster.stop();
}
