import { type ClientCommand, isPlain } from "../kv/command.ts";
import type { ClientRequest, ClientResult, PieceRequest, ReadRequest } from "../protocol/client.ts";
import { toBytes } from "../protocol/codec.ts";
import { maxBatchBytes } from "../protocol/limits.ts";
import type { Driver } from "./driver.ts";
import type { LeveledRequest } from "./reads.ts";

/**
 * Answers a batch from an edge. Its requests are independent of each other: reads share one
 * ReadIndex round unless they name a level, writes one log entry as far as an entry's size allows, and each
 * result stands at its request's place.
 *
 * @param beganMs when the event began that brought it, by the driver's clock; null if nobody knows.
 */
export async function answerBatch(
  driver: Driver,
  requests: readonly ClientRequest[],
  beganMs: number | null = null,
): Promise<ClientResult[]> {
  const reads = places(requests, isRead);
  const writes = places(requests, isWrite);
  const results = new Array<ClientResult>(requests.length);
  const fill = async (
    group: readonly Placed<ClientRequest>[],
    ended: Promise<ClientResult[]>,
  ): Promise<void> => {
    const all = await ended;
    group.forEach(({ place }, i) => (results[place] = all[i]!));
  };
  const underWay = chunks(writes).map((chunk) => fill(chunk, driver.write(chunk.map(unplaced))));
  for (const { place, request } of places(requests, isPiece)) {
    results[place] = driver.reads.piece(request);
  }
  for (const each of places(requests, isLeveled)) {
    const answer = driver.reads.leveled(each.request, beganMs);
    underWay.push(
      fill(
        [each],
        answer.then((result) => [result]),
      ),
    );
  }
  if (reads.length > 0) underWay.push(fill(reads, driver.read(reads.map(unplaced), beganMs)));
  await Promise.all(underWay);
  return results;
}

const isWrite = (request: ClientRequest): request is ClientCommand => "requestId" in request;
const isPiece = (request: ClientRequest): request is PieceRequest =>
  request.type === "page" || request.type === "part";
export const isLeveled = (request: ClientRequest): request is LeveledRequest =>
  "level" in request && request.level !== undefined;
const isRead = (request: ClientRequest): request is ReadRequest =>
  !isWrite(request) && !isPiece(request) && !isLeveled(request);

interface Placed<T> {
  readonly place: number;
  readonly request: T;
}

const unplaced = <T>({ request }: Placed<T>): T => request;

function places<T extends ClientRequest>(
  requests: readonly ClientRequest[],
  is: (request: ClientRequest) => request is T,
): Placed<T>[] {
  return requests.flatMap((request, place) => (is(request) ? [{ place, request }] : []));
}

/**
 * Cuts writes into log entries: a row of the log must stay under the 2 MB that Durable Objects
 * allow.
 */
function chunks(writes: readonly Placed<ClientCommand>[]): Placed<ClientCommand>[][] {
  const all: Placed<ClientCommand>[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const write of writes) {
    const size = sizeOf(write.request);
    if (bytes + size > maxBatchBytes) {
      all.push([]);
      bytes = 0;
    }
    all.at(-1)!.push(write);
    bytes += size;
  }
  return all;
}

/**
 * An upper bound of a command's size in the log: three bytes a UTF-16 unit, and room for the fixed
 * fields.
 */
function sizeOf(command: ClientCommand): number {
  if (!isPlain(command) || (command.type !== "put" && command.type !== "delete")) {
    return toBytes(command).byteLength;
  }
  const strings = command.key.length + command.requestId.length;
  if (command.type === "delete") return 3 * strings + 100;
  return 3 * (strings + (command.contentType?.length ?? 0)) + command.value.byteLength + 100;
}
