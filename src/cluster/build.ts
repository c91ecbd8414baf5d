import { join } from "node:path";
import { build } from "esbuild";

/** The local Worker as one ES module: the deployed code with the faults around it. */
export async function buildLocalWorker(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "local-worker.ts")],
    bundle: true,
    format: "esm",
    target: "es2024",
    external: ["cloudflare:*"],
    sourcemap: "inline",
    write: false,
  });
  return outputFiles[0]!.text;
}
