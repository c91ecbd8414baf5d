import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { type Changes, type Outcome, planOf, run } from "./run.ts";
import { Sightings } from "./sometimes.ts";

interface Task {
  readonly first: number;
  readonly changes: Changes;
  /** So many seeds; without it, as many as there is time for. */
  readonly runs?: number;
  /** When to end, as `Date.now()` shows it. */
  readonly untilMs?: number;
  readonly jobs?: number;
}

/** What came of many seeds. */
export interface Summary {
  readonly count: number;
  readonly events: number;
  readonly answers: number;
  readonly counts: Readonly<Record<string, number>>;
  /** The lowest seed that failed; no more seeds are begun then. */
  readonly failed: number | null;
}

type Report = Pick<Outcome, "events" | "answers" | "counts"> & { seed: number; failed: boolean };

/** What a worker is given: every `step`th seed. */
interface Share extends Task {
  readonly step: number;
}

/** Runs many seeds on all processors. */
export async function runSeeds(task: Task): Promise<Summary> {
  const { jobs = availableParallelism(), first, runs = Number.POSITIVE_INFINITY } = task;
  const seen = new Sightings();
  const sum = { count: 0, events: 0, answers: 0 };
  let failed: number | null = null;
  const workers = Array.from({ length: jobs }, (_, i) => {
    const share: Share = { ...task, first: first + i, step: jobs, runs: first + runs };
    return new Worker(fileURLToPath(import.meta.url), { workerData: share });
  });
  const take = (report: Report): void => {
    sum.count++;
    sum.events += report.events;
    sum.answers += report.answers;
    seen.add(report.counts);
    if (report.failed) failed = Math.min(failed ?? report.seed, report.seed);
  };
  await Promise.all(workers.map((worker) => ended(worker, take, () => failed !== null)));
  if (failed === null && Number.isFinite(runs) && sum.count !== runs) {
    throw new Error(`only ${sum.count} of ${runs} seeds came to an end`);
  }
  return { ...sum, counts: seen.counts, failed };
}

/** Takes a worker's reports until it has done its share, or until there is reason to stop. */
function ended(
  worker: Worker,
  take: (report: Report) => void,
  mustStop: () => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on("message", (report: Report) => {
      take(report);
      if (mustStop()) void worker.terminate();
    });
    worker.on("error", reject);
    worker.on("exit", (code) => {
      if (code === 0 || mustStop()) resolve();
      else reject(new Error(`a worker of the simulator ended with ${code}`));
    });
  });
}

async function work({ first, step, runs, untilMs, changes }: Share): Promise<void> {
  const now = Date.now;
  for (let seed = first; seed < runs!; seed += step) {
    if (untilMs !== undefined && now() > untilMs) return;
    const { events, answers, counts, violation } = await run(planOf(seed, changes));
    const report: Report = { seed, events, answers, counts, failed: violation !== null };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- it is a port, not a window
    parentPort!.postMessage(report);
  }
}

if (!isMainThread && parentPort !== null) await work(workerData as Share);
