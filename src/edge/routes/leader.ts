import type { Context } from "hono";
import { readBody } from "../body.ts";
import type { EdgeEnv } from "../env.ts";
import { type Wanted, handOver } from "../hand-over.ts";
import { checkNamespace } from "../key-path.ts";
import { Problem } from "../problem.ts";
import { parseTimeout, readQuery } from "../query.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { checkWriteHeaders } from "../write-headers.ts";

/** A body that names a replica has a few dozen bytes. */
const maxBodyBytes = 1024;
const example = '{"replica":"2"} or {"region":"weur"}';

/** `POST /v1/ns/{ns}/cluster/leader`: another replica is to lead. */
export async function postLeader(c: Context<EdgeEnv>): Promise<Response> {
  const namespace = checkNamespace(c.req.param("ns") ?? "");
  const { timeout } = readQuery(c.req.url, ["timeout"]);
  const timeoutMs = parseTimeout(timeout);
  checkWriteHeaders(c.req.raw.headers);
  const body = await readBody(c.req.raw, maxBodyBytes, () => {
    const detail = `the body may have ${maxBodyBytes} bytes, like ${example}; this one has more`;
    return new Problem("bad_body", detail);
  });
  const wanted = parseWanted(new TextDecoder().decode(body));
  const { id, region, term } = await handOver(
    new ReplicaGroup(c.env, namespace),
    wanted,
    timeoutMs,
  );
  return c.json({ namespace, leader: id, region, term });
}

function parseWanted(text: string): Wanted {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // Said below.
  }
  const fields = Object.entries((typeof body === "object" ? body : null) ?? {});
  const [name, value] = fields[0] ?? [];
  if (fields.length === 1 && typeof value === "string" && value !== "") {
    if (name === "replica") return { replica: value };
    if (name === "region") return { region: value };
  }
  throw new Problem("bad_body", `the body must be JSON that names one of the two: ${example}`);
}
