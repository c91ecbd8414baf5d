import { expect, test } from "vitest";
import { startCluster } from "../../src/cluster/start.ts";
import { settled } from "../support/cluster-status.ts";
import { StoreClient, Writer, isWritten, missing } from "../support/store-client.ts";

interface Members {
  readonly id: string;
  readonly done: boolean;
  readonly members: readonly { readonly id: string; readonly role: string }[];
}

/** Changes the members and waits until that is over. */
async function change(client: StoreClient, method: string, path: string, body?: object) {
  const answer = await client.send(
    method,
    `/cluster/members${path}`,
    body === undefined ? undefined : JSON.stringify(body),
  );
  expect([200, 201], answer.body).toContain(answer.status);
  const result = JSON.parse(answer.body) as Members;
  expect(result.done).toBe(true);
  return result;
}

const idsOf = ({ members }: Members): string => members.map(({ id }) => id).join(" ");

/** Longer than a write may wait for an election of a local cluster on a busy machine. */
const electionMs = 2000;

test("a group grows, shrinks, and has every replica replaced, and no write is lost", async () => {
  const cluster = await startCluster();
  try {
    const client = new StoreClient(cluster.url);
    expect(isWritten(await client.put("first", "1"))).toBe(true);
    const writers = [1, 2, 3].map((n) => new Writer(client, `members-${n}`).start());
    const steps: readonly [string, string, object | undefined, string][] = [
      ["POST", "", { region: "local" }, "1 2 3 4"],
      ["POST", "", { region: "local" }, "1 2 3 4 5"],
      ["DELETE", "/4", undefined, "1 2 3 5"],
      ["DELETE", "/2", undefined, "1 3 5"],
      ["POST", "", { replaces: "1" }, "3 5 6"],
      ["POST", "", { replaces: "3" }, "5 6 7"],
      ["POST", "", { replaces: "5" }, "6 7 8"],
    ];
    for (const [method, path, body, ids] of steps) {
      await Promise.all(writers.map((writer) => writer.progress(5, 10_000)));
      expect(idsOf(await change(client, method, path, body))).toBe(ids);
    }
    await Promise.all(writers.map((writer) => writer.progress(5, 10_000)));
    await Promise.all(writers.map((writer) => writer.stop()));
    for (const { acknowledged, refusals, longestGapMs } of writers) {
      expect(refusals).toEqual([]);
      expect(await missing(client, acknowledged)).toEqual([]);
      expect(longestGapMs).toBeLessThan(electionMs);
    }
    const { replicas } = await settled(cluster, 5000);
    expect(replicas.map(({ id }) => id)).toEqual(["6", "7", "8"]);
  } finally {
    await cluster.stop();
  }
});
