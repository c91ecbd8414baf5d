import type { Context } from "hono";
import { type EdgeEnv, settingsOf } from "../env.ts";
import { Forwarding } from "../forward.ts";
import { checkNamespace } from "../key-path.ts";
import { parseTimeout, readQuery } from "../query.ts";
import { ReplicaGroup } from "../replica-group.ts";

/** `GET /livez`: this Worker runs. */
export const getLive = (c: Context<EdgeEnv>): Response => c.text("ok\n");

/**
 * `GET /readyz`: the settings are sound; with `?ns=` also that a linearizable read succeeds in that
 * namespace, which founds it if need be. With `verbose`, and on failure, a line for each check, as
 * etcd writes them.
 */
export async function getReady(c: Context<EdgeEnv>): Promise<Response> {
  const { ns, verbose, timeout } = readQuery(c.req.url, ["ns", "verbose", "timeout"]);
  const timeoutMs = parseTimeout(timeout);
  const checks = [await check("config", async () => void settingsOf(c.env))];
  if (ns !== undefined) {
    const namespace = checkNamespace(ns);
    checks.push(await check(`read in ${namespace}`, () => read(c, namespace, timeoutMs)));
  }
  const isReady = checks.every(({ error }) => error === null);
  if (isReady && verbose === undefined) return c.text("ok\n");
  const lines = checks.map(({ name, error }) =>
    error === null ? `[+]${name} ok\n` : `[-]${name} failed: ${error}\n`,
  );
  return c.text(`${lines.join("")}${isReady ? "ok" : "not ready"}\n`, isReady ? 200 : 503);
}

interface Check {
  readonly name: string;
  readonly error: string | null;
}

async function check(name: string, run: () => Promise<void>): Promise<Check> {
  try {
    await run();
    return { name, error: null };
  } catch (error) {
    return { name, error: error instanceof Error ? error.message : String(error) };
  }
}

/** Reads some key, whether it has a value or not. Throws an Error when no replica vouches for it. */
async function read(c: Context<EdgeEnv>, namespace: string, timeoutMs: number): Promise<void> {
  const draft = { type: "get", key: "readyz", metadataOnly: true } as const;
  const group = new ReplicaGroup(c.env, namespace);
  const { type } = await new Forwarding(group, draft, timeoutMs).toLeader();
  if (type !== "answered") throw new Error("no leader answered in time");
}
