import { writeFileSync } from "node:fs";
import { Random } from "../../src/raft/random.ts";
import { type Verdict, checkLinearizability } from "../linearizability/checker.ts";
import { appendOperation } from "../linearizability/history-file.ts";
import type { Operation } from "../linearizability/operation.ts";
import { checkRevisions } from "../linearizability/revisions.ts";
import type { Mutant } from "../mutants/mutant.ts";
import { TortureClient } from "./client.ts";
import { type Status, TortureCluster } from "./cluster.ts";
import { RotatingKeys } from "./keys.ts";
import { Nemesis, type Plan } from "./nemesis.ts";
import { checkWatched } from "./watch-check.ts";
import { TortureWatcher } from "./watcher.ts";

export interface TortureOptions {
  readonly replicas: number;
  readonly clients: number;
  readonly seconds: number;
  readonly seed: number;
  readonly plan: Plan;
  /** Where to write the history; null to keep it in memory only. */
  readonly history: string | null;
  readonly mutant: Mutant | null;
  /** Takes a line about each fault. */
  readonly log: (line: string) => void;
}

/** What came of a run. */
export interface TortureResult {
  readonly operations: readonly Operation[];
  /** How long each `ok` operation took, in ms, sorted. */
  readonly latencies: readonly number[];
  /** The longest time without an acknowledged write while faults went on, in ms. */
  readonly longestGapMs: number;
  readonly faults: ReadonlyMap<string, number>;
  /** Calls between replicas. */
  readonly peers: { readonly messages: number; readonly lost: number; readonly doubled: number };
  readonly term: number;
  /** The oldest entry of the log that is still there in the end, and the newest. */
  readonly log: { readonly first: number; readonly last: number };
  /** Those who watched, the events that one of them was told, and how often they were answered. */
  readonly watched: { readonly watchers: number; readonly events: number; readonly visits: number };
  readonly verdict: Verdict;
  /** What is wrong besides: revisions, or replicas that do not agree. */
  readonly complaints: readonly string[];
}

/** How long replicas may take to agree once all faults are over, and those who watch to be told all. */
const agreeMs = 30_000;

/** They watch while clients work. */
const watcherCount = 4;

/**
 * Starts a cluster, lets clients work while a nemesis strikes, heals everything, waits until all
 * replicas are equal, reads every key, and checks all that was seen.
 */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { replicas, seed, mutant } = options;
  const cluster = await TortureCluster.start(replicas, seed, mutant);
  try {
    return await run(cluster, options);
  } finally {
    await cluster.stop();
  }
}

async function run(
  cluster: TortureCluster,
  { clients, seconds, seed, plan, history, log }: TortureOptions,
): Promise<TortureResult> {
  const operations: Operation[] = [];
  const latencies: number[] = [];
  const acknowledged: number[] = [];
  if (history !== null) writeFileSync(history, "");
  const record = (operation: Operation, ms: number): void => {
    operations.push(operation);
    if (history !== null) appendOperation(history, operation);
    if (operation.status !== "ok") return;
    latencies.push(ms);
    if (operation.op !== "get") acknowledged.push(operation.return / 1e6);
  };
  const edges = [...cluster.edges.values()];
  const urls = [...edges, ...cluster.replicas.values()].map(({ url }) => url);
  const watchers = Array.from({ length: watcherCount }, (_, i) => {
    return new TortureWatcher(`w${i + 1}`, urls, new Random(seed * 1000 + 500 + i));
  });
  const seen = new Map<string, number>();
  const all = Array.from({ length: clients }, (_, i) => {
    return new TortureClient({
      name: `c${i + 1}`,
      edgeUrl: edges[i % edges.length]!.url,
      random: new Random(seed * 1000 + i),
      seen,
      isReader: i % 4 >= 2,
      record,
    });
  });
  const keys = new RotatingKeys(new Random(seed + 1));
  const endMs = Date.now() + seconds * 1000;
  const isOver = (): boolean => Date.now() >= endMs;
  const nemesis = new Nemesis(cluster, new Random(seed + 2), plan, log);
  // A process that does not start again ends the run, not only its nemesis.
  await Promise.all([
    nemesis.run(isOver),
    ...all.map((client) => client.run(() => keys.next(), isOver)),
  ]);
  const longestGapMs = longestGap(acknowledged);
  log("heal everything");
  await cluster.heal();
  const complaints: string[] = [];
  const statuses = await agree(cluster);
  if (statuses === null) complaints.push(`replicas do not agree: ${await describe(cluster)}`);
  await readAll(all, keys.used, complaints);
  const revisions = checkRevisions(operations);
  if (revisions !== null) complaints.push(revisions);
  complaints.push(...(await untilAllIsTold(watchers, statuses?.[0]?.revision ?? 0)));
  const watched = await Promise.all(watchers.map((watcher) => watcher.end()));
  complaints.push(...checkWatched(operations, watched));
  return {
    operations,
    latencies: latencies.sort((a, b) => a - b),
    longestGapMs,
    faults: nemesis.counts,
    peers: cluster.links.counts,
    term: statuses?.[0]?.term ?? 0,
    log: { first: statuses?.[0]?.firstLogIndex ?? 0, last: statuses?.[0]?.lastLogIndex ?? 0 },
    watched: {
      watchers: watchers.length,
      events: Math.max(...watched.map(({ events }) => events.length)),
      visits: watchers.reduce((sum, { visits }) => sum + visits, 0),
    },
    verdict: checkLinearizability(operations),
    complaints,
  };
}

/** Every key once more, so that no write that was acknowledged can be gone unnoticed. */
async function readAll(
  clients: readonly TortureClient[],
  keys: readonly string[],
  complaints: string[],
): Promise<void> {
  const left = [...keys];
  const readers = clients.map(async (client) => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) {
      let tries = 0;
      while ((await client.read(key)).status !== "ok") {
        if (++tries < 10) continue;
        complaints.push(`the last read of ${key} failed`);
        break;
      }
    }
  });
  await Promise.all(readers);
}

/** Waits until all replicas have one log and one state. Null when they do not get there. */
async function agree(cluster: TortureCluster): Promise<Status[] | null> {
  const endMs = Date.now() + agreeMs;
  while (Date.now() < endMs) {
    const statuses = await cluster.statuses();
    const states = statuses.map((status) => {
      if (status === null) return null;
      const { revision, stateHash, commitIndex, lastApplied, lastLogIndex } = status;
      return [revision, stateHash, commitIndex, lastApplied, lastLogIndex].join(" ");
    });
    if (states[0] !== null && new Set(states).size === 1) return statuses as Status[];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return null;
}

/** Waits until those who watch have been told all up to a revision. Returns what is wrong with them. */
async function untilAllIsTold(
  watchers: readonly TortureWatcher[],
  revision: number,
): Promise<string[]> {
  const endMs = Date.now() + agreeMs;
  const isOpen = (watcher: TortureWatcher): boolean =>
    watcher.revision < revision && !watcher.isCompacted;
  while (watchers.some(isOpen) && Date.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return watchers.flatMap((watcher) => {
    if (watcher.isCompacted) return ["somebody who watched is told that some of it is gone"];
    if (watcher.revision >= revision) return [];
    return [`somebody who watched is at ${watcher.revision}, and not at ${revision}`];
  });
}

async function describe(cluster: TortureCluster): Promise<string> {
  return JSON.stringify(await cluster.statuses());
}

/** The longest time between two moments that follow each other, in ms. */
function longestGap(moments: readonly number[]): number {
  let longest = 0;
  const sorted = [...moments].sort((a, b) => a - b);
  sorted.forEach((moment, i) => {
    if (i > 0) longest = Math.max(longest, moment - sorted[i - 1]!);
  });
  return longest;
}
