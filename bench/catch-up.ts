/**
 * Shows that a follower which was away for many puts catches up while the leader is under load:
 * `npm run bench:catch-up`.
 */
import { startCluster } from "../src/cluster/start.ts";
import { putMany } from "./load.ts";

const missed = Number(process.argv[2] ?? 50_000);
const cluster = await startCluster({ vars: { LOG_BYTES: "1048576" } });
try {
  await putMany(cluster, 1000);
  const { leader } = await cluster.status();
  const away = leader === "3" ? "2" : "3";
  const of = async (id: string) =>
    (await cluster.status()).replicas.find((replica) => replica.id === id)!;
  await cluster.kill(away);
  const missedMs = await putMany(cluster, missed);
  process.stdout.write(
    `${missed} puts without replica ${away}: ${(missedMs / 1000).toFixed(1)} s\n`,
  );

  const over = new AbortController();
  let puts = 0;
  const load = (async () => {
    for (; !over.signal.aborted; puts += 500) await putMany(cluster, 500);
  })();
  await cluster.restart(away);
  const startMs = performance.now();
  for (;;) {
    const [follower, leading] = [await of(away), await of(leader!)];
    const behind = (leading.commitIndex ?? 0) - (follower.lastApplied ?? 0);
    if (follower.lastApplied !== null && behind < 200) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const seconds = (performance.now() - startMs) / 1000;
  over.abort();
  await load;
  const { firstLogIndex, lastApplied } = await of(away);
  process.stdout.write(
    `caught up after ${seconds.toFixed(1)} s with ${puts} more puts under way; ` +
      `its log begins at ${firstLogIndex} and it has applied ${lastApplied}\n`,
  );
} finally {
  await cluster.stop();
}
