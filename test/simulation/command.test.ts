import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

interface Ended {
  readonly code: number;
  readonly output: string;
}

const hooks = join(import.meta.dirname, "../mutants/hooks.ts");

/** Runs `npm run sim` with these options, perhaps on a mutant. */
function sim(options: string, mutant?: string): Promise<Ended> {
  const main = join(import.meta.dirname, "main.ts");
  const preload = mutant === undefined ? [] : ["--import", hooks];
  const env = { ...process.env, ...(mutant === undefined ? {} : { MUTANT: mutant }) };
  return new Promise((resolve) => {
    const args = [...preload, main, ...options.split(" ")];
    execFile(process.execPath, args, { env, maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

test("A failing seed is shrunk, and printed with the command that replays it", async () => {
  const mutant = "two-votes-a-term";
  const { code, output } = await sim("--runs 40", mutant);
  expect(code).toBe(1);
  const replays = [...output.matchAll(/^Replay it: {2}npm run sim -- (.+)$/gm)];
  const worlds = [...output.matchAll(/^\d+ events .*VIOLATION (.+)$/gm)];
  expect(replays.length, output).toBe(2);
  expect(worlds.length).toBe(2);
  const [original, smaller] = replays.map(([, options]) => options!);
  expect(smaller!.length).toBeGreaterThan(original!.length);

  const again = await sim(smaller!, mutant);
  expect(again.code).toBe(1);
  expect(again.output).toContain(worlds[1]![1]!);
  // The same world without the mistake is fine.
  expect((await sim(smaller!.replace(" --trace", ""))).code).toBe(0);
});

test.each([
  ["--runs many", "--runs must be a number, not many"],
  ["--seed -1", "--seed"],
  ["--without rain", "there is no fault rain; there are lostRequests,"],
])("%s is refused with what to do", async (options, reason) => {
  const { code, output } = await sim(options);
  expect(code).toBe(2);
  expect(output).toContain(reason);
  expect(output).toContain("Usage: npm run sim");
});
