import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, startCluster } from "../../src/cluster/start.ts";
import { leaderOf, settled } from "../support/cluster-status.ts";
import { historyAfter } from "../support/event-source.ts";
import { eventually } from "../support/eventually.ts";
import { SureClient } from "../support/sure-client.ts";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 3 });
});

afterAll(() => cluster.stop());

/** Kills three leaders, one after another, as the work goes on; `part` says how much of it is done. */
async function killLeaders(work: Promise<unknown>, part: () => number): Promise<void> {
  // Who waits for it below learns of its failure.
  work.catch(() => {});
  for (const when of [0.2, 0.4, 0.6]) {
    await Promise.race([
      work,
      eventually("work goes on", () => part() >= when, { withinMs: 20_000 }),
    ]);
    const leader = await leaderOf(cluster);
    await cluster.kill(leader);
    await sleep(200);
    await cluster.restart(leader);
  }
  await work;
}

const clientsNamed = (kind: string, count: number): SureClient[] =>
  Array.from({ length: count }, (_, i) => new SureClient(cluster.url, `${kind} ${i}`));

test("Eight clients that compare and swap count right, whatever becomes of leaders", async () => {
  const total = 64;
  const path = "/keys/counter";
  let [counted, refused] = [0, 0];
  const work = async (client: SureClient): Promise<void> => {
    for (let done = 0; done < total / 8;) {
      const { status, body, headers } = await client.send("GET", path);
      const isThere = status === 200;
      const condition: Record<string, string> = isThere
        ? { "If-Match": headers.get("ETag")! }
        : { "If-None-Match": "*" };
      const next = isThere ? Number(body) + 1 : 1;
      const put = await client.send("PUT", path, { body: String(next), headers: condition });
      if (put.status === 412) refused++;
      else {
        expect([200, 201], put.body).toContain(put.status);
        done++;
        counted++;
      }
    }
  };
  const clients = clientsNamed("swap", 8);
  await killLeaders(Promise.all(clients.map(work)), () => counted / total);
  const { body, headers } = await clients[0]!.send("GET", path);
  expect(body).toBe(String(total));
  expect(headers.get("KV-Version")).toBe(String(total));
  // Each value was there, once, in order.
  const history = await historyAfter(`${cluster.url}/v1/ns/default/watch?key=counter`, 0);
  expect(history.map(({ value }) => value)).toEqual(
    Array.from({ length: total }, (_, i) => String(i + 1)),
  );
  expect(refused).toBeGreaterThan(0);
});

interface Lock {
  readonly token: number;
  readonly lease: string;
}

test("Four clients that take turns by a lock count right, though some believe too long to have it", async () => {
  const total = 20;
  const counterPath = "/keys/tally";
  /** Which token wrote which value, and whose did not get through. */
  const written: { readonly token: number; readonly value: number }[] = [];
  let late = 0;
  const work = async (client: SureClient, self: number): Promise<void> => {
    for (let done = 0, turn = 0; done < total / 4; turn++) {
      const locked = await client.send("POST", "/locks/tally-lock?ttl=1s&wait=5s", {
        body: `client ${self}`,
      });
      if (locked.status === 409) continue;
      expect(locked.status, locked.body).toBe(200);
      const { token } = JSON.parse(locked.body) as Lock;
      const { status, body } = await client.send("GET", counterPath);
      // Now and then one stands still, like a process that is stopped, until its lock has gone to another.
      if ((turn + self) % 5 === 0) await sleep(1500);
      const value = status === 200 ? Number(body) + 1 : 1;
      const transaction = {
        if: [{ key: "tally-lock", create_revision: token }],
        then: [{ op: "put", key: "tally", value: String(value) }],
      };
      const put = await client.send("POST", "/txn", { body: JSON.stringify(transaction) });
      expect([200, 412], put.body).toContain(put.status);
      if (put.status === 412) late++;
      else {
        written.push({ token, value });
        done++;
      }
      await client.send("DELETE", `/locks/tally-lock?token=${token}`);
    }
  };
  const clients = clientsNamed("turn", 4);
  const part = (): number => written.length / total;
  await killLeaders(Promise.all(clients.map((client, self) => work(client, self))), part);
  const { body } = await clients[0]!.send("GET", counterPath);
  expect(body).toBe(String(total));
  // Nobody wrote after somebody with a later token had.
  const inOrder = written.toSorted((a, b) => a.value - b.value);
  expect(inOrder.map(({ value }) => value)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
  expect(inOrder.map(({ token }) => token)).toEqual(
    inOrder.map(({ token }) => token).toSorted((a, b) => a - b),
  );
  expect(late).toBeGreaterThan(0);
  // One holder after the other, and who believed too long was not one any more.
  const history = await historyAfter(`${cluster.url}/v1/ns/default/watch?key=tally-lock`, 0);
  const kinds = history.map(({ type }) => type);
  kinds.forEach((type, i) => expect(type === "put", `${i}: ${kinds.join(" ")}`).toBe(i % 2 === 0));
  expect(kinds).toContain("expire");
  expect(history.every(({ type, version }) => type !== "put" || version === 1)).toBe(true);
  await settled(cluster, 5000);
});

test("Who waits for a lock gets it when it is given back, and when its time is over", async () => {
  const [one, other, third] = clientsNamed("wait", 3) as [SureClient, SureClient, SureClient];
  const path = "/locks/waited";
  const first = await one.send("POST", `${path}?ttl=60s`);
  const { token } = JSON.parse(first.body) as Lock;
  const held = await other.send("POST", `${path}?ttl=60s`);
  expect([held.status, JSON.parse(held.body)]).toMatchObject([
    409,
    { code: "lock_held", outcome: "not_applied", current_revision: token },
  ]);
  const startMs = performance.now();
  const waits = [other, third].map((client) => client.send("POST", `${path}?ttl=1s&wait=20s`));
  await sleep(300);
  expect((await one.send("DELETE", `${path}?token=${token}`)).status).toBe(204);
  const winner = await Promise.race(waits);
  expect(performance.now() - startMs).toBeLessThan(2000);
  // The one that did not get it does when the time of the winner is over.
  const tokens = (await Promise.all(waits)).map(({ body }) => (JSON.parse(body) as Lock).token);
  expect(performance.now() - startMs).toBeLessThan(5000);
  expect(new Set([token, ...tokens]).size).toBe(3);
  expect(tokens.toSorted((a, b) => a - b)[0]).toBe((JSON.parse(winner.body) as Lock).token);
  // The first holder's token is worth nothing any more.
  expect((await one.send("DELETE", `${path}?token=${token}`)).status).toBe(412);
});
