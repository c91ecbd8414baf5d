import type { Context } from "hono";
import { parseSettings } from "../../protocol/settings.ts";
import type { EdgeEnv } from "../env.ts";
import { Forwarder } from "../forward.ts";
import { checkNamespace } from "../key-path.ts";

const readyTimeoutMs = 2000;

/** `GET /livez`: this Worker runs. */
export const getLive = (c: Context<EdgeEnv>): Response => c.text("ok\n");

/**
 * `GET /readyz`: the settings are sound; with `?ns=` also that a linearizable read succeeds in that
 * namespace, which founds it if need be. One line a check, as etcd writes them.
 */
export async function getReady(c: Context<EdgeEnv>): Promise<Response> {
  const namespace = c.req.query("ns");
  const checks = [await check("settings", async () => void parseSettings(c.env))];
  if (namespace !== undefined) {
    checkNamespace(namespace);
    checks.push(await check(`read in ${namespace}`, () => read(c, namespace)));
  }
  const failed = checks.some(({ error }) => error !== null);
  const lines = checks.map(({ name, error }) =>
    error === null ? `[+]${name} ok` : `[-]${name} failed: ${error}`,
  );
  return c.text(`${lines.join("\n")}\n${failed ? "not ready" : "ready"}\n`, failed ? 503 : 200);
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

async function read(c: Context<EdgeEnv>, namespace: string): Promise<void> {
  const forwarder = new Forwarder(c.env, parseSettings(c.env), namespace, readyTimeoutMs);
  const { type } = await forwarder.toLeader(() => ({
    type: "get",
    key: "ready",
    metadataOnly: true,
  }));
  if (type !== "answered") throw new Error("no leader answered in time");
}
