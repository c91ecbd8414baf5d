import { decode, encode } from "@msgpack/msgpack";
import { FieldNames } from "./field-names.ts";

/**
 * Turns plain values into bytes and back: MessagePack, since bodies carry bytes and base64 would
 * cost a third more.
 */

const options = {
  maxStrLength: 64 * 1024,
  maxBinLength: 4 * 1024 * 1024,
  maxArrayLength: 1024 * 1024,
  maxMapLength: 1024,
  keyDecoder: new FieldNames(),
} as const;

/**
 * A body that is not what its sender should have sent. The receiver answers 400 and does nothing.
 */
export class MalformedBody extends Error {
  override readonly name = "MalformedBody";
}

export function toBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return encode(value);
}

/**
 * The value in `bytes`, which the caller vouches to be of type T: only replicas and edges of this
 * project write such bodies, and each carries a version that is checked first. Byte strings inside
 * share memory with `bytes`.
 */
export function fromBytes<T>(bytes: Uint8Array | ArrayBuffer): T {
  try {
    return decode(bytes, options) as T;
  } catch (error) {
    throw new MalformedBody(`not a MessagePack body: ${String(error)}`);
  }
}
