import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type Plugin, build } from "esbuild";
import { type Mutant, mutate } from "../mutants/mutant.ts";

const root = join(import.meta.dirname, "../..");

/** The deployed Worker as one ES module, or one with a known mistake in it. */
export async function bundleWorker(mutant: Mutant | null): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, "src/worker.ts")],
    bundle: true,
    format: "esm",
    target: "es2024",
    external: ["cloudflare:*"],
    write: false,
    plugins: mutant === null ? [] : [mutation(mutant)],
  });
  return outputFiles[0]!.text;
}

const mutation = (mutant: Mutant): Plugin => ({
  name: "mutation",
  setup(esbuild) {
    esbuild.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (relative(root, path) !== mutant.file) return undefined;
      return { contents: mutate(mutant, readFileSync(path, "utf8")), loader: "ts" };
    });
  },
});
