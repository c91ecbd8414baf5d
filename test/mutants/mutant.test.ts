import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mutate } from "./mutant.ts";
import { mutants } from "./mutants.ts";

const read = (file: string): string =>
  readFileSync(join(import.meta.dirname, "../..", file), "utf8");

test.each(mutants)("Mutant $name still has its place in the code", (mutant) => {
  expect(mutate(mutant, read(mutant.file))).not.toBe(read(mutant.file));
});

test("There are no two mutants of one name", () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
});
