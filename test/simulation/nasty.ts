import { Random } from "../../src/raft/random.ts";
import { planOf, run } from "./run.ts";
import type { Weather } from "./weather.ts";

const first = Number(process.argv[2] ?? 1);
const count = Number(process.argv[3] ?? 1000);
const kind = process.argv[4] ?? "a";
const one = process.argv[5] === "trace";

export function nastyPlan(seed: number, how: string) {
  const plan = planOf(seed);
  const r = new Random(seed * 7 + 3);
  const among = (...v: readonly number[]): number => v[r.between(0, v.length - 1)]!;
  const weather: Record<string, number> = { ...plan.weather };
  weather["membersEveryMs"] = among(30, 50, 100, 200);
  weather["corruptEveryMs"] = 0;
  if (how === "a" || how === "b") {
    weather["crashEveryMs"] = among(20, 50, 100, 300, 0);
    weather["zombies"] = among(0, 500, 1000);
    weather["allAtOnce"] = among(0, 20, 300);
    weather["lostRequests"] = among(0, 0, 100, 300);
    weather["lostAnswers"] = among(0, 0, 100, 300);
    weather["doubledRequests"] = among(0, 0, 300);
    weather["replayMs"] = among(100, 1000, 10000);
    weather["cutEveryMs"] = among(0, 50, 200, 500);
    weather["transferEveryMs"] = among(0, 0, 50, 300);
    weather["lullEveryMs"] = among(0, 0, 300);
    weather["pauseEveryMs"] = among(0, 0, 300);
    weather["diskMs"] = among(3, 3, 20, 60);
    weather["lateMessages"] = among(0, 0, 100);
  }
  const replicas = how === "b" ? among(1, 2, 3, 4) : plan.replicas;
  return { ...plan, replicas, ms: among(1000, 2000, 4000, 8000), weather: weather as Weather };
}

let bad = 0;
const t0 = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const outcome = await run(
    nastyPlan(seed, kind),
    one ? (line) => void process.stdout.write(line + "\n") : undefined,
  );
  if (outcome.violation !== null) {
    bad++;
    process.stdout.write(
      `${kind} ${seed} ${outcome.violation.message.split("\n").slice(0, 12).join(" | ").slice(0, 900)}\n`,
    );
    if (bad > 25) break;
  }
}
process.stdout.write(
  `${kind}: ${count} from ${first}, ${bad} bad, ${((performance.now() - t0) / 1000).toFixed(0)} s\n`,
);
