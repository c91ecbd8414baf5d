import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";

/** Connections that are kept. Node sends nothing twice, so a call arrives at most once. */
const agent = new Agent({ keepAlive: true, maxSockets: 512 });

export interface Call {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** After so many ms the connection is closed, whatever has become of the call. */
  readonly timeoutMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/**
 * Makes one HTTP call.
 *
 * @throws Error when no whole answer came: whether anything was done there is not known then.
 */
export function call({ method, url, headers = {}, body, timeoutMs }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? 0 : Buffer.byteLength(body);
    const outgoing = request(url, {
      method,
      agent,
      headers: { ...headers, "Content-Length": String(length) },
    });
    const timer = setTimeout(() => outgoing.destroy(new Error("no answer in time")), timeoutMs);
    outgoing.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.on("response", (response) => {
      readAll(response).then(
        (all) => {
          clearTimeout(timer);
          resolve({ status: response.statusCode!, headers: response.headers, body: all });
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(error);
        },
      );
    });
    outgoing.end(body);
  });
}

/** The whole body of a message. */
export async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
