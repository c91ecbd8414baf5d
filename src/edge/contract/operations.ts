import type * as z from "zod/mini";
import { getBody, transactionBody } from "../transaction-body.ts";
import type { RequestHeader } from "./headers.ts";
import type { ParameterName } from "./parameters.ts";

/** One method of one path, as the API's description tells of it. */
export interface Operation {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly query?: readonly ParameterName[];
  readonly headers?: readonly RequestHeader[];
  /** JSON of this shape, JSON like this, or bytes that mean nothing here. */
  readonly body?: z.ZodMiniType | { readonly example: unknown } | "bytes" | "ndjson";
  /** What successful answers say, by their status. */
  readonly answers: Readonly<Record<number, Answer>>;
}

export interface Answer {
  readonly description: string;
  readonly type?:
    | "application/json"
    | "application/x-ndjson"
    | "text/event-stream"
    | "text/plain"
    | "*/*";
}

const read = ["consistency", "max_staleness", "timeout"] as const satisfies ParameterName[];
const readHeaders = ["KV-Consistency", "KV-Bookmark"] as const satisfies RequestHeader[];
const once = ["Idempotency-Key"] as const satisfies RequestHeader[];
const range = ["prefix", "start", "end"] as const satisfies ParameterName[];

const json = (description: string): Answer => ({ description, type: "application/json" });

const ns = "/v1/ns/{namespace}";

const onKeys = (path: string, id: string, where: string): Operation[] => [
  {
    method: "GET",
    path,
    id: `get${id}`,
    summary: `The value of a key${where}`,
    query: ["revision", ...read],
    headers: ["If-None-Match", ...readHeaders],
    answers: {
      200: { description: "the value, as it was put", type: "*/*" },
      304: { description: "it is the one of If-None-Match" },
    },
  },
  {
    method: "PUT",
    path,
    id: `put${id}`,
    summary: `Give a key a value${where}`,
    query: ["ttl", "expires", "lease", ...read],
    headers: ["If-Match", "If-None-Match", "KV-Metadata", ...once, "KV-Consistency"],
    body: "bytes",
    answers: {
      200: { description: "it replaced another" },
      201: { description: "the key had none" },
    },
  },
  {
    method: "DELETE",
    path,
    id: `delete${id}`,
    summary: `Take a key's value away${where}`,
    query: [...read],
    headers: ["If-Match", "If-None-Match", ...once, "KV-Consistency"],
    answers: { 204: { description: "it has none, whether it had one or not" } },
  },
];

/** The whole API. test/edge/contract.test.ts holds it against what is there. */
export const operations: readonly Operation[] = [
  ...onKeys(`${ns}/keys/{key}`, "Key", ""),
  ...onKeys(`${ns}/replicas/{id}/keys/{key}`, "KeyAtReplica", ", at one replica"),
  {
    method: "GET",
    path: `${ns}/keys`,
    id: "listKeys",
    summary: "The keys of a range: a page, how many there are, or a stream of all of them",
    query: [
      ...range,
      "delimiter",
      "reverse",
      "limit",
      "cursor",
      "values",
      "count",
      "revision",
      ...read,
    ],
    headers: ["Accept", ...readHeaders],
    answers: { 200: json("keys with what is kept of them, and where to go on") },
  },
  {
    method: "DELETE",
    path: `${ns}/keys`,
    id: "deleteKeys",
    summary: "Delete the first keys of a range",
    query: [...range, "limit", ...read],
    headers: [...once],
    answers: { 200: json("how many went, and whether that was all") },
  },
  {
    method: "POST",
    path: `${ns}/txn`,
    id: "transact",
    summary: "Conditions, and operations at one revision",
    query: [...read],
    headers: [...once, ...readHeaders],
    body: transactionBody,
    answers: { 200: json("whether the conditions held, and what came of each operation") },
  },
  {
    method: "POST",
    path: `${ns}/get`,
    id: "getMany",
    summary: "Many keys at one revision",
    query: ["revision", ...read],
    headers: [...readHeaders],
    body: getBody,
    answers: { 200: json("each key, with its value if it has one") },
  },
  {
    method: "GET",
    path: `${ns}/watch`,
    id: "watch",
    summary: "What changes, from now on or from a revision on",
    query: ["key", "prefix", "from", "wait"],
    headers: ["Last-Event-ID", "Upgrade"],
    answers: {
      101: { description: "a WebSocket, with an event a message" },
      200: {
        description: "server-sent events; with wait, JSON with the first ones",
        type: "text/event-stream",
      },
    },
  },
  {
    method: "POST",
    path: `${ns}/leases`,
    id: "grantLease",
    summary: "A lease that values can go with",
    query: ["ttl", ...read],
    headers: [...once],
    answers: { 200: json("its id, and when it ends") },
  },
  {
    method: "GET",
    path: `${ns}/leases/{id}`,
    id: "getLease",
    summary: "When a lease ends, and the keys that go with it",
    query: [...read],
    headers: [...readHeaders],
    answers: { 200: json("when it ends, and its keys") },
  },
  {
    method: "PUT",
    path: `${ns}/leases/{id}`,
    id: "keepLeaseAlive",
    summary: "Let a lease live for its whole time once more",
    query: [...read],
    headers: [...once],
    answers: { 200: json("when it ends now") },
  },
  {
    method: "DELETE",
    path: `${ns}/leases/{id}`,
    id: "revokeLease",
    summary: "End a lease, and the keys with it",
    query: [...read],
    headers: [...once],
    answers: { 200: json("how many keys went") },
  },
  {
    method: "POST",
    path: `${ns}/locks/{key}`,
    id: "lock",
    summary: "Hold a lock, if nobody else does; check its token where it counts",
    query: ["ttl", "wait", "timeout"],
    headers: [...once],
    body: "bytes",
    answers: { 200: json("its token, and the lease that it is held by") },
  },
  {
    method: "DELETE",
    path: `${ns}/locks/{key}`,
    id: "unlock",
    summary: "Give a lock up",
    query: ["token", "timeout"],
    headers: [...once],
    answers: { 204: { description: "it is free" } },
  },
  {
    method: "GET",
    path: `${ns}/history`,
    id: "getHistory",
    summary: "How long what is replaced is kept",
    query: [...read],
    headers: [...readHeaders],
    answers: { 200: json("for how long, and the oldest revision that can be read") },
  },
  {
    method: "PUT",
    path: `${ns}/history`,
    id: "keepHistory",
    summary: "Keep what is replaced",
    query: ["keep", ...read],
    headers: [...once],
    answers: { 200: json("for how long, and the oldest revision that can be read") },
  },
  {
    method: "DELETE",
    path: `${ns}/history`,
    id: "dropHistory",
    summary: "Keep no more of what is replaced",
    query: [...read],
    headers: [...once],
    answers: { 200: json("that only the present can be read") },
  },
  {
    method: "GET",
    path: `${ns}/export`,
    id: "export",
    summary: "All there is, at one revision",
    query: [...read],
    headers: [...readHeaders],
    answers: { 200: { description: "a line a key", type: "application/x-ndjson" } },
  },
  {
    method: "POST",
    path: `${ns}/import`,
    id: "import",
    summary: "Put what an export says",
    query: ["replace", ...read],
    body: "ndjson",
    answers: { 200: json("how much was put") },
  },
  {
    method: "GET",
    path: `${ns}/cluster`,
    id: "getCluster",
    summary: "What each replica says of itself",
    query: ["timeout"],
    answers: { 200: json("the replicas") },
  },
  {
    method: "POST",
    path: `${ns}/cluster/leader`,
    id: "handOver",
    summary: "Have another replica lead",
    query: ["timeout"],
    body: { example: { replica: "2" } },
    answers: { 200: json("who leads now") },
  },
  {
    method: "GET",
    path: `${ns}/cluster/members`,
    id: "getMembers",
    summary: "Who belongs to the group",
    query: ["timeout"],
    answers: { 200: json("the members") },
  },
  {
    method: "POST",
    path: `${ns}/cluster/members`,
    id: "addMember",
    summary: "Add a replica, or put one in the place of another",
    query: ["timeout"],
    body: { example: { region: "weur", replaces: "2" } },
    answers: { 201: json("it has a vote"), 202: json("it is on its way") },
  },
  {
    method: "DELETE",
    path: `${ns}/cluster/members/{id}`,
    id: "removeMember",
    summary: "Remove a replica",
    query: ["timeout"],
    answers: { 200: json("it is gone"), 202: json("it is on its way") },
  },
  {
    method: "POST",
    path: `${ns}/cluster/rebuild`,
    id: "rebuild",
    summary: "Go on with one replica when the quorum is lost for good",
    query: ["timeout"],
    body: {
      example: {
        survivor: "2",
        lost: ["1", "3"],
        confirm: "I accept that acknowledged writes may be lost",
      },
    },
    answers: { 200: json("who leads, in which epoch") },
  },
  {
    method: "GET",
    path: "/livez",
    id: "isLive",
    summary: "Whether the Worker runs",
    answers: { 200: { description: "it does", type: "text/plain" } },
  },
  {
    method: "GET",
    path: "/readyz",
    id: "isReady",
    summary: "Whether the settings are sound, and a namespace can be read",
    query: ["ns", "verbose", "timeout"],
    answers: { 200: { description: "they are, and it can", type: "text/plain" } },
  },
  {
    method: "GET",
    path: "/openapi.json",
    id: "getOpenApi",
    summary: "This description, as OpenAPI 3.1",
    answers: { 200: json("this description") },
  },
  {
    method: "GET",
    path: "/docs",
    id: "getDocs",
    summary: "This description, to be read",
    answers: { 200: { description: "a page", type: "text/plain" } },
  },
];
