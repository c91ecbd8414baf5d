import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import type { Mutant } from "../mutants/mutant.ts";
import { mutants } from "../mutants/mutants.ts";
import { planOf, run } from "./run.ts";

const usage = `Usage: npm run sim:mutants -- [options]

Runs the simulator on code with a known mistake in it, and says how many seeds it took to notice.

  --mutant NAME   this one only
  --seeds K       give up after so many seeds (default 3000)
  --help          this text
`;

interface Caught {
  /** Seeds it took, or null when that many were not enough. */
  readonly seeds: number | null;
  readonly violation: string;
}

/** In a process of its own, with the mutant in place: runs seeds until one fails. */
async function seek(seeds: number): Promise<Caught> {
  for (let seed = 1; seed <= seeds; seed++) {
    const { violation } = await run(planOf(seed));
    if (violation !== null) return { seeds: seed, violation: violation.message };
  }
  return { seeds: null, violation: "" };
}

async function caught({ name }: Mutant, seeds: number): Promise<Caught> {
  const hooks = join(import.meta.dirname, "../mutants/hooks.ts");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", hooks, import.meta.filename, "--seek", "--seeds", String(seeds)],
    { env: { ...process.env, MUTANT: name }, maxBuffer: 64 * 1024 * 1024 },
  );
  return JSON.parse(stdout.slice(stdout.lastIndexOf("\n{") + 1)) as Caught;
}

function line({ name }: Mutant, { seeds, violation }: Caught): string {
  const how = violation.split("\n")[0]!.slice(0, 100);
  return `${name.padEnd(34)} ${(seeds === null ? "NOT CAUGHT" : String(seeds)).padStart(5)}  ${how}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      mutant: { type: "string" },
      seeds: { type: "string", default: "3000" },
      seek: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const seeds = Number(values.seeds);
  if (values.seek) {
    process.stdout.write(`\n${JSON.stringify(await seek(seeds))}\n`);
    return 0;
  }
  const wanted = mutants.filter(({ name }) => (values.mutant ?? name) === name);
  if (wanted.length === 0) throw new Error(`there is no mutant ${values.mutant}`);
  process.stdout.write(`${"mutant".padEnd(34)} seeds  what caught it\n`);
  const queue = [...wanted];
  let missed = 0;
  const workers = Array.from({ length: availableParallelism() }, async () => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const result = await caught(mutant, seeds);
      if (result.seeds === null) missed++;
      process.stdout.write(`${line(mutant, result)}\n`);
    }
  });
  await Promise.all(workers);
  process.stdout.write(`\n${wanted.length} mutants, ${missed} not caught\n`);
  return missed === 0 ? 0 : 1;
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`sim:mutants: ${what}\n\n${usage}`);
    process.exitCode = 2;
  },
);
