import type { Context } from "hono";
import type { EdgeEnv } from "../env.ts";
import { type Fields, notLike, readFields } from "../json-body.ts";
import { checkNamespace } from "../key-path.ts";
import { parseTimeout, readQuery } from "../query.ts";
import { type Sacrifice, rebuild } from "../rebuild.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { checkWriteHeaders } from "../write-headers.ts";

/** What must be in the body, word for word. */
const phrase = "I accept that acknowledged writes may be lost";
const example = `{"survivor":"2","lost":["1","3"],"confirm":"${phrase}"}`;

/** `POST /v1/ns/{ns}/cluster/rebuild`: the quorum is lost for good, so go on from one replica. */
export async function postRebuild(c: Context<EdgeEnv>): Promise<Response> {
  const namespace = checkNamespace(c.req.param("ns") ?? "");
  const { timeout } = readQuery(c.req.url, ["timeout"]);
  checkWriteHeaders(c.req.raw.headers);
  const sacrifice = parseSacrifice(await readFields(c.req.raw, example));
  const group = new ReplicaGroup(c.env, namespace);
  const { id, term, epoch, revision, members } = await rebuild(
    group,
    sacrifice,
    parseTimeout(timeout),
  );
  return c.json({ namespace, leader: id, term, epoch, revision, members });
}

function parseSacrifice({ survivor, lost, confirm, ...others }: Fields): Sacrifice {
  const isSound =
    typeof survivor === "string" &&
    Array.isArray(lost) &&
    lost.every((id) => typeof id === "string") &&
    Object.keys(others).length === 0;
  if (isSound && confirm === phrase) return { survivor, lost };
  throw notLike(example);
}
