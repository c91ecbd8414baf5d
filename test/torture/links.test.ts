import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Random } from "../../src/raft/random.ts";
import { call, readAll } from "./http.ts";
import { Links, goodWays } from "./links.ts";

let servers: Server[];
let links: Links;
let arrived: string[];

/** Two replicas that answer with what they got. */
beforeEach(async () => {
  arrived = [];
  servers = ["1", "2"].map((id) =>
    createServer((request, response) => {
      void readAll(request).then((body) => {
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
