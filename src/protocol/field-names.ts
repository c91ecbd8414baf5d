import type { DecoderOptions } from "@msgpack/msgpack";

type KeyDecoder = NonNullable<DecoderOptions["keyDecoder"]>;

interface Known {
  readonly bytes: Uint8Array;
  readonly name: string;
}

const maxBytes = 24;
/** Of one length. More than there are; if a body had others they would not be kept. */
const maxNames = 64;

const text = new TextDecoder();

/**
 * Knows the names of fields again, so that the same few need not be decoded over and over. The library's own
 * memory keeps sixteen of a length and drops any by chance when there are more, of which there are; and chance
 * would make two runs of one simulated world differ.
 */
export class FieldNames implements KeyDecoder {
  readonly #ofLength: Known[][] = Array.from({ length: maxBytes + 1 }, () => []);

  canBeCached(byteLength: number): boolean {
    return byteLength <= maxBytes;
  }

  decode(bytes: Uint8Array, offset: number, byteLength: number): string {
    const known = this.#ofLength[byteLength]!;
    search: for (const { bytes: own, name } of known) {
      for (let i = 0; i < byteLength; i++) if (own[i] !== bytes[offset + i]) continue search;
      return name;
    }
    // A copy, since a part would hold on to the whole body.
    const own = Uint8Array.prototype.slice.call(bytes, offset, offset + byteLength);
    const name = text.decode(own);
    if (known.length < maxNames) known.push({ bytes: own, name });
    return name;
  }
}
