import { expect, test } from "vitest";
import { Random } from "../../src/raft/random.ts";
import { type Act, FakeTable } from "../support/fake-group.ts";
import { EdgeUnderTest, problemIn } from "./edge-under-test.ts";
import { inVirtualTime } from "./virtual-time.ts";

const seeds = 150;
const clients = 3;
const writesOfEach = 4;
/** Small, so that outcomes leave the record while requests are still under way. */
const windowSize = 8;

const acts: readonly Act[] = [
  "leads",
  "leads",
  "leads",
  "follows",
  "follows 1",
  "follows 2",
  "follows 3",
  "follows 4",
  "is dead",
  "hangs",
  "drops",
  "is unsure",
  "applies, then breaks",
  "applies, then hangs",
  "applies, then is unsure",
  "hangs, and applies after 40 ms",
  "hangs, and applies after 400 ms",
  "hangs, and applies after 4000 ms",
  "refuses",
];

/** Clients, an edge and replicas that do anything; throws where an answer is untrue. */
async function walk(seed: number): Promise<string[]> {
  const random = new Random(seed);
  const pick = <T>(choices: readonly T[]): T => choices[random.between(0, choices.length - 1)]!;
  const table = new FakeTable(windowSize);
  const edge = new EdgeUnderTest({ table });
  const answers: string[] = [];
  const checks: (() => void)[] = [];
  edge.group.choose = () => {
    // Others write as well.
    table.pass(pick([0, 0, 1, 3, 20]));
    return pick(acts);
  };

  const write = async (value: string): Promise<void> => {
    const isPut = random.between(1, 4) > 1;
    const query = `?timeout=${pick([50, 100, 333, 1000])}`;
    const path = `${pick(["", "/replicas/2"])}/keys/${value}${query}`;
    const body = isPut ? new TextEncoder().encode(value) : null;
    const response = await edge.send(isPut ? "PUT" : "DELETE", path, { body });
    const revision = Number(response.headers.get("KV-Revision"));
    const problem = response.status < 400 ? null : await problemIn(response);
    answers.push(problem === null ? String(response.status) : problem.outcome);
    // Looked at when all is over: what was under way may take effect until then.
    checks.push(() => {
      const ids = edge.group.calls.flatMap(({ request }) =>
        request.type !== "get" && request.key === value ? [request.requestId] : [],
      );
      expect(new Set(ids).size, "a request has one id").toBeLessThanOrEqual(1);
      const effects = table.effects.get(ids[0] ?? "") ?? 0;
      expect(effects, "a request takes effect once").toBeLessThanOrEqual(1);
      if (response.status < 300) expect(effects, "what is acknowledged happened").toBe(1);
      if (response.status < 300 && isPut) {
        expect(table.rows.get(value)?.modRevision, "with this revision").toBe(revision);
      }
      const nothing = response.status === 307 || problem?.outcome === "not_applied";
      if (nothing) expect(effects, "what was not applied did not happen").toBe(0);
    });
  };
  const client = async (name: number): Promise<void> => {
    for (let i = 0; i < writesOfEach; i++) await write(`${name}-${i}`);
  };
  await inVirtualTime(() => Promise.all(Array.from({ length: clients }, (_, i) => client(i))));
  for (const check of checks) check();
  return answers;
}

test("whatever replicas do, a write takes effect once, and its answer is true", async () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed++) {
    const answers = await walk(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error });
    });
    for (const answer of answers) seen.set(answer, (seen.get(answer) ?? 0) + 1);
  }
  // A walk on which nothing ever goes well, or wrong, would show nothing.
  const kinds = ["201", "204", "307", "not_applied", "unknown"];
  for (const kind of kinds) expect(seen.get(kind), kind).toBeGreaterThan(seeds / 10);
});
