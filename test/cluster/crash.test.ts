import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StoreClient, Writer, isWritten, missing } from "../support/store-client.ts";

/** `npm start` as a user has it: a process of its own. */
class LocalProcess {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static async start(state: string): Promise<LocalProcess> {
    const main = join(import.meta.dirname, "../../src/cluster/main.ts");
    const child = spawn(process.execPath, [main, "--port", "0", "--state", state], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const url = await new Promise<string>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        output += chunk.toString();
        const found = /on (http:\S+), ready/.exec(output)?.[1];
        if (found !== undefined) resolve(found);
      };
      child.stdout.on("data", take);
      child.stderr.on("data", take);
      child.on("exit", () => reject(new Error(`ended before it was ready:\n${output}`)));
    });
    return new LocalProcess(child, url);
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    return new Promise((resolve) => {
      this.#child.on("exit", (code) => resolve(code));
      this.#child.kill(signal);
    });
  }
}

let state: string;

beforeAll(async () => {
  state = await mkdtemp(join(tmpdir(), "quorumkv-crash-"));
});

afterAll(() => rm(state, { recursive: true, force: true }));

test("kill -9 amid writes, start again: every acknowledged put is there", async () => {
  const acknowledged = new Map<string, string>();
  for (let round = 1; round <= 3; round++) {
    const local = await LocalProcess.start(state);
    const client = new StoreClient(local.url);
    expect(await missing(client, acknowledged)).toEqual([]);
    const writers = [1, 2, 3].map((n) => new Writer(client, `crash-${round}-${n}`).start());
    await Promise.all(writers.map((writer) => writer.progress(30, 10_000)));
    await local.end("SIGKILL");
    await Promise.all(writers.map((writer) => writer.stop()));
    for (const writer of writers) {
      for (const [key, value] of writer.acknowledged) acknowledged.set(key, value);
    }
  }
  const local = await LocalProcess.start(state);
  const client = new StoreClient(local.url);
  expect(await missing(client, acknowledged)).toEqual([]);
  expect(isWritten(await client.put("after", "all is well"))).toBe(true);

  const second = LocalProcess.start(state);
  await expect(second).rejects.toThrow(/is in use by process/);
  expect(await local.end("SIGINT")).toBe(0);

  const again = await LocalProcess.start(state);
  expect((await new StoreClient(again.url).get("after")).body).toBe("all is well");
  expect(await again.end("SIGTERM")).toBe(0);
});
