import { maxKeyBytes, namespacePattern } from "../protocol/limits.ts";
import { Problem } from "./problem.ts";

/** What the path of a key request names. */
export interface KeyPath {
  readonly namespace: string;
  /** The one replica to ask; null to ask whoever leads. */
  readonly replica: string | null;
  readonly key: string;
  /** The key as it stands in the path. */
  readonly rawKey: string;
}

const shape = /^\/v1\/ns\/([^/]*)(?:\/replicas\/([^/]*))?\/(?:keys|locks)(?:\/(.*))?$/;

/**
 * Takes the path of a key request apart. Works on the path as it was sent, since a key must be
 * percent-decoded exactly once: `a/b` and `a%2Fb` are one key, and `a%252Fb` is another.
 */
export function parseKeyPath(url: string): KeyPath {
  const [, namespace = "", replica, rawKey = ""] = shape.exec(new URL(url).pathname) ?? [];
  return {
    namespace: checkNamespace(decode(namespace) ?? namespace),
    replica: replica === undefined ? null : (decode(replica) ?? replica),
    key: parseKey(rawKey),
    rawKey,
  };
}

/** Returns `namespace` if it can be one. */
export function checkNamespace(namespace: string): string {
  if (namespacePattern.test(namespace)) return namespace;
  throw new Problem(
    "bad_namespace",
    `"${namespace}" is no namespace name: use 1 to 63 of a-z, 0-9, - and _, ` +
      "beginning and ending with a letter or digit",
  );
}

function parseKey(rawKey: string): string {
  if (rawKey === "") throw new Problem("bad_key", "the key is empty: put it after /keys/");
  const key = decode(rawKey);
  if (key === null) {
    throw new Problem(
      "bad_key",
      "the key is not UTF-8 in percent-encoding: encode it as encodeURIComponent does",
    );
  }
  return checkKey(key);
}

/** Returns `key` if it can be one. */
export function checkKey(key: string): string {
  if (key === "") throw new Problem("bad_key", "a key is empty: it has one character at least");
  const bytes = new TextEncoder().encode(key).byteLength;
  if (bytes > maxKeyBytes) {
    throw new Problem("key_too_long", `the key has ${bytes} bytes; it may have ${maxKeyBytes}`);
  }
  if (key.split("/").some((segment) => segment === "." || segment === "..")) {
    throw new Problem(
      "bad_key",
      "a key cannot have . or .. between slashes, since URL parsers resolve them: choose another",
    );
  }
  return key;
}

/** Returns `text` if it can be the beginning of a key, or a bound of keys. */
export function checkPart(text: string): string {
  const bytes = new TextEncoder().encode(text).byteLength;
  if (bytes <= maxKeyBytes) return text;
  throw new Problem("key_too_long", `a bound has ${bytes} bytes; a key may have ${maxKeyBytes}`);
}

/** Null when `raw` is not UTF-8 in percent-encoding. */
function decode(raw: string): string | null {
  try {
    return decodeURIComponent(raw);
  } catch {
    return null;
  }
}
