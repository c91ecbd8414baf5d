import { partBytes } from "../kv/command.ts";
import type { LargeValue } from "../kv/table.ts";
import type { PartResult, ServedBy } from "../protocol/client.ts";
import { maxLargeBytes, maxValueBytes } from "../protocol/limits.ts";
import { chunksOf, concatenate } from "./body.ts";
import { Forwarding } from "./forward.ts";
import { Problem } from "./problem.ts";
import type { ReplicaGroup } from "./replica-group.ts";
import { settle } from "./settle.ts";

/** A value on its way to a put. */
export interface Incoming {
  readonly value: Uint8Array;
  readonly large?: LargeValue;
  /** Stands for all of its bytes. */
  readonly fingerprint: Uint8Array;
}

/** Parts that are on their way at a time. */
const window = 4;

/** How long a part may take to be taken in or told, in ms. */
const partTimeoutMs = 5000;

/**
 * Takes a body in as a value. One that is too large for an entry of the log is brought to the replicas in
 * parts, as it comes; what has been brought for nothing goes by itself.
 *
 * @throws Problem when it is too large, breaks off, or cannot be brought there.
 */
export async function takeIn(request: Request, group: ReplicaGroup): Promise<Incoming> {
  const upload = new Upload(group);
  for await (const chunk of chunksOf(request, tooLarge)) await upload.add(chunk);
  return upload.end();
}

/** The same for a value that is here already, and large. */
export async function bringIn(value: Uint8Array, group: ReplicaGroup): Promise<LargeValue> {
  const upload = new Upload(group);
  await upload.add(value);
  return (await upload.end()).large!;
}

/** A body that turns out to be large, or not. */
class Upload {
  readonly #group: ReplicaGroup;
  readonly #id = crypto.randomUUID();
  readonly #digests: Uint8Array[] = [];
  /** What has come and is not on its way yet. */
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #size = 0;
  #parts = 0;
  readonly #underWay: Promise<void>[] = [];

  constructor(group: ReplicaGroup) {
    this.#group = group;
  }

  async add(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.byteLength;
    if (this.#size > maxLargeBytes) {
      // What is there by now is of no use, and what comes is only taken to be dropped.
      this.#chunks = [];
      return;
    }
    this.#chunks.push(chunk);
    this.#waiting += chunk.byteLength;
    if (this.#size <= maxValueBytes) return;
    while (this.#waiting >= partBytes) await this.#send(partBytes);
  }

  async end(): Promise<Incoming> {
    if (this.#size > maxLargeBytes) throw tooLarge();
    if (this.#size <= maxValueBytes) {
      const value = concatenate(this.#chunks, this.#waiting);
      return { value, fingerprint: value };
    }
    if (this.#waiting > 0) await this.#send(this.#waiting);
    await Promise.all(this.#underWay);
    const fingerprint = concatenate(this.#digests, this.#digests.length * digestBytes);
    return { value: new Uint8Array(), large: { upload: this.#id, size: this.#size }, fingerprint };
  }

  async #send(bytes: number): Promise<void> {
    const all = concatenate(this.#chunks, this.#waiting);
    const data = all.slice(0, bytes);
    this.#chunks = [all.subarray(bytes)];
    this.#waiting -= bytes;
    this.#digests.push(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
    if (this.#underWay.length >= window) await this.#underWay.shift();
    const sent = this.#stage(this.#parts++, data);
    // Who waits for it comes later, and it may fail before that.
    sent.catch(() => {});
    this.#underWay.push(sent);
  }

  async #stage(part: number, data: Uint8Array): Promise<void> {
    const draft = { type: "stage", upload: this.#id, part, data } as const;
    const forwarded = await new Forwarding(this.#group, draft, partTimeoutMs).toLeader();
    // Whatever became of a part, nothing was changed: the put that it was for is not made.
    if (forwarded.type === "unknown" || forwarded.type === "redirected") throw notBrought();
    const { result } = settle(forwarded);
    if (result.type === "staged") return;
    if (result.type === "refused" && result.reason === "too_many_uploads") {
      throw new Problem(
        "too_many_uploads",
        "as many large values as may be are on their way in: try again",
      );
    }
    throw notBrought();
  }
}

const digestBytes = 32;

const tooLarge = (): Problem =>
  new Problem(
    "value_too_large",
    `a value may have ${maxLargeBytes} bytes, and this one has more: split it over several keys`,
  );

const notBrought = (): Problem =>
  new Problem(
    "unavailable",
    "the value could not be brought in; nothing was changed, so try again",
  );

/** A large value as a whole. */
export async function readWhole(
  group: ReplicaGroup,
  by: ServedBy,
  { upload, size }: LargeValue,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let part = 0; part * partBytes < size; part++) {
    parts.push(await readPart(group, by, upload, part));
  }
  return concatenate(parts, size);
}

/** A large value, part by part as its reader takes it. */
export function readLarge(
  group: ReplicaGroup,
  by: ServedBy,
  { upload, size }: LargeValue,
): ReadableStream<Uint8Array> {
  const count = Math.ceil(size / partBytes);
  let part = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      // An error breaks the answer off, and its length says that it is not whole.
      controller.enqueue(await readPart(group, by, upload, part++));
      if (part === count) controller.close();
    },
  });
}

/** From the replica that told of the value, or any other: a part never changes. */
async function readPart(
  group: ReplicaGroup,
  { replica }: ServedBy,
  upload: string,
  part: number,
): Promise<Uint8Array> {
  const others = group.members.map(({ id }) => id).filter((id) => id !== replica);
  for (const id of [replica, ...others]) {
    try {
      const signal = AbortSignal.timeout(partTimeoutMs);
      const { results } = await group.ask(id, [{ type: "part", upload, part }], signal);
      const result = results[0] as PartResult;
      if (result.type === "part") return result.data;
    } catch {
      // The next one may have it.
    }
  }
  throw new Error(`part ${part} of a value cannot be read any more`);
}
