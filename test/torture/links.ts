import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Random } from "../../src/raft/random.ts";
import { call, open, readAll } from "./http.ts";

/** How the ways are, for all alike. Chances in thousandths, times in ms. */
export interface Ways {
  readonly lostRequests: number;
  readonly lostAnswers: number;
  readonly doubledRequests: number;
  readonly delayMs: number;
}

export const goodWays: Ways = { lostRequests: 0, lostAnswers: 0, doubledRequests: 0, delayMs: 0 };

/** An answer of one process to another that goes on and on. */
interface Stream {
  readonly from: string;
  readonly to: string;
  readonly response: IncomingMessage;
  readonly outgoing: ServerResponse;
}

/** Longer than anybody waits for an answer. */
const patienceMs = 15_000;
const passedHeaders = ["authorization", "content-type"];

/**
 * All ways between the processes: a proxy that every call of an edge or a replica to a replica goes
 * through, and that loses, delays and doubles what it is told to.
 */
export class Links {
  readonly #random: Random;
  readonly #server: Server;
  readonly #targets: ReadonlyMap<string, string>;
  readonly #homeOf: (id: string) => string;
  readonly #cut = new Set<string>();
  readonly #streams = new Set<Stream>();
  ways: Ways = goodWays;
  /** Calls between replicas, and what became of them. */
  readonly counts = { messages: 0, lost: 0, doubled: 0 };

  /**
   * @param targets where each replica really answers, by its id.
   * @param homeOf the process that holds a replica: links are cut between processes.
   */
  constructor(
    targets: ReadonlyMap<string, string>,
    random: Random,
    homeOf: (id: string) => string = (id) => id,
  ) {
    this.#targets = targets;
    this.#random = random;
    this.#homeOf = homeOf;
    this.#server = createServer((incoming, outgoing) => {
      this.#pass(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Where `from` finds `to`. */
  url(from: string, to: string): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/${from}/${to}`;
  }

  /** Nothing gets from one to the other any more: neither calls nor answers to calls. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
    for (const stream of this.#streams) {
      const isOn =
        stream.from === from ? stream.to === to : stream.from === to && stream.to === from;
      if (isOn) this.#settle(stream);
    }
  }

  /** Joins everybody again. */
  mend(): void {
    this.#cut.clear();
    for (const stream of this.#streams) this.#settle(stream);
  }

  heal(): void {
    this.mend();
    this.ways = goodWays;
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const [, from = "", to = "", ...rest] = incoming.url!.split("/");
    const body = await readAll(incoming);
    const headers = Object.fromEntries(
      passedHeaders.flatMap((name) => {
        const value = incoming.headers[name];
        return typeof value === "string" ? [[name, value]] : [];
      }),
    );
    const url = `${this.#targets.get(to)!}/${rest.join("/")}`;
    const sent = { method: incoming.method!, url, headers, body, timeoutMs: patienceMs };
    const isPeer = this.#targets.has(from);
    if (isPeer) this.counts.messages++;
    const home = this.#homeOf(to);
    if (this.#isLost(from, home, this.ways.lostRequests)) return this.#lose(outgoing, isPeer);
    await this.#delay();
    if (isPeer && this.#chance(this.ways.doubledRequests)) {
      this.counts.doubled++;
      void this.#delay()
        .then(() => call(sent))
        .catch(() => {});
    }
    const { response, end } = await open(sent);
    const type = response.headers["content-type"];
    const head = type === undefined ? {} : { "content-type": type };
    if (type === "text/event-stream") {
      end();
      outgoing.writeHead(response.statusCode!, head);
      this.#stream({ from, to: home, response, outgoing });
      return;
    }
    const answer = await readAll(response).finally(end);
    await this.#delay();
    if (this.#isLost(home, from, this.ways.lostAnswers)) return this.#lose(outgoing, isPeer);
    outgoing.writeHead(response.statusCode!, head);
    outgoing.end(answer);
  }

  /** Passes an answer on that has no end, piece by piece. */
  #stream(stream: Stream): void {
    const { from, to, response, outgoing } = stream;
    this.#streams.add(stream);
    const end = (): void => {
      this.#streams.delete(stream);
      response.destroy();
      outgoing.destroy();
    };
    response.on("data", (piece: Buffer) => {
      if (this.#isLost(to, from, this.ways.lostAnswers)) end();
      else outgoing.write(piece);
    });
    response.on("end", () => outgoing.end());
    response.on("error", end);
    response.on("close", () => this.#streams.delete(stream));
    outgoing.on("close", end);
    outgoing.on("error", end);
    this.#settle(stream);
  }

  /** A link that is cut says nothing: what is on its way stands still, or is gone when it is mended. */
  #settle({ from, to, response, outgoing }: Stream): void {
    const isCut = this.#cut.has(`${from}>${to}`) || this.#cut.has(`${to}>${from}`);
    if (!isCut) response.resume();
    else if (this.#chance(500)) response.pause();
    else outgoing.destroy();
  }

  /** The caller hears nothing for long, or finds its connection closed. */
  #lose(outgoing: ServerResponse, isPeer: boolean): void {
    if (isPeer) this.counts.lost++;
    if (this.#chance(500)) outgoing.destroy();
    else setTimeout(() => outgoing.destroy(), patienceMs).unref();
  }

  #isLost(from: string, to: string, thousandths: number): boolean {
    return this.#cut.has(`${from}>${to}`) || this.#chance(thousandths);
  }

  async #delay(): Promise<void> {
    const ms = this.#random.between(0, this.ways.delayMs);
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  }

  #chance(thousandths: number): boolean {
    return this.#random.between(0, 999) < thousandths;
  }
}
