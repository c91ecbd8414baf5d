import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { mutants } from "../mutants/mutants.ts";
import { type Family, familyNames, planOf } from "./families.ts";
import { faultsFor } from "./faults.ts";
import type { Plan } from "./nemesis.ts";
import { describeFamily, describeResult, familyHead, isGood } from "./report.ts";
import { type TortureResult, torture } from "./run.ts";

const usage = `Usage: npm run torture -- [options]

Starts each replica in a workerd process of its own and two edges in two more, lets clients work while
processes are killed and stopped and the ways between them are cut, and checks what clients saw.

  --minutes M        how long faults go on (default 1)
  --replicas 1|3|5|7 (default 3)
  --clients N        (default 8)
  --seed N           draws faults and requests (default: from the clock, and printed)
  --history FILE     where to write what clients saw (default: in the temporary folder)
  --mutant NAME      a build with a known mistake, which the check must refuse

  --family NAME      instead: one of ${familyNames.join(", ")}, or all of them, on five replicas
  --seconds N        how long each takes (default 30)
  --help             this text
`;

/** Everything, two things at a time. */
const fullPlan = (replicas: number): Plan => ({
  faults: faultsFor(replicas),
  atOnce: 2,
  lastMs: [300, 4000],
  restMs: [200, 2500],
});

function readArguments() {
  const string = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      minutes: { ...string, default: "1" },
      replicas: { ...string, default: "3" },
      clients: { ...string, default: "8" },
      seed: { ...string, default: String(Date.now() % 1_000_000) },
      history: { ...string, default: join(tmpdir(), `quorumkv-history-${process.pid}.jsonl`) },
      seconds: { ...string, default: "30" },
      mutant: string,
      family: string,
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const positive = (name: "minutes" | "clients" | "seed" | "seconds"): number => {
    const value = Number(values[name]);
    if (Number.isFinite(value) && value > 0) return value;
    throw new Error(`--${name} must be a number above 0, not ${values[name]}`);
  };
  if (!/^[1357]$/.test(values.replicas)) {
    throw new Error(`--replicas must be 1, 3, 5 or 7, not ${values.replicas}`);
  }
  return {
    minutes: positive("minutes"),
    seconds: positive("seconds"),
    clients: positive("clients"),
    seed: positive("seed"),
    replicas: Number(values.replicas),
    history: values.history,
    mutant: values.mutant === undefined ? null : findMutant(values.mutant),
    families: values.family === undefined ? null : findFamilies(values.family),
  };
}

function findMutant(name: string) {
  const mutant = mutants.find((each) => each.name === name);
  if (mutant !== undefined) return mutant;
  throw new Error(`there is no mutant ${name}; there are ${mutants.map((m) => m.name).join(", ")}`);
}

function findFamilies(name: string): readonly Family[] {
  if (name === "all") return familyNames;
  const family = familyNames.find((each) => each === name);
  if (family !== undefined) return [family];
  throw new Error(`there is no family ${name}; there are ${familyNames.join(", ")} and all`);
}

const log = (line: string): void => {
  process.stdout.write(`${(performance.now() / 1000).toFixed(1).padStart(7)} s  ${line}\n`);
};

async function main(): Promise<number> {
  const { minutes, seconds, families, ...rest } = readArguments();
  if (families === null) {
    const plan = fullPlan(rest.replicas);
    const result = await torture({ ...rest, seconds: minutes * 60, plan, log });
    const head = `seed ${rest.seed}, ${rest.replicas} replicas, ${rest.clients} clients, history in ${rest.history}`;
    process.stdout.write(`\n${head}\n${describeResult(result, minutes * 60)}\n`);
    return isGood(result) ? 0 : 1;
  }
  const results: [Family, TortureResult][] = [];
  for (const family of families) {
    log(`family ${family}`);
    const plan = planOf(family);
    results.push([family, await torture({ ...rest, seconds, plan, replicas: 5, log })]);
  }
  process.stdout.write(`\n${familyHead}\n`);
  for (const [family, result] of results) {
    process.stdout.write(`${describeFamily(family, result)}\n`);
    if (!isGood(result)) process.stdout.write(`${describeResult(result, seconds)}\n`);
  }
  return results.every(([, result]) => isGood(result)) ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`torture: ${what}\n\n${usage}`);
    process.exit(2);
  },
);
