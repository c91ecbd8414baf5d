import { MalformedBody } from "../protocol/codec.ts";

/** Whatever somebody sent, by its names. */
export type Fields = Readonly<Record<string, unknown>>;

/** @throws MalformedBody unless it is a map of fields. */
export function asFields(body: unknown): Fields {
  require(typeof body === "object" && body !== null && !Array.isArray(body), "not a map of fields");
  return body as Fields;
}

/** @throws MalformedBody unless it is a list. */
export function asList(value: unknown, name: string): readonly unknown[] {
  require(Array.isArray(value), `${name} must be a list`);
  return value as unknown[];
}

export const isText = (value: unknown): boolean => typeof value === "string";

/** Whether it is a whole number, of at least so much. */
export const isCount = (value: unknown, least = 0): boolean =>
  Number.isSafeInteger(value) && Number(value) >= least;

export function require(ok: boolean, why: string): void {
  if (!ok) throw new MalformedBody(why);
}
