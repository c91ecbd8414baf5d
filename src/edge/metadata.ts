import { maxMetadataBytes } from "../protocol/limits.ts";
import { Problem } from "./problem.ts";

const header = "KV-Metadata";

/** The JSON to keep with a value, as it was sent; undefined when there is none. */
export function readMetadata(headers: Headers): string | undefined {
  const text = headers.get(header);
  if (text === null) return undefined;
  if (!/^[\x20-\x7e]*$/.test(text)) {
    const detail = `${header} must be of ASCII characters: write others as JSON escapes, like \\u00e9`;
    throw new Problem("bad_metadata", detail);
  }
  if (!isJson(text)) throw new Problem("bad_metadata", `${header} must be JSON, like {"by":"ann"}`);
  return checkSize(text, header);
}

/** JSON text, of ASCII, of a value that came within other JSON. */
export function metadataOf(value: unknown): string {
  const text = jsonOf(value).replaceAll(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return checkSize(text, "metadata");
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    // JSON can be read however deep it goes, but not written.
    throw new Problem(
      "bad_metadata",
      `metadata goes too deep; it may have ${maxMetadataBytes} bytes`,
    );
  }
}

function checkSize(text: string, what: string): string {
  if (text.length <= maxMetadataBytes) return text;
  const detail = `${what} has ${text.length} bytes; it may have ${maxMetadataBytes}`;
  throw new Problem("bad_metadata", detail);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
