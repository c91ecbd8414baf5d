/**
 * Replays test/scenarios: each file is a story, its commands, and what must come of them, compared
 * whole. `vitest -u` writes the outputs anew; read every line of the difference before keeping it.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { play } from "../support/scenario.ts";

const folder = join(import.meta.dirname, "..", "scenarios");
const files = readdirSync(folder).filter((name) => name.endsWith(".txt"));

test.each(files)("%s goes as it is written", async (name) => {
  const path = join(folder, name);
  await expect(play(readFileSync(path, "utf8"))).toMatchFileSnapshot(path);
});

test("an unknown command is an error", () => {
  expect(() => play("cluster n1\n\nfrobnicate n1\n")).toThrow("unknown command: frobnicate n1");
});
