import { describe, expect, test } from "vitest";
import type { PutCommand } from "../../src/kv/command.ts";
import { windowSize } from "../../src/kv/request-window.ts";
import { Random } from "../../src/raft/random.ts";
import { MachineBench, describeResult, utf8 } from "../support/machine-bench.ts";

/** Requests that are under way at once: sent once or more, some attempts late, some lost. */
const clients = 40;
const rounds = 180;

/**
 * The argument in request-window.ts, put to the test: a request's floor is never above the sequence
 * at which it was first sent. Each request writes a key of its own, so a version above 1 is a
 * second effect.
 */
describe.each([1, 2])("Random duplicates, seed %i:", (seed) => {
  test(
    "nothing takes effect twice, and restarts at any point change no answer",
    { timeout: 30_000 },
    () => {
      const random = new Random(seed);
      const steady = new MachineBench();
      const restarted = new MachineBench();
      const attempts: PutCommand[] = [];
      const answers = new Map<string, string>();
      const seen = { duplicates: 0, expired: 0, forgotten: 0 };
      let requests = 0;

      for (let round = 0; round < rounds; round++) {
        do attempts.push(newRequest(`${requests++}`));
        while (attempts.length < clients);
        // Half of the new ones take effect at once, at the very next number after their floor.
        const first = random.between(0, 1) === 0 ? [attempts.at(-1)!] : [];
        const turn = [first, ...turnOf(random.between(1, 4))];
        const [results, same] = [steady.applyEntries(turn), restarted.applyEntries(turn)];
        expect(same).toEqual(results);
        turn.flat().forEach((command, i) => check(command, describeResult(results[i]!)));
        // Small steps, so that attempts come to the window's edge one by one; and a few times almost
        // the whole window at once.
        const gap = round % 60 === 1 ? windowSize - random.between(0, 20) : random.between(0, 2);
        for (const bench of [steady, restarted]) bench.fill(gap);
        if (random.between(0, 9) === 0) restarted.restart();
        expect(restarted.state).toEqual(steady.state);
      }
      expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(0);

      function newRequest(requestId: string): PutCommand {
        const { sequence } = steady.state;
        // An edge has seen some number at some time. Floors at exactly the window's edge are the
        // interesting ones.
        const age = [0, random.between(0, 3), windowSize - random.between(0, 3), windowSize * 2];
        const floor = Math.max(0, sequence - age[random.between(0, 3)]!);
        return {
          type: "put",
          requestId,
          floor,
          key: requestId,
          value: utf8("v"),
          contentType: null,
        };
      }

      function turnOf(entries: number): PutCommand[][] {
        return Array.from({ length: entries }, () =>
          Array.from({ length: random.between(0, 3) }, () => {
            const newest = attempts.length - 1;
            const at = [newest, nearestToEdge(), random.between(0, newest)][random.between(0, 2)]!;
            const [command] = attempts.slice(at, at + 1);
            // Most requests are sent again some time; a request is given up at last.
            if (random.between(0, 3) === 0) attempts.splice(at, 1);
            return command;
          }).flatMap((command) => command ?? []),
        );
      }

      /** The attempt that is next to expire, or has just done so. */
      function nearestToEdge(): number {
        const edge = steady.state.sequence - windowSize - random.between(0, 1);
        const distances = attempts.map(({ floor }) => Math.abs(floor - edge));
        return distances.indexOf(Math.min(...distances));
      }

      function check({ requestId, key }: PutCommand, answer: string): void {
        expect(steady.row(key)?.version ?? 0, `effects of request ${requestId}`).toBeLessThan(2);
        const before = answers.get(requestId);
        if (answer === "expired") {
          seen.expired++;
          if (before !== undefined) seen.forgotten++;
          return;
        }
        if (before !== undefined) {
          seen.duplicates++;
          expect(answer).toBe(before);
        }
        answers.set(requestId, answer);
      }
    },
  );
});
