import type { RequestRecord } from "../kv/request-window.ts";
import type { Recorded } from "../kv/record.ts";

/** A request record as it is stored: a short array, since a row may hold ten thousand of them. */
export type PackedRecord = readonly [
  requestId: string,
  sequence: number,
  type: number,
  flag: boolean,
  revision: number,
  /** Any other result, as it is. */
  result?: Recorded,
];

const put = 0;
const deleted = 1;
const other = 2;

export function packRecord({ requestId, sequence, result }: RequestRecord): PackedRecord {
  switch (result.type) {
    case "put":
      return [requestId, sequence, put, result.created, result.revision];
    case "deleted":
      return [requestId, sequence, deleted, result.deleted, result.revision];
    default:
      return [requestId, sequence, other, false, 0, result];
  }
}

export function unpackRecord([
  requestId,
  sequence,
  type,
  flag,
  revision,
  result,
]: PackedRecord): RequestRecord {
  switch (type) {
    case put:
      return { requestId, sequence, result: { type: "put", created: flag, revision } };
    case deleted:
      return { requestId, sequence, result: { type: "deleted", deleted: flag, revision } };
    default:
      return { requestId, sequence, result: result! };
  }
}
