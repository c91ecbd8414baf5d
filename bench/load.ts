import type { Cluster } from "../src/cluster/start.ts";

/** Keys that all load is spread over. */
const keys = 1000;
/** Requests under way at a time. */
const concurrency = 32;

/** Makes that many puts of 100 bytes. Returns how long they took, in ms. */
export async function putMany({ url }: Cluster, count: number): Promise<number> {
  const startMs = performance.now();
  let next = 0;
  const one = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      let isPut = false;
      // On a busy machine there may be an election now and then.
      for (let attempt = 0; attempt < 10 && !isPut; attempt++) {
        const response = await fetch(`${url}/v1/ns/default/keys/k${n % keys}`, {
          method: "PUT",
          body: String(n).padStart(100, "."),
        });
        await response.arrayBuffer();
        isPut = response.ok;
      }
      if (!isPut) throw new Error(`put ${n} failed ten times`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return performance.now() - startMs;
}

/** Reads until one succeeds. Returns how long that took, in ms. */
export async function firstRead({ url }: Cluster): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    const response = await fetch(`${url}/v1/ns/default/keys/k1`);
    await response.arrayBuffer();
    if (response.ok) return performance.now() - startMs;
  }
}
