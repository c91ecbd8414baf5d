import { expect, test } from "vitest";
import type { EdgeBindings } from "../../src/edge/env.ts";
import type { Region } from "../../src/edge/nearest.ts";
import { Problem } from "../../src/edge/problem.ts";
import { ReplicaGroup } from "../../src/edge/replica-group.ts";
import { askAny } from "../../src/edge/watch-source.ts";
import { toBytes } from "../../src/protocol/codec.ts";
import { replicaPath } from "../../src/protocol/replica-call.ts";
import { type WatchRequest, watchVersion } from "../../src/protocol/watch.ts";
import { FakeGroup, statusOf } from "../support/fake-group.ts";

/** What a replica says to whoever wants to watch. */
type Act = "tells" | "is dead" | "is full" | `has all after ${number}` | `is at ${number}`;

const refusal = (act: Act): Response => {
  const number = Number(act.split(" ").at(-1));
  if (act.startsWith("is at")) return new Response(String(number), { status: 416 });
  if (act === "is full") return new Response(null, { status: 503 });
  return Response.json({ compact_revision: number }, { status: 410 });
};

const members = [
  { id: "1", region: "wnam", role: "voter", replaces: null },
  { id: "2", region: "weur", role: "voter", replaces: null },
  { id: "3", region: "apac", role: "voter", replaces: null },
] as const;

/** A group in three parts of the world, whose replica 1 leads. Notes who was asked to tell. */
function groupThat(acts: Readonly<Record<string, Act>>): { group: ReplicaGroup; asked: string[] } {
  const asked: string[] = [];
  const get = (name: string) => {
    const id = name.split("/")[1]!;
    return {
      fetch: (url: string): Promise<Response> => {
        const act = acts[id] ?? "tells";
        if (act === "is dead") return Promise.reject(new Error("dead"));
        const role = id === "1" ? "leader" : "follower";
        const status = { ...statusOf(id, role, "1"), members };
        if (!url.endsWith(replicaPath.watch)) return Promise.resolve(new Response(toBytes(status)));
        asked.push(id);
        return Promise.resolve(act === "tells" ? new Response("told") : refusal(act));
      },
    };
  };
  const REPLICA = { idFromName: (name: string) => name, get };
  const env = { ...new FakeGroup("shop").env(), REPLICA };
  return { group: new ReplicaGroup(env as unknown as EdgeBindings, "shop"), asked };
}

const requestAfter = (after: number | null): WatchRequest => ({
  version: watchVersion,
  range: { from: "", to: null },
  after,
  waitMs: null,
});

interface Case {
  readonly acts?: Readonly<Record<string, Act>>;
  readonly after: number | null;
  readonly from: Region | null;
  readonly asked: string;
}

test.each<[string, Case]>([
  ["who is in Europe by the replica there", { after: 7, from: "weur", asked: "2" }],
  ["who is in Asia by the replica there", { after: 7, from: "apac-ne", asked: "3" }],
  ["who is nowhere by who leads", { after: 7, from: null, asked: "1" }],
  [
    "who wants what is new by who leads, wherever that is",
    { after: null, from: "weur", asked: "1" },
  ],
  [
    "by the next one where the nearest is dead",
    { acts: { "2": "is dead" }, after: 7, from: "weur", asked: "1" },
  ],
  [
    "by the next one where too many watch the nearest",
    { acts: { "2": "is full" }, after: 7, from: "weur", asked: "2 1" },
  ],
  [
    "by one that has it where the nearest has it no more",
    {
      acts: { "2": "has all after 9", "1": "has all after 8" },
      after: 7,
      from: "weur",
      asked: "2 1 3",
    },
  ],
])("A watch is served: %s", async (_, { acts = {}, after, from, asked }) => {
  const bench = groupThat(acts);
  const wanted = { request: requestAfter(after), onSocket: false, from };
  const { response, replica } = await askAny(bench.group, wanted);
  expect(await response.text()).toBe("told");
  expect(bench.asked.join(" ")).toBe(asked);
  const server = members.find(({ id }) => id === bench.asked.at(-1))!;
  const role = server.id === "1" ? "leader" : "follower";
  expect(replica).toBe(`${server.region}/${role}/${server.id}`);
});

test.each<[string, Readonly<Record<string, Act>>, string, object]>([
  [
    "nobody has it any more",
    { "1": "has all after 9", "2": "has all after 8", "3": "is dead" },
    "compacted",
    { compact_revision: 8 },
  ],
  ["nobody was ever told of it", { "1": "is at 5", "2": "is full" }, "future_revision", {}],
  ["nobody is there", { "1": "is dead", "2": "is dead", "3": "is dead" }, "unavailable", {}],
])("A watch is refused where %s", async (_, acts, code, extra) => {
  const { group } = groupThat(acts);
  const wanted = { request: requestAfter(7), onSocket: false, from: "weur" } as const;
  const problem: unknown = await askAny(group, wanted).catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(Problem);
  const body: unknown = await (problem as Problem).toResponse("/").json();
  expect(body).toMatchObject({ code, ...extra });
});
