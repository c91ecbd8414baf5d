import type { Context } from "hono";
import type { EdgeEnv } from "../env.ts";
import { type Wanted, handOver } from "../hand-over.ts";
import { type Fields, notLike, readFields } from "../json-body.ts";
import { checkNamespace } from "../key-path.ts";
import { parseTimeout, readQuery } from "../query.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { checkWriteHeaders } from "../write-headers.ts";

const example = '{"replica":"2"} or {"region":"weur"}';

/** `POST /v1/ns/{ns}/cluster/leader`: another replica is to lead. */
export async function postLeader(c: Context<EdgeEnv>): Promise<Response> {
  const namespace = checkNamespace(c.req.param("ns") ?? "");
  const { timeout } = readQuery(c.req.url, ["timeout"]);
  const timeoutMs = parseTimeout(timeout);
  checkWriteHeaders(c.req.raw.headers);
  const wanted = parseWanted(await readFields(c.req.raw, example));
  const { id, region, term } = await handOver(
    new ReplicaGroup(c.env, namespace),
    wanted,
    timeoutMs,
  );
  return c.json({ namespace, leader: id, region, term });
}

function parseWanted(fields: Fields): Wanted {
  const [[name, value] = [], ...others] = Object.entries(fields);
  if (others.length === 0 && typeof value === "string" && value !== "") {
    if (name === "replica") return { replica: value };
    if (name === "region") return { region: value };
  }
  throw notLike(example);
}
