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
export async function call(sent: Call): Promise<Answer> {
  const { response, end } = await open(sent);
  try {
    const body = await readAll(response);
    return { status: response.statusCode!, headers: response.headers, body };
  } finally {
    end();
  }
}

/** An answer that has begun. */
export interface Opened {
  readonly response: IncomingMessage;
  /** From now on it may take as long as it takes. */
  readonly end: () => void;
}

/** The same, but resolves as soon as the answer begins. It must be whole in time all the same, until `end`. */
export function open({ method, url, headers = {}, body, timeoutMs }: Call): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? 0 : Buffer.byteLength(body);
    const outgoing = request(url, {
      method,
      agent,
      headers: { ...headers, "Content-Length": String(length) },
    });
    const timer = setTimeout(() => outgoing.destroy(new Error("no answer in time")), timeoutMs);
    const end = (): void => clearTimeout(timer);
    outgoing.on("error", (error) => {
      end();
      reject(error);
    });
    outgoing.on("response", (response) => resolve({ response, end }));
    outgoing.end(body);
  });
}

/** The whole body of a message. */
export async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
