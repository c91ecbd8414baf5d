import { parseArgs } from "node:util";
import { type Changes, type Outcome, planOf, run } from "./run.ts";
import { shrink } from "./shrink.ts";
import { runSeeds } from "./seeds.ts";
import { Sightings } from "./sometimes.ts";
import { type Fault, allFaults, describeWeather } from "./weather.ts";

const usage = `Usage: npm run sim -- [options]

Runs simulated worlds, each drawn from a seed, and stops at the first that breaks an invariant.

  --runs K           so many seeds (default 200)
  --minutes M        for so long, instead
  --first N          the first seed (default 1)
  --jobs N           worlds at a time (default: the number of processors)

  --seed N           one seed only
  --trace            print what happens in it, a line an event

  --replicas N  --clients N  --batchClients N  --edges N  --ms N  --without FAULT,FAULT…
                     change what seeds draw
  --help             this text
`;

/** A run of so many seeds must have come across everything that sometimes happens. */
const enough = 2000;

const numbers = ["replicas", "clients", "batchClients", "edges", "ms"] as const;

function readArguments() {
  const number = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      runs: number,
      minutes: number,
      first: number,
      jobs: number,
      seed: number,
      ...Object.fromEntries(numbers.map((name) => [name, number])),
      without: { type: "string" },
      trace: {
        type: "boolean",
        default: false,
      },
      help: {
        type: "boolean",
        default: false,
      },
    },
  });
  const given = values as Readonly<Record<string, string | boolean | undefined>>;
  if (given["help"] === true) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const read = (name: string): number | undefined => {
    const text = given[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (Number.isFinite(value) && value >= 0 && (name === "minutes" || Number.isInteger(value))) {
      return value;
    }
    throw new Error(`--${name} must be a number, not ${String(text)}`);
  };
  return {
    runs: read("runs"),
    minutes: read("minutes"),
    first: read("first") ?? 1,
    jobs: read("jobs"),
    seed: read("seed"),
    isTraced: given["trace"] === true,
    changes: {
      ...Object.fromEntries(
        numbers.flatMap((name) => {
          const value = read(name);
          return value === undefined ? [] : [[name, value]];
        }),
      ),
      without: readFaults(given["without"]),
    } as Changes,
  };
}

function readFaults(text: string | boolean | undefined): Fault[] {
  if (typeof text !== "string" || text === "") return [];
  const names = text.split(",");
  const stranger = names.find((name) => !allFaults.includes(name as Fault));
  if (stranger === undefined) return names as Fault[];
  throw new Error(`--without: there is no fault ${stranger}; there are ${allFaults.join(", ")}`);
}

/** The command that runs a seed again as it was. */
function replay(seed: number, { without = [], ...numbersGiven }: Changes): string {
  const options = Object.entries(numbersGiven).map(([name, value]) => ` --${name} ${value}`);
  const off = without.length === 0 ? "" : ` --without ${without.join(",")}`;
  return `npm run sim -- --seed ${seed}${options.join("")}${off} --trace`;
}

function report({ plan, violation, events, ms, answers }: Outcome): string {
  const { seed, replicas, clients, batchClients, edges, weather } = plan;
  const parties = `${replicas} replicas, ${clients} clients, ${batchClients} batch clients, ${edges} edges`;
  const world = `seed ${seed}: ${parties}, ${plan.ms} ms of ${describeWeather(weather)}`;
  const end = violation === null ? "every invariant held" : `VIOLATION ${violation.message}`;
  return `${world}\n${events} events in ${ms} ms, ${answers} requests answered: ${end}\n`;
}

async function runOne(seed: number, changes: Changes, isTraced: boolean): Promise<boolean> {
  const write = isTraced ? (line: string) => void process.stdout.write(`${line}\n`) : undefined;
  const outcome = await run(planOf(seed, changes), write);
  process.stdout.write(report(outcome));
  return outcome.violation === null;
}

async function explain(seed: number, changes: Changes): Promise<void> {
  process.stdout.write(report(await run(planOf(seed, changes))));
  process.stdout.write(`\nReplay it:  ${replay(seed, changes)}\nShrinking …\n`);
  const smaller = await shrink(seed, changes);
  process.stdout.write(`\n${report(await run(planOf(seed, smaller)))}`);
  process.stdout.write(`\nReplay it:  ${replay(seed, smaller)}\n`);
}

async function main(): Promise<number> {
  const { runs = 200, minutes, first, jobs, seed, isTraced, changes } = readArguments();
  if (seed !== undefined) return (await runOne(seed, changes, isTraced)) ? 0 : 1;
  const startMs = performance.now();
  const { events, answers, count, counts, failed } = await runSeeds({
    first,
    changes,
    ...(jobs === undefined ? {} : { jobs }),
    ...(minutes === undefined ? { runs } : { untilMs: Date.now() + minutes * 60_000 }),
  });
  const seconds = (performance.now() - startMs) / 1000;
  const sightings = new Sightings();
  sightings.add(counts);
  for (const [name, times] of Object.entries(sightings.counts)) {
    process.stdout.write(`${String(times).padStart(9)}  ${name}\n`);
  }
  process.stdout.write(
    `\n${count} seeds from ${first}, ${events} events in ${seconds.toFixed(1)} s ` +
      `(${Math.round(events / seconds)} a second), ${answers} requests answered\n`,
  );
  if (failed !== null) {
    await explain(failed, changes);
    return 1;
  }
  if (count >= enough && sightings.never.length > 0) {
    process.stdout.write(`never happened: ${sightings.never.join(", ")}\n`);
    return 1;
  }
  process.stdout.write("every invariant held\n");
  return 0;
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`sim: ${what}\n\n${usage}`);
    process.exitCode = 2;
  },
);
