import { maxRangeKeys, partBytes } from "../kv/command.ts";
import {
  maxLargeBytes,
  maxListKeys,
  maxStalenessMs,
  maxTimeoutMs,
  maxTtlMs,
  maxValueBytes,
  minTtlMs,
} from "../protocol/limits.ts";
import type { ClientRequest } from "../protocol/client.ts";
import { type Fields, asFields, asList, isCount, isText, require } from "./fields.ts";

/**
 * A request of an edge, each field of which is looked at: a command that no replica can apply would, once
 * committed, stop each replica of the group at each start, for ever.
 */
export function checkRequest(request: Fields): void {
  const { type } = request;
  checkLevel(type, request["level"]);
  const { at } = request;
  require(at === undefined || isCount(at), "at must be a revision");
  switch (type) {
    case "get":
      return checkKey(request);
    case "list":
      return checkList(request);
    case "count":
      return checkRange(request["range"]);
    case "query":
      return checkBranches(request, (operation) =>
        require(operation["type"] === "get", "a query only gets"),
      );
    case "lease":
      return checkLease(request);
    case "retention":
    case "openView":
      return;
    case "readIndex":
      require(asList(request["keys"], "keys").every(isText), "keys must be texts");
      return require(typeof request["isWide"] === "boolean", "isWide must be true or false");
    case "part":
      require(isText(request["upload"]) && isCount(request["part"]), "no such part");
      return;
    case "page":
      require(isText(request["view"]), "view must be a text");
      require(typeof request["values"] === "boolean", "values must be true or false");
      return checkRange(request["range"]);
    default:
      checkName(request);
      return checkCommand(request);
  }
}

/** What may say how old it may be. */
const leveled: ReadonlySet<unknown> = new Set<ClientRequest["type"]>([
  "get",
  "list",
  "count",
  "query",
  "lease",
  "retention",
  "openView",
]);

function checkLevel(requestType: unknown, level: unknown): void {
  if (level === undefined) return;
  require(leveled.has(requestType), `a ${String(requestType)} has no level`);
  const { type, epoch, revision, maxWaitMs, maxStalenessMs: boundMs } = asFields(level);
  const isKnown =
    type === "any" ||
    type === "linearizable" ||
    (type === "bounded" && isTime(boundMs, maxStalenessMs)) ||
    (type === "session" &&
      isCount(epoch, 1) &&
      isCount(revision) &&
      isTime(maxWaitMs, maxTimeoutMs));
  require(isKnown, "no such level");
}

const isTime = (ms: unknown, most: number): boolean =>
  typeof ms === "number" && ms >= 0 && ms <= most;

function checkCommand(command: Fields): void {
  const { type, condition, limit, ttlMs } = command;
  switch (type) {
    case "put":
      checkKey(command);
      checkValue(command);
      return checkCondition(condition);
    case "delete":
      checkKey(command);
      return checkCondition(condition);
    case "deleteRange":
      require(isCount(limit, 1) && Number(limit) <= maxRangeKeys, "no such limit");
      return checkRange(command["range"]);
    case "transaction":
      return checkBranches(command, checkOperation);
    case "grant":
      return require(isTtl(ttlMs), "no such ttlMs");
    case "stage":
      return checkPart(command);
    case "restore":
      return;
    case "retain":
      return require(command["keepMs"] === null || isTtl(command["keepMs"]), "no such keepMs");
    case "lock":
      require(isTtl(ttlMs), "no such ttlMs");
      checkKey(command);
      return checkValue(command);
    case "unlock":
      require(isCount(command["token"]), "token must be a revision");
      return checkKey(command);
    case "keepAlive":
    case "revoke":
      return checkLease(command);
    default:
      return require(false, `unknown request type ${String(type)}`);
  }
}

/** What makes a write take effect once. */
function checkName({ requestId, floor, idempotency }: Fields): void {
  require(isText(requestId), "requestId must be a text");
  require(Number.isSafeInteger(floor), "floor must be a whole number");
  if (idempotency === undefined) return;
  const { name, fingerprint } = asFields(idempotency);
  require(isText(name) && isText(fingerprint), "name and fingerprint must be texts");
}

function checkList({ range, order, fold, limit, values }: Fields): void {
  checkRange(range);
  require(order === "ascending" || order === "descending", "no such order");
  require(isCount(limit, 1) && Number(limit) <= maxListKeys, "no such limit");
  require(typeof values === "boolean", "values must be true or false");
  if (fold === null) return;
  const { length, delimiter } = asFields(fold);
  require(isCount(length) && isText(delimiter) && delimiter !== "", "no such fold");
}

function checkBranches(branches: Fields, check: (operation: Fields) => void): void {
  for (const each of asList(branches["if"], "if")) {
    const fields = asFields(each);
    checkKey(fields);
    require(fields["condition"] !== undefined, "no condition");
    checkCondition(fields["condition"]);
  }
  for (const name of ["then", "else"]) {
    for (const operation of asList(branches[name], name)) check(asFields(operation));
  }
}

function checkOperation(operation: Fields): void {
  switch (operation["type"]) {
    case "put":
      checkValue(operation);
      return checkKey(operation);
    case "get":
    case "delete":
      return checkKey(operation);
    case "increment":
      require(Number.isSafeInteger(operation["by"]), "by must be a whole number");
      return checkKey(operation);
    case "deleteRange":
      return checkRange(operation["range"]);
    default:
      return require(false, `unknown operation ${String(operation["type"])}`);
  }
}

function checkPart({ upload, part, data }: Fields): void {
  require(isText(upload), "upload must be a text");
  require(isCount(part) && Number(part) < maxParts, "no such part");
  require(data instanceof Uint8Array && data.byteLength <= partBytes, "no such data");
}

/** Parts that the largest value has. */
const maxParts = Math.ceil(maxLargeBytes / partBytes);

function checkLarge(large: unknown): void {
  if (large === undefined) return;
  const { upload, size } = asFields(large);
  require(isText(upload) && isCount(size) && Number(size) <= maxLargeBytes, "no such large value");
}

function checkValue({ value, large, contentType, metadata, expiry }: Fields): void {
  checkLarge(large);
  require(value instanceof Uint8Array && value.byteLength <= maxValueBytes, "no such value");
  require(contentType === null || isText(contentType), "contentType must be a text or null");
  require(metadata === undefined || isText(metadata), "metadata must be a text");
  if (expiry === undefined) return;
  const { type, ttlMs, expiresMs, lease } = asFields(expiry);
  const isKnown =
    (type === "ttl" && isTtl(ttlMs)) ||
    (type === "at" && isCount(expiresMs) && Number(expiresMs) <= lastMomentMs) ||
    (type === "lease" && isText(lease));
  require(isKnown, "no such expiry");
}

function checkCondition(condition: unknown): void {
  if (condition === undefined) return;
  const { type, revision, value } = asFields(condition);
  const isKnown =
    type === "exists" ||
    type === "absent" ||
    ((type === "revision" || type === "created") && Number.isSafeInteger(revision)) ||
    (type === "value" && value instanceof Uint8Array);
  require(isKnown, "no such condition");
}

export function checkRange(range: unknown): void {
  const { from, to } = asFields(range);
  require(isText(from) && (to === null || isText(to)), "no such range");
}

function checkKey({ key }: Fields): void {
  require(isText(key), "key must be a text");
}

function checkLease({ lease }: Fields): void {
  require(isText(lease), "lease must be a text");
}

/** The end of the year 9999, beyond which some clocks cannot tell a time. */
const lastMomentMs = Date.UTC(10_000, 0, 1);

const isTtl = (ttlMs: unknown): boolean => isCount(ttlMs, minTtlMs) && Number(ttlMs) <= maxTtlMs;
