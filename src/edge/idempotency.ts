import type { Idempotency } from "../kv/command.ts";
import { maxIdempotencyKeyBytes } from "../protocol/limits.ts";
import { concatenate } from "./body.ts";
import { defined } from "./defined.ts";
import { Problem } from "./problem.ts";
import { checkWriteHeaders } from "./write-headers.ts";

/** Headers that change what a write does. */
const meaningful = ["Content-Type", "If-Match", "If-None-Match", "KV-Metadata"];

/**
 * The client's own name for a write, and what it stands for; undefined when it gave none. The name is taken
 * with or without the quotes that draft-ietf-httpapi-idempotency-key-header wants around it.
 *
 * @param body what the request carries.
 */
export async function readIdempotency(
  { method, url, headers }: Request,
  body: Uint8Array = new Uint8Array(),
): Promise<Idempotency | undefined> {
  const given = headers.get("Idempotency-Key");
  if (given === null) return undefined;
  const name = nameIn(given);
  const { pathname, searchParams } = new URL(url);
  // How long one waits for an answer does not change what is asked for, nor do words for the default.
  for (const each of ["timeout", "consistency", "wait"]) searchParams.delete(each);
  const said = meaningful.map((header) => headers.get(header));
  // Nor does which replica is asked: a redirect leads to another.
  const path = decoded(pathname).replace(/^(\/v1\/ns\/[^/]*)\/replicas\/[^/]*/, "$1");
  const head = new TextEncoder().encode(
    JSON.stringify([method, path, searchParams.toString(), ...said]),
  );
  const digests = await Promise.all([digest(head), digest(body)]);
  const whole = await digest(concatenate(digests, 2 * digests[0].byteLength));
  return { name, fingerprint: btoa(String.fromCharCode(...whole.subarray(0, 18))) };
}

/** However a key is encoded, it is the same. */
function decoded(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}

/** The same for a write that knows no other header which changes what it does, nor a body. */
export async function onlyIdempotency(
  request: Request,
): Promise<{ readonly idempotency?: Idempotency }> {
  checkWriteHeaders(request.headers, ["Idempotency-Key"]);
  return defined({ idempotency: await readIdempotency(request) });
}

function nameIn(given: string): string {
  const [, quoted] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(given) ?? [];
  const name = quoted?.replaceAll(/\\(.)/g, "$1") ?? given;
  if (/^[\x20-\x7e]+$/.test(name) && name.length <= maxIdempotencyKeyBytes) return name;
  throw new Problem(
    "bad_idempotency_key",
    `an Idempotency-Key is 1 to ${maxIdempotencyKeyBytes} characters of printable ASCII, best a random UUID`,
  );
}

const digest = async (bytes: Uint8Array): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
