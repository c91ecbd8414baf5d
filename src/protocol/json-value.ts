/** A value within JSON: as text where it is text, and in base64 where it is not. */
export function describeBytes(value: Uint8Array): object {
  try {
    return { value: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value) };
  } catch {
    return { value_b64: toBase64(value) };
  }
}

/** The bytes that base64 stands for; one by one, since there may be many. */
export function fromBase64(text: string): Uint8Array {
  const chars = atob(text);
  const bytes = new Uint8Array(chars.length);
  for (let i = 0; i < chars.length; i++) bytes[i] = chars.charCodeAt(i);
  return bytes;
}

/** Bytes at a time: more are too many arguments for a function. */
const slice = 8192;

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.byteLength; i += slice) {
    text += String.fromCharCode(...bytes.subarray(i, i + slice));
  }
  return btoa(text);
}
