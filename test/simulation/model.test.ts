import { expect, test } from "vitest";
import { isWrite } from "../../src/edge/forward.ts";
import type { ClientCommand, Command, TickCommand } from "../../src/kv/command.ts";
import { Random } from "../../src/raft/random.ts";
import { Drafts } from "./drafts.ts";
import { Hearsay } from "./hearsay.ts";
import { Pair } from "./pair.ts";
import { Sightings } from "./sometimes.ts";

/** Applies what clients may want, again and again, on both. Returns what was come across. */
function walk(seed: number): Sightings {
  const random = new Random(seed);
  const hearsay = new Hearsay();
  // In some windows no more fits than a few entries.
  const pair = new Pair([10, 100, 32_768][seed % 3]);
  let nowMs = 1000;
  const clock = (): number => nowMs;
  const drafts = new Drafts({ name: "c", random, hearsay, nowMs: clock, groupMs: clock });
  const asked: ClientCommand[] = [];
  const draw = (): ClientCommand => {
    const isAgain = asked.length > 0 && random.between(0, 3) === 0;
    if (isAgain) return asked[random.between(Math.max(0, asked.length - 8), asked.length - 1)]!;
    let draft = drafts.next();
    while (!isWrite(draft)) draft = drafts.next();
    hearsay.asked(draft);
    const floor = Math.max(0, pair.sequence - random.between(0, 12));
    asked.push({ ...draft, requestId: `r${asked.length}`, floor });
    return asked.at(-1)!;
  };
  for (let n = 0; n < 400; n++) {
    nowMs += random.between(0, random.between(0, 9) === 0 ? 2000 : 50);
    // Leaders' clocks are not always the same.
    const tick: TickCommand = { type: "tick", nowMs: nowMs - random.between(0, 30) };
    const commands = Array.from({ length: random.between(1, 3) }, draw);
    const results = pair.apply(random.between(0, 2) === 0 ? commands : [tick, ...commands]);
    commands.forEach((command, i) => hearsay.told(command, results[i]!));
  }
  return pair.seen;
}

test("The model and the state machine come to the same, whatever is asked for", () => {
  const seen = new Sightings();
  for (let seed = 1; seed <= 15; seed++) seen.add(walk(seed).counts);
  const { counts } = seen;
  expect(counts["repeated transaction without a value"]).toBeGreaterThan(10);
  expect(counts["name stands for an outcome"]).toBeGreaterThan(10);
  expect(counts["lease ended with its keys"]).toBeGreaterThan(10);
  expect(counts["request that came too late"]).toBeGreaterThan(10);
});

test.each([1, 2, 3, 4])(
  "What is due goes 256 at a time, in one order for both, seed %i",
  (seed) => {
    const random = new Random(seed);
    const pair = new Pair();
    const value = new Uint8Array();
    let sequence = 0;
    const ask = (command: object): Command =>
      ({ requestId: `r${++sequence}`, floor: 0, ...command }) as Command;
    pair.apply([{ type: "tick", nowMs: 1000 }]);
    pair.apply([1, 2, 3].map(() => ask({ type: "grant", ttlMs: random.between(1, 3) })));
    const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);
    const puts = keys.map((key) => {
      const lease = random.between(1, 6);
      const expiry =
        lease <= 3
          ? { type: "lease", lease: String(lease) }
          : { type: "at", expiresMs: random.between(1000, 1003) };
      return ask({ type: "put", key, value, contentType: null, expiry });
    });
    pair.apply(puts);
    let ticks = 0;
    for (; pair.model.holdings.rows.size > 0; ticks++) {
      const wanted = keys.filter(() => random.between(0, 99) === 0);
      const more = random.between(0, 1) === 0 ? { keys: wanted } : {};
      // A lease that is half gone can be revoked or kept alive no more.
      const lease = String(random.between(1, 3));
      pair.apply([
        { type: "tick", nowMs: 1003, ...more },
        ask({ type: "keepAlive", lease }),
        ask({ type: "revoke", lease }),
      ]);
    }
    expect(ticks).toBeGreaterThan(2);
    expect(pair.model.holdings.leases.size).toBe(0);
  },
);
