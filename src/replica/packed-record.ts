import type { CommandResult } from "../kv/command.ts";
import type { RequestRecord } from "../kv/request-window.ts";

/** A request record as it is stored: a short array, since a row may hold ten thousand of them. */
export type PackedRecord = readonly [
  requestId: string,
  sequence: number,
  type: number,
  flag: boolean,
  revision: number,
];

const put = 0;
const deleted = 1;

export function packRecord({ requestId, sequence, result }: RequestRecord): PackedRecord {
  switch (result.type) {
    case "put":
      return [requestId, sequence, put, result.created, result.revision];
    case "deleted":
      return [requestId, sequence, deleted, result.deleted, result.revision];
    case "expired":
      throw new Error("an expired request leaves no record");
  }
}

export function unpackRecord([
  requestId,
  sequence,
  type,
  flag,
  revision,
]: PackedRecord): RequestRecord {
  const result: CommandResult =
    type === put
      ? { type: "put", created: flag, revision }
      : { type: "deleted", deleted: flag, revision };
  return { requestId, sequence, result };
}
