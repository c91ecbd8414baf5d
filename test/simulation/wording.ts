import type { ClientRequest, ClientResult } from "../../src/protocol/client.ts";

/** One request in a few words. */
export function describe(request: ClientRequest): string {
  return [request.type, ...subjectOf(request), ...nameOf(request)].join(" ");
}

function subjectOf(request: ClientRequest): string[] {
  switch (request.type) {
    case "list":
    case "count":
    case "deleteRange":
      return [`${request.range.from}..${request.range.to ?? ""}`];
    case "transaction":
    case "query": {
      const { then, else: otherwise } = request;
      const conditions = request.if.map(({ key, condition }) => `${key} ${condition.type}`);
      const lists = [then, otherwise].map((list) =>
        list.map((each) => `${each.type} ${"key" in each ? each.key : each.range.from}`).join(),
      );
      return [`if ${conditions.join()} then ${lists[0]} else ${lists[1]}`];
    }
    case "lease":
    case "keepAlive":
    case "revoke":
      return [request.lease];
    case "grant":
      return [`for ${request.ttlMs}`];
    default:
      return "key" in request ? [request.key, ...mortality(request)] : [];
  }
}

const mortality = (request: ClientRequest): string[] =>
  "expiry" in request && request.expiry !== undefined ? [JSON.stringify(request.expiry)] : [];

function nameOf(request: ClientRequest): string[] {
  if (!("requestId" in request)) return [];
  const { requestId, idempotency } = request;
  return idempotency === undefined ? [requestId] : [requestId, `as ${idempotency.name}`];
}

/** One answer in a few words. */
export function describeAnswer(result: ClientResult): string {
  switch (result.type) {
    case "value":
      return `revision ${result.modRevision}`;
    case "absent":
      return `nothing at revision ${result.revision}`;
    case "put":
      return `${result.created ? "created" : "put"} at revision ${result.revision}`;
    case "deleted":
      return `${result.deleted ? "deleted" : "nothing to delete"} at revision ${result.revision}`;
    case "mismatch":
      return `${result.current ?? "nothing"} in the way`;
    case "refused":
      return `refused, ${result.reason}`;
    case "replayed":
      return `again: ${describeAnswer(result.result)}`;
    case "lease":
    case "locked":
    case "leaseFound":
      return `lease ${result.lease} until ${result.expiresMs}`;
    case "notLeader":
      return `not leader, that is ${result.leader ?? "unknown"}`;
    default:
      return "revision" in result ? `${result.type} at revision ${result.revision}` : result.type;
  }
}
