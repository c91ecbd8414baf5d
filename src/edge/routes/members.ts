import type { Context } from "hono";
import type { ReplicaStatus } from "../../protocol/client.ts";
import { anyRegion, locationHints } from "../../protocol/settings.ts";
import type { EdgeEnv } from "../env.ts";
import { type Fields, notLike, readFields } from "../json-body.ts";
import { checkNamespace } from "../key-path.ts";
import { Problem } from "../problem.ts";
import { parseTimeout, readQuery } from "../query.ts";
import { type WantedChange, findLeader, reconfigure } from "../reconfigure.ts";
import { ReplicaGroup } from "../replica-group.ts";
import { checkWriteHeaders } from "../write-headers.ts";

const example = '{"region":"weur"}, {"replaces":"2"} or {"region":"weur","replaces":"2"}';

/** `GET /v1/ns/{ns}/cluster/members`: who belongs to the group, as its leader knows it. */
export async function getMembers(c: Context<EdgeEnv>): Promise<Response> {
  const { group, timeoutMs } = readTarget(c);
  return c.json(describe(group, await findLeader(group, timeoutMs)));
}

/** `POST …/members`: a new replica comes, in addition or in the place of another. */
export async function postMember(c: Context<EdgeEnv>): Promise<Response> {
  const { group, timeoutMs } = readTarget(c);
  checkWriteHeaders(c.req.raw.headers);
  const wanted = parseAddition(await readFields(c.req.raw, example));
  const { id, isOver, status } = await reconfigure(group, wanted, timeoutMs);
  return c.json({ id, done: isOver, ...describe(group, status) }, isOver ? 201 : 202);
}

/** `DELETE …/members/{id}`: a replica goes, and what it holds with it. */
export async function deleteMember(c: Context<EdgeEnv>): Promise<Response> {
  const { group, timeoutMs } = readTarget(c);
  checkWriteHeaders(c.req.raw.headers);
  const change: WantedChange = { type: "remove", id: c.req.param("id") ?? "" };
  const { id, isOver, status } = await reconfigure(group, change, timeoutMs);
  return c.json({ id, done: isOver, ...describe(group, status) }, isOver ? 200 : 202);
}

function readTarget(c: Context<EdgeEnv>): { group: ReplicaGroup; timeoutMs: number } {
  const namespace = checkNamespace(c.req.param("ns") ?? "");
  const { timeout } = readQuery(c.req.url, ["timeout"]);
  return { group: new ReplicaGroup(c.env, namespace), timeoutMs: parseTimeout(timeout) };
}

const describe = ({ namespace }: ReplicaGroup, { id, term, members }: ReplicaStatus): object => ({
  namespace,
  leader: id,
  term,
  members,
});

function parseAddition({ region = null, replaces = null, ...others }: Fields): WantedChange {
  const isKnown = Object.keys(others).length === 0 && (region !== null || replaces !== null);
  if (isKnown && isTextOrNull(region) && isTextOrNull(replaces)) {
    checkRegion(region);
    return { type: "add", region, replaces };
  }
  throw notLike(example);
}

const isTextOrNull = (value: unknown): value is string | null =>
  value === null || typeof value === "string";

function checkRegion(region: string | null): void {
  const known: readonly string[] = [...locationHints, anyRegion];
  if (region === null || known.includes(region)) return;
  throw new Problem("bad_body", `there is no region "${region}"; there are ${known.join(", ")}`);
}
