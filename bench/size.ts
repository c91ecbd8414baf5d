/**
 * What reads cost in a namespace of 1,000 keys and in one of 100,000, on a local cluster: medians of the same
 * requests in turn, and the ratio between the two. `node bench/size.ts [keys of the larger one]`.
 */
import { startCluster } from "../src/cluster/start.ts";

const larger = Number(process.argv[2] ?? 100_000);
const rounds = 300;
const cluster = await startCluster({ replicas: 3 });

/** Fills a namespace: a hundred keys to be looked at, in the middle of the others. */
async function fill(namespace: string, count: number): Promise<void> {
  const nameOf = (i: number): string =>
    i < 100 ? `m/${String(i).padStart(3, "0")}` : `${i % 2 === 0 ? "a" : "z"}/${i}`;
  for (let from = 0; from < count; from += 8 * 128) {
    const batches = Array.from({ length: 8 }, (_, b) => from + b * 128);
    await Promise.all(
      batches.map(async (begin) => {
        const size = Math.max(0, Math.min(128, count - begin));
        const then = Array.from({ length: size }, (_, i) => ({
          op: "put",
          key: nameOf(begin + i),
          value: "v".repeat(100),
        }));
        if (then.length === 0) return;
        const response = await fetch(`${cluster.url}/v1/ns/${namespace}/txn`, {
          method: "POST",
          body: JSON.stringify({ then }),
        });
        if (response.status !== 200) throw new Error(await response.text());
      }),
    );
  }
}

const reads = {
  "a point read": "keys/m/050",
  "a page of a list": "keys?prefix=m/&limit=50",
  "a page from the middle of all": "keys?start=m&limit=50",
  "a prefix count": "keys?prefix=m/&count",
  "folded prefixes": "keys?delimiter=/",
  "many keys at once": null,
} as const;

const many = JSON.stringify({ keys: Array.from({ length: 20 }, (_, i) => `m/0${i + 10}`) });

async function time(namespace: string, path: string | null): Promise<number> {
  const url = `${cluster.url}/v1/ns/${namespace}/${path ?? "get"}`;
  const startMs = performance.now();
  const response = await fetch(url, path === null ? { method: "POST", body: many } : {});
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
  return performance.now() - startMs;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

try {
  await fill("small", 1000);
  await fill("large", larger);
  console.log(`median ms of ${rounds} requests in turn, with 1,000 keys and with ${larger}`);
  for (const [name, path] of Object.entries(reads)) {
    const taken: Record<"small" | "large", number[]> = { small: [], large: [] };
    for (let i = 0; i < rounds + 20; i++) {
      for (const namespace of ["small", "large"] as const) {
        const ms = await time(namespace, path);
        if (i >= 20) taken[namespace].push(ms);
      }
    }
    const [small, large] = [median(taken.small), median(taken.large)];
    const ratio = (large / small).toFixed(2);
    console.log(`${name.padEnd(32)} ${small.toFixed(2)}  ${large.toFixed(2)}  ratio ${ratio}`);
  }
} finally {
  await cluster.stop();
}
