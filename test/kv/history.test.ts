import { expect, test } from "vitest";
import type { ClientCommand } from "../../src/kv/command.ts";
import { allKeys } from "../../src/kv/key-range.ts";
import { readableFrom } from "../../src/kv/history.ts";
import { MachineBench, utf8 } from "../support/machine-bench.ts";

type Draft = ClientCommand extends infer C
  ? C extends ClientCommand
    ? Omit<C, "requestId" | "floor">
    : never
  : never;

/** A state machine that keeps what is replaced for a second. */
class HistoryBench {
  readonly machine = new MachineBench();
  nowMs = 1_000_000;
  #count = 0;

  constructor() {
    this.run({ type: "retain", keepMs: 1000 });
  }

  run(...drafts: Draft[]): void {
    const { sequence: floor } = this.machine.state;
    const commands: ClientCommand[] = [];
    for (const draft of drafts) {
      commands.push({ ...draft, requestId: `r${this.#count++}`, floor });
    }
    this.machine.apply({ type: "tick", nowMs: this.nowMs }, ...commands);
  }

  put(...keys: string[]): void {
    this.run(
      ...keys.map((key): Draft => ({ type: "put", key, value: utf8("x"), contentType: null })),
    );
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.machine.apply({ type: "tick", nowMs: this.nowMs });
  }

  get from(): number | null {
    return readableFrom(this.machine.state.retention);
  }
}

test("What has been replaced can be read for as long as was said, and no longer", () => {
  const bench = new HistoryBench();
  bench.put("a");
  bench.put("a");
  bench.pass(500);
  bench.put("a");
  expect(bench.from).toBe(0);
  bench.pass(500);
  expect(bench.from).toBe(2);
  bench.pass(499);
  expect(bench.from).toBe(2);
  bench.pass(1);
  expect(bench.from).toBe(3);
});

test("A revision that replaced more than any other goes as well, and what comes after it", () => {
  const bench = new HistoryBench();
  const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);
  bench.put(...keys);
  bench.run({ type: "deleteRange", range: allKeys, limit: 1000 });
  const { revision } = bench.machine.state;
  bench.put("a");
  bench.put("a");
  bench.pass(1000);
  bench.pass(0);
  expect(bench.from).toBe(revision + 2);
});

test("What is not to be kept any more goes, a part at a time, and then nothing needs to know the time", () => {
  const bench = new HistoryBench();
  for (let i = 0; i < 2000; i++) bench.put("a");
  bench.run({ type: "retain", keepMs: null });
  expect(bench.from).toBeNull();
  expect(bench.machine.machine.wantsTime).toBe(true);
  bench.pass(0);
  bench.pass(0);
  expect(bench.machine.state.retention).toBeNull();
  expect(bench.machine.machine.wantsTime).toBe(false);
});

test("A large value stays as long as the history of its key, and is gone some minutes later", () => {
  const bench = new HistoryBench();
  bench.run({ type: "stage", upload: "u", part: 0, data: utf8("large") });
  bench.run({
    type: "put",
    key: "a",
    value: new Uint8Array(),
    contentType: null,
    large: { upload: "u", size: 5 },
  });
  bench.put("a");
  expect(bench.machine.machine.dueMs).toBeNull();
  bench.pass(1000);
  // Whoever has just started knows of it as well as who has been there all the time.
  expect(bench.machine.machine.dueMs).toBe(bench.nowMs);
  bench.pass(0);
  expect(bench.machine.machine.dueMs).toBe(bench.nowMs + 300_000);
});
