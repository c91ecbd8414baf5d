/**
 * Shows that what a restart takes, and what a replica stores, depends on how much data there is and
 * not on how much was ever written: `npm run bench:history`.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "../src/cluster/start.ts";
import { firstRead, putMany } from "./load.ts";

const counts = process.argv.slice(2).map(Number);
if (counts.length === 0) counts.push(1000, 10_000, 100_000);

/** Bytes of all replicas' databases. */
function storedBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

const columns = ["puts", "stored, all replicas", "log, a replica", "restart to first read"];
process.stdout.write(`${columns.map((name) => name.padStart(22)).join("")}\n`);
for (const count of counts) {
  const state = mkdtempSync(join(tmpdir(), "quorumkv-bench-"));
  try {
    const first = await startCluster({ state });
    await putMany(first, count);
    await first.stop();
    const again = await startCluster({ state });
    const readMs = await firstRead(again);
    const { replicas } = await again.status();
    const logBytes = Math.max(...replicas.map((replica) => replica.logBytes ?? 0));
    await again.stop();
    const cells = [
      String(count),
      `${(storedBytes(state) / 1e6).toFixed(1)} MB`,
      `${(logBytes / 1e6).toFixed(1)} MB`,
      `${readMs.toFixed(0)} ms`,
    ];
    process.stdout.write(`${cells.map((cell) => cell.padStart(22)).join("")}\n`);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}
