import type { Command } from "../kv/command.ts";
import type { ClientRequest, ClientResult, ReadRequest } from "../protocol/client.ts";
import { maxBatchBytes } from "../protocol/limits.ts";
import type { Driver } from "./driver.ts";

/**
 * Answers a batch from an edge. Its requests are independent of each other: reads share one
 * ReadIndex round, writes one log entry as far as an entry's size allows, and each result stands at
 * its request's place.
 */
export async function answerBatch(
  driver: Driver,
  requests: readonly ClientRequest[],
): Promise<ClientResult[]> {
  const reads = places(requests, (request): request is ReadRequest => request.type === "get");
  const writes = places(requests, (request): request is Command => request.type !== "get");
  const results = new Array<ClientResult>(requests.length);
  const fill = async (
    group: readonly Placed<ClientRequest>[],
    ended: Promise<ClientResult[]>,
  ): Promise<void> => {
    const all = await ended;
    group.forEach(({ place }, i) => (results[place] = all[i]!));
  };
  const underWay = chunks(writes).map((chunk) => fill(chunk, driver.write(chunk.map(unplaced))));
  if (reads.length > 0) underWay.push(fill(reads, driver.read(reads.map(unplaced))));
  await Promise.all(underWay);
  return results;
}

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
function chunks(writes: readonly Placed<Command>[]): Placed<Command>[][] {
  const all: Placed<Command>[][] = [];
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
function sizeOf(command: Command): number {
  const strings = command.key.length + command.requestId.length;
  if (command.type === "delete") return 3 * strings + 100;
  return 3 * (strings + (command.contentType?.length ?? 0)) + command.value.byteLength + 100;
}
