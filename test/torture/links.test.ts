import { type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Random } from "../../src/raft/random.ts";
import { call, open, readAll } from "./http.ts";
import { Links, goodWays } from "./links.ts";

let servers: Server[];
let links: Links;
let arrived: string[];
/** Answers that go on. */
let streams: ServerResponse[];

/** Two replicas that answer with what they got. */
beforeEach(async () => {
  arrived = [];
  streams = [];
  servers = ["1", "2"].map((id) =>
    createServer((request, response) => {
      void readAll(request).then((body) => {
        if (request.url!.endsWith("/watch")) {
          response.writeHead(200, { "Content-Type": "text/event-stream" });
          response.write("piece 0");
          streams.push(response);
          return;
        }
        arrived.push(`${id}${request.url} ${body.toString()}`);
        response.end(`${id} got ${request.headers["authorization"] ?? "no secret"}`);
      });
    }).listen(0, "127.0.0.1"),
  );
  await Promise.all(
    servers.map((server) => new Promise((resolve) => server.on("listening", resolve))),
  );
  const urls = servers.map(
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  );
  links = new Links(new Map(urls.map((url, i) => [String(i + 1), url])), new Random(1));
  await links.open();
});

afterEach(() => {
  links.close();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

const send = (from: string, to: string) =>
  call({
    method: "POST",
    url: `${links.url(from, to)}/_replica/ns/${to}/peer`,
    headers: { Authorization: "Bearer s" },
    body: `from ${from}`,
    timeoutMs: 300,
  });

test("A call goes through with its path, body and secret, and its answer comes back", async () => {
  const answer = await send("1", "2");
  expect(answer.body.toString()).toBe("2 got Bearer s");
  expect(arrived).toEqual(["2/_replica/ns/2/peer from 1"]);
  expect(links.counts).toEqual({ messages: 1, lost: 0, doubled: 0 });
});

test("A link that is cut in one direction loses calls that way, and answers to calls the other way", async () => {
  links.cut("1", "2");
  await expect(send("1", "2")).rejects.toThrow();
  expect(arrived).toEqual([]);
  await expect(send("2", "1")).rejects.toThrow();
  expect(arrived).toEqual(["1/_replica/ns/1/peer from 2"]);
  expect(links.counts.lost).toBe(2);
  links.mend();
  expect((await send("1", "2")).status).toBe(200);
});

test("Losses are drawn apart for calls and answers", async () => {
  links.ways = { ...goodWays, lostAnswers: 1000 };
  await expect(send("1", "2")).rejects.toThrow();
  expect(arrived.length).toBe(1);
  links.ways = { ...goodWays, lostRequests: 1000 };
  await expect(send("1", "2")).rejects.toThrow();
  expect(arrived.length).toBe(1);
  links.heal();
  await send("1", "2");
  expect(arrived.length).toBe(2);
});

test("Calls between replicas may arrive twice; those of an edge never do", async () => {
  links.ways = { ...goodWays, doubledRequests: 1000 };
  await send("e1", "2");
  expect(arrived.length).toBe(1);
  await send("1", "2");
  await expect.poll(() => arrived.length).toBe(3);
  expect(links.counts).toEqual({ messages: 1, lost: 0, doubled: 1 });
});

describe("An answer that goes on", () => {
  /** Has one opened, and takes what comes. */
  async function opened(from: string, to: string) {
    const sent = { method: "POST", url: `${links.url(from, to)}/x/watch`, timeoutMs: 300 };
    const { response, end } = await open(sent);
    end();
    const taken = { text: "", isOver: false };
    response.on("data", (piece: Buffer) => (taken.text += piece.toString()));
    response.on("close", () => (taken.isOver = true));
    await expect.poll(() => taken.text).toBe("piece 0");
    return { taken, source: streams.at(-1)!, response };
  }

  test("passes piece by piece, for as long as it takes", async () => {
    const { taken, source } = await opened("e1", "1");
    await new Promise((resolve) => setTimeout(resolve, 400));
    source.write(", piece 1");
    await expect.poll(() => taken.text).toBe("piece 0, piece 1");
    source.end();
    await expect.poll(() => taken.isOver).toBe(true);
  });

  test("ends at its source when its reader goes", async () => {
    const { source, response } = await opened("e1", "1");
    response.destroy();
    await expect.poll(() => source.destroyed).toBe(true);
  });

  test("stands still while the link is cut, or is gone; those on other links are not", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => opened("e1", "1")));
    const other = await opened("e1", "2");
    links.cut("1", "e1");
    for (const source of streams) source.write(", piece 1");
    await expect.poll(() => other.taken.text).toBe("piece 0, piece 1");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(all.every(({ taken }) => taken.text === "piece 0")).toBe(true);
    links.mend();
    await expect
      .poll(() => all.every(({ taken }) => taken.isOver || taken.text.endsWith("1")))
      .toBe(true);
    const gone = all.filter(({ taken }) => taken.isOver).length;
    expect(gone).toBeGreaterThan(2);
    expect(gone).toBeLessThan(18);
  });
});
