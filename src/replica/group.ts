import type { Member } from "../protocol/client.ts";
import { type Left, founding } from "../raft/membership.ts";

/**
 * Which group an object belongs to, and which of its replicas it is. Written once and never
 * changed.
 */
export interface Group {
  readonly namespace: string;
  readonly id: string;
  /** The members the group was founded with. */
  readonly members: readonly Member[];
}

/**
 * The one replica that may found a group. Others wait to be told of it by a peer, so that two
 * replicas that read different settings, before and after a deploy, can never found two groups.
 */
export const founderId = "1";

/** Takes an object's name apart: see `objectName`. Throws on a name this project does not give. */
export function parseObjectName(name: string | undefined): { namespace: string; id: string } {
  const [namespace, id, ...rest] = (name ?? "").split("/");
  if (!namespace || !id || rest.length > 0) {
    throw new Error(`object name "${name ?? ""}" is not of the form namespace/id`);
  }
  return { namespace, id };
}

/** The group of this object; null when it has never been part of one. */
export function loadGroup(sql: SqlStorage): Group | null {
  const [row] = sql
    .exec<{ value: string }>("SELECT value FROM meta WHERE name = 'group'")
    .toArray();
  return row === undefined ? null : (JSON.parse(row.value) as Group);
}

/** Makes this object a replica of a group, whose log begins with those members. */
export function saveGroup(sql: SqlStorage, group: Group): void {
  sql.exec("INSERT INTO meta VALUES ('group', ?)", JSON.stringify(group));
  const configuration = JSON.stringify(founding(group.members));
  sql.exec("INSERT INTO membership VALUES (0, ?)", configuration);
}

/** What was kept when this replica left its group; null when it has not. */
export function loadLeft(sql: SqlStorage): Left | null {
  const [row] = sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'left'").toArray();
  return row === undefined ? null : (JSON.parse(row.value) as Left);
}

/** Notes that this replica has left its group for good. */
export function saveLeft(sql: SqlStorage, left: Left): void {
  sql.exec("INSERT INTO meta VALUES ('left', ?)", JSON.stringify(left));
}
