/**
 * A running 64-bit hash in two lanes (FNV-1a and a second multiplier): equal on two replicas that
 * have applied the same, and almost surely different otherwise. It finds mistakes and corruption;
 * it does not resist an attacker.
 */
export class Hash {
  #a: number;
  #b: number;

  /** @param text 16 hexadecimal digits, as `toString` gives them. */
  constructor(text = "811c9dc5c2b2ae35") {
    this.#a = Number.parseInt(text.slice(0, 8), 16) | 0;
    this.#b = Number.parseInt(text.slice(8), 16) | 0;
  }

  /** Takes a whole number or a truth value in. */
  number(value: number | boolean): this {
    const n = Number(value);
    return this.#word(n | 0).#word(Math.floor(n / 0x1_0000_0000));
  }

  /** Takes a string in, with its length, so that "ab" + "c" differs from "a" + "bc". */
  string(value: string): this {
    this.number(value.length);
    for (let i = 0; i < value.length; i++) this.#word(value.charCodeAt(i));
    return this;
  }

  bytes(value: Uint8Array): this {
    this.number(value.byteLength);
    for (let i = 0; i < value.byteLength; i++) this.#word(value[i]!);
    return this;
  }

  /** Takes plain data in: the names of its fields in any order, and those left out as if they were not there. */
  value(value: unknown): this {
    if (value === undefined || value === null) return this.number(0);
    if (typeof value === "string") return this.number(1).string(value);
    if (typeof value === "number") return this.number(2).string(String(value));
    if (typeof value === "boolean") return this.number(3).number(value);
    if (value instanceof Uint8Array) return this.number(4).bytes(value);
    if (Array.isArray(value)) {
      this.number(5).number(value.length);
      for (const item of value as unknown[]) this.value(item);
      return this;
    }
    const fields = Object.entries(value).filter(([, each]) => each !== undefined);
    fields.sort(([a], [b]) => (a < b ? -1 : 1));
    this.number(6).number(fields.length);
    for (const [name, each] of fields) this.string(name).value(each);
    return this;
  }

  toString(): string {
    const hex = (lane: number): string => (lane >>> 0).toString(16).padStart(8, "0");
    return hex(this.#a) + hex(this.#b);
  }

  #word(word: number): this {
    this.#a = Math.imul(this.#a ^ word, 0x01000193);
    const mixed = Math.imul(this.#b ^ word, 0x85ebca6b);
    this.#b = mixed ^ (mixed >>> 13);
    return this;
  }
}
