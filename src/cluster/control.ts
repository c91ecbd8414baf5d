import { type Context, Hono } from "hono";
import type { EdgeEnv } from "../edge/env.ts";
import { type Fields, notLike, readFields } from "../edge/json-body.ts";
import { Problem } from "../edge/problem.ts";
import { objectName } from "../protocol/client.ts";
import { replicaPath } from "../protocol/replica-call.ts";
import { parseSettings } from "../protocol/settings.ts";
import { counts } from "./counts.ts";
import { faults } from "./faults.ts";
import { abortPath, resumePath } from "./local-replica.ts";

type LocalContext = Context<EdgeEnv>;

/** `/_local/…`: faults on demand, in local clusters only. Each answers the faults then in force. */
export const control = new Hono<EdgeEnv>()
  .get("/", (c) => inForce(c))
  .get("/counts", (c) => json(c, counts))
  .post("/replicas/:id/:action", async (c) => {
    const { id, action } = c.req.param();
    checkReplicas(c, [id]);
    const act = actions.get(action);
    if (act === undefined) {
      const known = [...actions.keys()].join(", ");
      throw new Problem("route_not_found", `there is no ${action}; there are ${known}`);
    }
    await act(c, id);
    return inForce(c);
  })
  .post("/partition", async (c) => {
    faults.groups = parseGroups(c, await readFields(c.req.raw, example));
    return inForce(c);
  })
  .post("/heal", (c) => {
    faults.groups = null;
    return inForce(c);
  });

const actions: ReadonlyMap<string, (c: LocalContext, id: string) => Promise<void>> = new Map([
  ["kill", kill],
  ["restart", restart],
  ["pause", pause],
  ["resume", resume],
]);

async function kill(c: LocalContext, id: string): Promise<void> {
  faults.killed.add(id);
  // Those that stand still are let go, to find that they are dead.
  await resume(c, id);
  await callAll(c, id, abortPath);
}

async function restart(c: LocalContext, id: string): Promise<void> {
  // One that stands still would not answer; a restart ends that too.
  if (faults.paused.has(id)) await kill(c, id);
  faults.killed.delete(id);
  await callAll(c, id, replicaPath.poke);
}

async function pause(_c: LocalContext, id: string): Promise<void> {
  faults.paused.add(id);
}

async function resume(c: LocalContext, id: string): Promise<void> {
  faults.paused.delete(id);
  await callAll(c, id, resumePath);
}

/**
 * Calls a replica of every namespace in use. A call that aborts its object fails by that, which is
 * what was wanted.
 */
async function callAll(c: LocalContext, id: string, path: string): Promise<void> {
  const calls = [...faults.namespaces].map(async (namespace) => {
    const stub = c.env.REPLICA.get(c.env.REPLICA.idFromName(objectName(namespace, id)));
    const response = await stub.fetch(`https://replica${path}`, { method: "POST" });
    await response.arrayBuffer();
  });
  await Promise.allSettled(calls);
}

const example = '{"groups":[["1"],["2","3"]]}';

function parseGroups(c: LocalContext, { groups }: Fields): string[][] {
  if (!Array.isArray(groups) || !groups.every((group) => Array.isArray(group))) {
    throw notLike(example);
  }
  const named: unknown[] = groups.flat();
  if (named.some((id) => typeof id !== "string")) {
    throw new Problem("bad_body", `ids are strings, as in ${example}`);
  }
  checkReplicas(c, named);
  if (new Set(named).size < named.length) {
    throw new Problem("bad_body", "a replica can be in one group only");
  }
  return groups as string[][];
}

function checkReplicas(c: LocalContext, ids: readonly unknown[]): void {
  const founders = parseSettings(c.env).members.map(({ id }) => id);
  const known: unknown[] = [...new Set([...founders, ...faults.ids])];
  const stranger = ids.find((id) => !known.includes(id));
  if (stranger === undefined) return;
  const detail = `there is no replica ${JSON.stringify(stranger)}; there are ${known.join(", ")}`;
  throw new Problem("replica_not_found", detail);
}

function inForce(c: LocalContext): Response {
  const { killed, paused, groups } = faults;
  return json(c, { killed: [...killed], paused: [...paused], groups });
}

const json = (c: LocalContext, body: object): Response =>
  c.body(`${JSON.stringify(body)}\n`, 200, { "Content-Type": "application/json" });
