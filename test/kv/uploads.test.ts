import { describe, expect, test } from "vitest";
import { type ClientCommand, type Command, partBytes } from "../../src/kv/command.ts";
import type { CommandResult } from "../../src/kv/result.ts";
import { maxStaging, retiredMs, stagingMs } from "../../src/kv/uploads.ts";
import { MachineBench } from "../support/machine-bench.ts";

type Draft = ClientCommand extends infer C
  ? C extends unknown
    ? Omit<C, "requestId" | "floor">
    : never
  : never;

/** A state machine that large values are put into. */
class UploadBench {
  readonly machine = new MachineBench();
  nowMs = 1_000_000;
  #count = 0;

  /** Carries a command out, at this time. */
  run(draft: Draft): CommandResult {
    const { sequence: floor } = this.machine.state;
    const command = { ...draft, requestId: `r${this.#count++}`, floor } as ClientCommand;
    return this.machine.apply(this.#tick(), command)[0]!;
  }

  /** Lets time pass, and what is due go, however much it is. */
  pass(ms: number): void {
    this.nowMs += ms;
    do this.machine.apply(this.#tick());
    while ((this.machine.machine.dueMs ?? Number.POSITIVE_INFINITY) <= this.nowMs);
  }

  stage(upload: string, part: number, data = whole): CommandResult {
    return this.run({ type: "stage", upload, part, data });
  }

  put(key: string, upload: string, size: number, condition = {}): CommandResult {
    const large = { upload, size };
    return this.run({
      type: "put",
      key,
      value: new Uint8Array(),
      contentType: null,
      large,
      ...condition,
    });
  }

  /** Stages a value of two parts, and puts it. */
  putLarge(key: string, upload: string): CommandResult {
    this.stage(upload, 0);
    this.stage(upload, 1, Uint8Array.of(1, 2, 3));
    return this.put(key, upload, size);
  }

  #tick(): Command {
    return { type: "tick", nowMs: this.nowMs };
  }
}

const whole = new Uint8Array(partBytes).fill(7);
const size = partBytes + 3;

describe("A large value", () => {
  test("is put when all of its parts are here, in whatever order they came", () => {
    const bench = new UploadBench();
    bench.stage("u", 1, Uint8Array.of(1, 2, 3));
    bench.stage("u", 0);
    expect(bench.put("a", "u", size)).toMatchObject({ type: "put", created: true, revision: 1 });
    expect(bench.machine.row("a")).toMatchObject({ large: { upload: "u", size } });
  });

  test.each([
    ["a part is missing", ["u"], size],
    ["it is not as long as was said", ["u", "u"], size - 1],
    ["nothing of it is here", [], size],
  ])("is not put when %s", (_, parts, said) => {
    const bench = new UploadBench();
    parts.forEach((upload, part) =>
      bench.stage(upload, part, part === 0 ? whole : Uint8Array.of(1, 2, 3)),
    );
    expect(bench.put("a", "u", said)).toEqual({ type: "refused", reason: "no_upload", at: null });
    expect(bench.machine.row("a")).toBeNull();
  });

  test("leaves nothing behind when its put does not come within a minute of the last part", () => {
    const bench = new UploadBench();
    bench.stage("u", 0);
    bench.pass(stagingMs - 1);
    bench.stage("u", 1, Uint8Array.of(1, 2, 3));
    bench.pass(stagingMs - 1);
    expect(bench.machine.machine.dueMs).toBe(bench.nowMs + 1);
    bench.pass(1);
    expect(bench.machine.machine.dueMs).toBeNull();
    expect(bench.put("a", "u", size)).toMatchObject({ reason: "no_upload" });
  });

  test("leaves nothing behind when its put is not made", () => {
    const bench = new UploadBench();
    bench.stage("u", 0);
    bench.stage("u", 1, Uint8Array.of(1, 2, 3));
    const condition = { condition: { type: "exists" } } as const;
    expect(bench.put("a", "u", size, condition)).toMatchObject({ type: "mismatch" });
    expect(bench.machine.machine.dueMs).toBeNull();
  });

  test("can be read for some minutes after it has been replaced, and goes then", () => {
    const bench = new UploadBench();
    bench.putLarge("a", "u");
    expect(bench.machine.machine.dueMs).toBeNull();
    bench.run({ type: "delete", key: "a" });
    bench.pass(0);
    expect(bench.machine.machine.dueMs).toBe(bench.nowMs + retiredMs);
    bench.pass(retiredMs);
    expect(bench.machine.machine.dueMs).toBeNull();
  });

  test("of another one's name is refused while that is there", () => {
    const bench = new UploadBench();
    bench.putLarge("a", "u");
    expect(bench.stage("u", 0)).toMatchObject({ type: "refused", reason: "no_upload" });
  });

  test("is as good after a restart", () => {
    const bench = new UploadBench();
    bench.putLarge("a", "u");
    bench.machine.restart();
    expect(bench.machine.row("a")).toMatchObject({ large: { upload: "u", size } });
    bench.run({ type: "delete", key: "a" });
    bench.pass(retiredMs);
    bench.pass(retiredMs);
    expect(bench.machine.machine.dueMs).toBeNull();
  });

  test("equals no value that a condition names, and is not counted up", () => {
    const bench = new UploadBench();
    bench.putLarge("a", "u");
    const condition = { type: "value", value: new Uint8Array() } as const;
    expect(bench.run({ type: "delete", key: "a", condition })).toMatchObject({ type: "mismatch" });
    const count = { type: "increment", key: "a", by: 1 } as const;
    expect(bench.run({ type: "transaction", if: [], then: [count], else: [] })).toMatchObject({
      reason: "not_a_number",
    });
  });
});

describe("Large values on their way in", () => {
  test("are so many at most", () => {
    const bench = new UploadBench();
    const tiny = Uint8Array.of(1);
    for (let i = 0; i < maxStaging.count; i++) {
      expect(bench.stage(`u${i}`, 0, tiny)).toEqual({ type: "staged" });
    }
    expect(bench.stage("one more", 0, tiny)).toMatchObject({ reason: "too_many_uploads" });
    // Those that are there may go on, and make room.
    expect(bench.stage("u0", 1, tiny)).toEqual({ type: "staged" });
    bench.pass(stagingMs);
    expect(bench.stage("one more", 0, tiny)).toEqual({ type: "staged" });
  });

  test("have so many bytes at most", () => {
    const bench = new UploadBench();
    const parts = maxStaging.bytes / partBytes / 32;
    for (let i = 0; i < 32; i++)
      for (let part = 0; part < parts; part++) bench.stage(`u${i}`, part);
    expect(bench.stage("one more", 0)).toMatchObject({ reason: "too_many_uploads" });
  });
});
